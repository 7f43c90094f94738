"""One namespace for each module of these tests: they look at single objects, and tidy up after themselves."""

from collections.abc import Iterator

import pytest

from admission.server import Server
from controlplane.cluster import Cluster


@pytest.fixture(scope="module")
def own_namespace(installed: Cluster) -> Iterator[str]:
    """A namespace that the tests of a module share."""
    name = installed.create_namespace()
    yield name
    installed.client().request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def server(installed: Cluster, own_namespace: str) -> Server:
    """The API server with our CRDs, seen from that namespace."""
    return Server(installed.client(), own_namespace)
