"""A cluster with one operator and one validator, and as many namespaces as there are cases."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from common.drivers.resting import Place
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World, world_of


@pytest.fixture(scope="package")
def world(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with everything in it, and an operator."""
    with (
        world_of(binaries) as world,
        world.operator(tmp_path_factory.mktemp("operator") / "operator.log") as running,
    ):
        yield world
        running.assert_sound()


@pytest.fixture(scope="package")
def asked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValidator]:
    """A validator that believes what proxies on this machine say of clients."""
    log = tmp_path_factory.mktemp("validator") / "validator.log"
    with validator(world, log, "--trusted-proxy=127.0.0.0/8") as running:
        yield running


@pytest.fixture(scope="package")
def place(world: World, asked: RunningValidator) -> Callable[[], Place]:
    """Make a namespace with nothing but its second role in it."""
    numbers = count(1)

    def make() -> Place:
        found = Place(world, asked, world.cluster.create_namespace(), next(numbers))
        world.role(found.words["MORE"])
        return found

    return make
