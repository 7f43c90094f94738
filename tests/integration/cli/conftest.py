"""A cluster with an operator and a validator, and the plugin in a namespace of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from common.drivers.kubectlike import Scene, scene
from common.drivers.plugin import Plugin
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World, world_of


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """CRDs, rights and two roles."""
    with world_of(binaries) as world:
        world.role("orders-reader")
        world.role("orders-writer")
        yield world


@pytest.fixture(scope="package")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValidator]:
    """An operator, and a validator to ask."""
    logs = tmp_path_factory.mktemp("running")
    operator = world.operator(logs / "operator.log", "--leader-election")
    with operator, validator(world, logs / "validator.log") as running:
        yield running
        running.process.raise_if_ended()


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace with the account `ci` in it."""
    name = world.cluster.create_namespace()
    world.account(name, roles=["orders-reader"])
    return name


@pytest.fixture
def plugin(world: World, binaries: Path, namespace: str, running: RunningValidator) -> Plugin:
    """The plugin, as the administrator."""
    return Plugin(world.cluster, binaries, namespace)


@pytest.fixture
def token(world: World, namespace: str, plugin: Plugin, running: RunningValidator) -> str:
    """The value of the token `ci-prod`, minted and accepted."""
    world.token(namespace, description="orders-api release job")
    value = world.until_ready(namespace)
    world.until(lambda: running.forward(value).status == 200, "the validator to accept it")
    return value


@pytest.fixture
async def beside(tmp_path: Path, binaries: Path) -> AsyncIterator[Scene]:
    """Servers that write down who asks: kubectl, or the plugin."""
    async with scene(tmp_path, binaries) as found:
        yield found
