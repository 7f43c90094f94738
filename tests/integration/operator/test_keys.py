"""The key Secret: made once, never again while tokens exist, and extended at any time."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.runbook import Runbook
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, World, encode, world_of
from controlplane.waiting import patient

KEYS = f"/api/v1/namespaces/{HOME}/secrets/servicetokens-hmac-keys"
RUNBOOK = Runbook("keys")


@pytest.fixture(scope="module")
def world(binaries: Path) -> Iterator[World]:
    """A cluster whose keys the tests may lose."""
    with world_of(binaries) as world:
        yield world


@pytest.fixture(autouse=True)
def fresh_keys(world: World) -> Iterator[None]:
    """Each test begins with no token and no key."""
    yield
    for token in world.ok("GET", world.path("servicetokens", "")).body["items"]:
        world.delete("servicetokens", token["metadata"]["namespace"], token["metadata"]["name"])
    world.client.request("DELETE", KEYS)


def test_lost_keys_are_reported_not_replaced_and_used_again_once_restored(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """While they are missing nothing is minted, and every token says so."""
    with world.operator(tmp_path / "first.log"):
        world.token(namespace)
        value = world.until_ready(namespace)
    RUNBOOK.follow(world, tmp_path, "Back the keys up")
    world.ok("DELETE", KEYS)
    with world.operator(tmp_path / "second.log", wait=False) as operator:
        world.token(namespace, "new")
        ready = world.until_reason(namespace, "Ready", "KeyMissing", "new")
        assert "restore it from a backup" in ready["message"]
        world.until_reason(namespace, "Active", "KeyMissing")
        assert world.secret(HOME, "servicetokens-hmac-keys") is None
        assert "restore it from a backup" in operator.page("/readyz")[1]
        RUNBOOK.follow(world, tmp_path, "The keys are lost, and there is a backup")
        world.until_ready(namespace, "new")
        assert world.until_ready(namespace) == value


def test_a_truncated_key_is_named(world: World, namespace: str, tmp_path: Path) -> None:
    """And not written over."""
    with world.operator(tmp_path / "first.log"):
        world.token(namespace)
        value = world.until_ready(namespace)
    keys = world.ok("GET", KEYS).body
    world.ok("PATCH", KEYS, {"data": {"k1": encode("short")}})
    with world.operator(tmp_path / "second.log", wait=False):
        ready = world.until_reason(namespace, "Ready", "KeyMissing")
        assert "'k1' must have 32 bytes, not 5" in ready["message"]
        world.ok("PATCH", KEYS, {"data": keys["data"]})
        assert world.until_ready(namespace) == value


def test_a_second_key_signs_what_is_new_and_the_first_keeps_verifying(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Old tokens stay until they rotate; a running validator takes the key up; then the old key can go."""
    with validator(world, tmp_path / "validator.log", wait=False) as asked:
        value = minted_and_accepted(world, namespace, tmp_path, asked)
        RUNBOOK.follow(world, tmp_path, "Add a key")
        with world.operator(tmp_path / "second.log") as operator:
            world.token(namespace, "new")
            fresh = world.until_ready(namespace, "new")
            assert key_ids(world, namespace, "new") == ["k2"]
            world.until(lambda: asked.forward(fresh).status == 200, "the validator to know the new key")
            assert world.until_ready(namespace) == value
            assert key_ids(world, namespace) == ["k1"]
            listed = run_keys(world).stdout
            assert re.search(r"^k1 +1  verifies", listed, re.MULTILINE)
            assert re.search(r"^k2 +1  signs", listed, re.MULTILINE)
            assert 'servicetokens_operator_credentials{key_id="k1"} 1.0' in operator.page("/metrics")[1]
            world.change(namespace, rotation={"id": "to the new key", "overlap": "0s"})
            world.until_ready(namespace)
            assert key_ids(world, namespace) == ["k2"]
            assert 'servicetokens_operator_credentials{key_id="k1"} 0.0' in operator.page("/metrics")[1]
            assert re.search(r"^k1 +0  unused", run_keys(world).stdout, re.MULTILINE)
            before = world.value(namespace)
            RUNBOOK.follow(world, tmp_path, "Remove an old key")
        with world.operator(tmp_path / "third.log"):
            assert world.until_ready(namespace) == before


def test_without_a_backup_a_new_key_replaces_every_token_once(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """The old value is rejected, the new one accepted, and each token says that it was minted again."""
    with validator(world, tmp_path / "validator.log", wait=False) as asked:
        value = minted_and_accepted(world, namespace, tmp_path, asked)
        world.ok("DELETE", KEYS)
        with world.operator(tmp_path / "second.log", wait=False):
            world.until_reason(namespace, "Ready", "KeyMissing")
            RUNBOOK.follow(world, tmp_path, "The keys are lost, and there is no backup")
            world.until(lambda: key_ids(world, namespace) == ["k9"], "a credential with the new key")
            fresh = world.until_ready(namespace)
            assert fresh != value
            assert world.status(namespace)["serial"] == 2
            world.until(lambda: asked.forward(fresh).status == 200, "the new token to be accepted")
            assert asked.forward(value).status == 401
            world.until(lambda: "TokenReminted" in world.events(namespace), "the Event")


def test_a_key_that_was_replaced_under_its_name_costs_one_mint_each(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """It is the same as a lost one: what it signed cannot be verified. Nothing is minted twice."""
    with world.operator(tmp_path / "first.log"):
        world.token(namespace)
        value = world.until_ready(namespace)
    world.ok("PATCH", KEYS, {"data": {"k1": encode("1" * 32)}})
    with world.operator(tmp_path / "second.log"):
        world.until(lambda: world.value(namespace) != value, "a fresh token")
        fresh = world.until_ready(namespace)
        assert world.serial_of(value, namespace) is None
    with (
        world.operator(tmp_path / "third.log"),
        validator(world, tmp_path / "validator.log") as asked,
    ):
        assert asked.forward(fresh).status == 200
        assert asked.forward(value).status == 401
        assert world.until_ready(namespace) == fresh
        assert world.status(namespace)["serial"] == 2


def test_the_listing_says_what_is_missing(world: World, tmp_path: Path) -> None:
    """In one line, with the way out."""
    done = run_keys(world)
    assert done.returncode == 1
    assert "servicetokens keys: there is no Secret 'servicetokens-hmac-keys'" in done.stderr
    with world.operator(tmp_path / "operator.log"):
        rows = json.loads(run_keys(world, "-o", "json").stdout)
    assert rows == [
        {"key": "k1", "state": "signs", "credentials": 0, "advice": "new tokens are signed with it"}
    ]


def minted_and_accepted(world: World, namespace: str, directory: Path, asked: RunningValidator) -> str:
    """Have a token minted by an operator that ends again, and return its value once it is accepted."""
    with world.operator(directory / "first.log"):
        world.token(namespace)
        value = world.until_ready(namespace)
    world.until(lambda: asked.forward(value).status == 200, "the first token to be accepted")
    return value


def key_ids(world: World, namespace: str, name: str = "ci-prod") -> list[str]:
    """Return the key of each credential of a token."""
    return [one["verifier"]["keyID"] for one in world.status(namespace, name)["credentials"]]


def run_keys(world: World, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run `servicetokens keys` as the administrator."""
    command = [sys.executable, "-m", "servicetokens", "keys", f"--kubeconfig={world.cluster.kubeconfig}"]
    return subprocess.run(
        [*command, *flags], capture_output=True, text=True, timeout=patient(30), check=False
    )


@pytest.mark.parametrize("damaged", [False, True])
def test_keys_that_are_lost_under_running_processes(
    world: World, namespace: str, tmp_path: Path, damaged: bool
) -> None:
    """The validator goes on with those in memory; the operator mints nothing and says so, until they are back."""
    with world.operator(tmp_path / "operator.log", wait=False) as operator:
        world.token(namespace)
        value = world.until_ready(namespace)
        with validator(world, tmp_path / "validator.log") as asked:
            world.until(lambda: asked.forward(value).status == 200, "the token to be accepted")
            keys = world.ok("GET", KEYS).body
            lose(world, damaged=damaged)
            world.until(
                lambda: "restore it from a backup" in operator.page("/readyz")[1], "/readyz to say so"
            )
            world.token(namespace, "new")
            world.until_reason(namespace, "Ready", "KeyMissing", "new")
            assert world.secret(namespace, "new") is None
            # It reads the Secret once a minute.
            world.until(
                lambda: "degraded: " in asked.page("/readyz")[1], "the validator to notice", timeout=90
            )
            assert asked.page("/readyz")[0] == 200
            assert "restore it from a backup" in asked.page("/readyz")[1]
            assert "servicetokens_validator_key_secret_usable 0.0" in asked.page("/metrics")[1]
            assert asked.forward(value).status == 200
            world.client.request("DELETE", KEYS)
            secret = {"metadata": {"name": "servicetokens-hmac-keys"}, "data": keys["data"]}
            world.create_secret(HOME, secret)
            world.until_ready(namespace, "new")
            world.until(
                lambda: asked.page("/readyz") == (200, "ok\n"), "the validator to find them", timeout=90
            )
            assert asked.forward(value).status == 200


def lose(world: World, *, damaged: bool) -> None:
    """Delete the key Secret, or truncate what is in it."""
    if damaged:
        world.ok("PATCH", KEYS, {"data": {"k1": encode("short")}})
    else:
        world.ok("DELETE", KEYS)
