"""The real API server, for every test that asks for it by the name of a fixture; nothing starts earlier."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import build
from controlplane.cluster import Cluster, Options
from controlplane.crds import install_crds
from controlplane.kubectl import Kubectl

# Needs root, and minutes: `make e2e` asks for it by name.
collect_ignore = [] if os.environ.get("SERVICETOKENS_E2E") else ["e2e"]
CRDS = Path(__file__).parent.parent / "crds"


@pytest.fixture(scope="session")
def binaries(pytestconfig: pytest.Config) -> Path:
    """The directory of the control plane's binaries, which are built now if they are not there yet."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    # The first build takes minutes: its progress must be seen.
    with capture.global_and_fixture_disabled():
        return build.ensure()


@pytest.fixture(scope="session")
def cluster(binaries: Path) -> Iterator[Cluster]:
    """The session's control plane, audit log on. A test that restarts or reconfigures one starts its own."""
    with Cluster(Options(audit=True), binaries=binaries) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The session's cluster with our CRDs."""
    install_crds(cluster, CRDS)
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A new namespace. Its deletion is begun, not awaited: no later test meets its objects or waits."""
    name = cluster.create_namespace()
    yield name
    cluster.client().request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    """`kubectl("get", "pods")` as the administrator of the session's cluster."""
    return cluster.kubectl
