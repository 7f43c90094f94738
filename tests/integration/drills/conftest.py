"""A cluster for each drill: it may be broken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.world import World, world_of


@pytest.fixture
def world(binaries: Path) -> Iterator[World]:
    """A cluster that the test may break."""
    with world_of(binaries) as world:
        yield world
