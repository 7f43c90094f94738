"""One cluster with an operator, whose Secrets give the tokens to be revoked."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World, world_of


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """A cluster with CRDs and rights."""
    with world_of(binaries) as world:
        yield world


@pytest.fixture(scope="package", autouse=True)
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOperator]:
    """The operator."""
    with world.operator(tmp_path_factory.mktemp("operator") / "operator.log", "--log-format=text") as running:
        yield running
        running.assert_sound()


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace with the account `ci` and its token `ci-prod`, minted."""
    name = world.cluster.create_namespace()
    world.account(name)
    world.token(name)
    world.until_ready(name)
    return name


@pytest.fixture(scope="module")
def three(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunningValidator]]:
    """Three validators that know everything, for the tests of one module."""
    logs = tmp_path_factory.mktemp("validators")
    with ExitStack() as stack:
        started = [
            stack.enter_context(validator(world, logs / f"validator-{number}.log")) for number in range(3)
        ]
        yield started
        # All together, since each serves on for some seconds.
        for one in started:
            one.process.send(signal.SIGTERM)
