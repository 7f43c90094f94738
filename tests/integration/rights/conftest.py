"""A cluster of their own for the tests that take rights away and steal identities."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.world import World
from controlplane.cluster import Cluster


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """A cluster with CRDs, rights and policies."""
    with Cluster(binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        yield world


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace with the account `ci` in it."""
    name = world.cluster.create_namespace()
    world.account(name)
    return name
