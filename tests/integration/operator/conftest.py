"""One cluster for all tests of the operator; one process of it for those that need none of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.world import World, world_of
from controlplane.cluster import Options


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """A cluster with CRDs and roles, audit log on."""
    with world_of(binaries, Options(audit=True)) as world:
        yield world


@pytest.fixture(scope="module")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOperator]:
    """The operator of one module's tests, with all that it is allowed and no more."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with world.operator(log, "--log-format=text") as running:
        yield running
        running.assert_sound()


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace with the account `ci` in it."""
    name = world.cluster.create_namespace()
    world.account(name)
    return name
