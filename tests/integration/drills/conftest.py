"""A cluster for each drill: it may be broken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.world import World
from controlplane.cluster import Cluster


@pytest.fixture
def world(binaries: Path) -> Iterator[World]:
    """A cluster that the test may break."""
    with Cluster(binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        yield world
