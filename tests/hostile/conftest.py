"""A validator as a process, a valid token, and what its memory is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.builders.stored import StoredToken, store_account, store_keys, store_token
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, World, world_of


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """The cluster."""
    with world_of(binaries) as world:
        store_keys(world.client, HOME)
        yield world


@pytest.fixture(scope="package")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValidator]:
    """It has to survive everything; there is one for all tests."""
    with validator(world, tmp_path_factory.mktemp("validator") / "log") as running:
        yield running
        running.assert_sound()


@pytest.fixture(scope="package")
def token(world: World, running: RunningValidator) -> StoredToken:
    """A valid token."""
    namespace = world.cluster.create_namespace()
    uid = store_account(world.client, namespace, "ci")
    found = store_token(world.client, namespace, "ci-prod", account="ci", account_uid=uid)
    world.until(lambda: running.forward(found.text).status == 200, "the token to be known")
    return found


@pytest.fixture(autouse=True)
def good_tokens_still_pass(running: RunningValidator, token: StoredToken) -> Iterator[None]:
    """Whatever a test has done, a valid token passes afterwards, and memory is what it was, give or take."""
    before = resident(running)
    yield
    assert running.forward(token.text).status == 200
    assert resident(running) - before < 30_000_000, "bytes that an attack has left behind"


def resident(running: RunningValidator) -> int:
    """Return the resident memory of the validator in bytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
