"""A cluster with an operator and a validator, for those who move in and out."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.validating import Ports, RunningValidator, validator
from common.drivers.world import World
from controlplane.cluster import AuthenticationWebhook, Cluster, Options
from controlplane.ports import LOOPBACK, free_ports


@pytest.fixture(scope="package")
def ports() -> Ports:
    """Where the validator will listen, which the API server has to know before."""
    return Ports(*free_ports(len(fields(Ports))))


@pytest.fixture(scope="package")
def world(binaries: Path, ports: Ports) -> Iterator[World]:
    """CRDs, rights and policies, audit log on; the API server asks the validator about users that it does not know."""
    cluster = Cluster(binaries=binaries)
    review = f"https://{LOOPBACK}:{ports.token_review}/authenticate"
    authority = cluster.files.authority.certificate
    cluster.options = Options(
        audit=True, authentication_webhook=AuthenticationWebhook(url=review, certificate_authority=authority)
    )
    with cluster:
        world = World(cluster)
        world.install()
        yield world


@pytest.fixture(scope="package")
def operator(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningOperator]:
    """One operator, with all that it is allowed and no more, and its log at its most talkative."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with world.operator(log, "--log-level=debug") as running:
        yield running
        running.assert_sound()


@pytest.fixture(scope="package")
def running(
    world: World, operator: RunningOperator, ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningValidator]:
    """One validator, which reads the keys that the operator has made."""
    assert operator.is_ready()
    log = tmp_path_factory.mktemp("validator") / "validator.log"
    with validator(world, log, "--log-level=debug", ports=ports) as running:
        yield running
        running.assert_sound()


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace with the account `ci` in it."""
    name = world.cluster.create_namespace()
    world.account(name)
    return name
