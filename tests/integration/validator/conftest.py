"""A cluster whose tokens are put there by hand, and a validator that knows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.builders.stored import StoredToken, store_account, store_keys, store_role, store_token
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, World, world_of


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """CRDs, rights, keys, and two roles for everyone."""
    with world_of(binaries) as world:
        store_keys(world.client, HOME)
        store_role(world.client, "orders-reader", permissions=["orders:read"])
        store_role(world.client, "orders-writer", permissions=["orders:write"], http=[{"methods": ["POST"]}])
        yield world


@pytest.fixture(scope="package")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValidator]:
    """One validator for all tests that do not need their own."""
    log = tmp_path_factory.mktemp("validator") / "validator.log"
    with validator(world, log) as running:
        yield running
        running.assert_sound()


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace."""
    return world.cluster.create_namespace()


@pytest.fixture
def token(world: World, namespace: str, running: RunningValidator) -> StoredToken:
    """A valid token with the role orders-reader, known to the validator."""
    uid = store_account(world.client, namespace, "ci", roles=["orders-reader", "orders-writer"])
    token = store_token(
        world.client, namespace, "ci-prod", account="ci", account_uid=uid, roles=["orders-reader"]
    )
    world.until(lambda: running.forward(token.text).status == 200, "the validator to know the token")
    return token
