"""A cluster with an operator and a validator, for those who move in and out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.validating import RunningValidator, validator
from common.world import RunningOperator, World
from controlplane.cluster import Cluster, Options


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """CRDs, rights and policies, audit log on."""
    with Cluster(Options(audit=True), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        yield world


@pytest.fixture(scope="package")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOperator]:
    """One operator, with all that it is allowed and no more, and its log at its most talkative."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with world.operator(log, "--log-level=debug") as running:
        yield running
        running.process.raise_if_ended()
        assert "Traceback" not in running.process.output()


@pytest.fixture(scope="package")
def running(
    world: World, operator: RunningOperator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningValidator]:
    """One validator, which reads the keys that the operator has made."""
    assert operator.is_ready()
    log = tmp_path_factory.mktemp("validator") / "validator.log"
    with validator(world, log, "--log-level=debug") as running:
        yield running
        running.process.raise_if_ended()
        assert "Traceback" not in running.process.output()


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace with the account `ci` in it."""
    name = world.cluster.create_namespace()
    world.account(name)
    return name
