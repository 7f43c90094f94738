"""A cluster behind a proxy that fails on demand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.world import GROUPS, OPERATOR, World, world_of
from common.fakes.faulty import FaultyProxy


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """A cluster with CRDs, rights and policies."""
    with world_of(binaries) as world:
        yield world


@pytest.fixture
def proxy(world: World) -> Iterator[FaultyProxy]:
    """A proxy that asks in the operator's name."""
    authority = world.cluster.files.authority.certificate
    with FaultyProxy(world.cluster.url, authority, world.cluster.key_pair(OPERATOR, GROUPS)) as proxy:
        yield proxy


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace."""
    return world.cluster.create_namespace()
