"""The key Secret: made once, never again while tokens exist, and extended at any time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.world import HOME, World, encode
from controlplane.cluster import Cluster, Options

KEYS = f"/api/v1/namespaces/{HOME}/secrets/servicetokens-hmac-keys"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def world(binaries: Path) -> Iterator[World]:
    """A cluster whose keys the tests may lose."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        yield world


def backup(world: World) -> dict[str, Any]:
    """Return what a backup of the key Secret would have."""
    secret = world.ok("GET", KEYS).body
    return {"metadata": {"name": secret["metadata"]["name"]}, "data": secret["data"]}


def test_lost_keys_are_told_not_replaced_and_used_again_when_they_are_back(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """While they are gone nothing is minted, and every token says so."""
    with world.operator(tmp_path / "first.log"):
        world.token(namespace)
        value = world.until_ready(namespace)
    keys = backup(world)
    world.ok("DELETE", KEYS)
    with world.operator(tmp_path / "second.log", wait=False) as operator:
        world.token(namespace, "new")
        ready = world.until_reason(namespace, "Ready", "KeyMissing", "new")
        assert "restore it from a backup" in ready["message"]
        world.until_reason(namespace, "Active", "KeyMissing")
        assert world.secret(HOME, "servicetokens-hmac-keys") is None
        assert "restore it from a backup" in operator.page("/readyz")[1]
        world.create_secret(HOME, keys)
        world.until_ready(namespace, "new")
        assert world.until_ready(namespace) == value


def test_a_truncated_key_is_named(world: World, namespace: str, tmp_path: Path) -> None:
    """And not written over."""
    with world.operator(tmp_path / "first.log"):
        world.token(namespace)
        value = world.until_ready(namespace)
    keys = backup(world)
    world.ok("PATCH", KEYS, {"data": {"k1": encode("short")}}, content_type=MERGE)
    with world.operator(tmp_path / "second.log", wait=False):
        ready = world.until_reason(namespace, "Ready", "KeyMissing")
        assert "'k1' must have 32 bytes, not 5" in ready["message"]
        world.ok("PATCH", KEYS, {"data": keys["data"]}, content_type=MERGE)
        assert world.until_ready(namespace) == value


def test_a_second_key_signs_what_is_new_and_the_first_keeps_verifying(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Old tokens are left as they are until they rotate."""
    with world.operator(tmp_path / "first.log"):
        world.token(namespace)
        value = world.until_ready(namespace)
    world.ok("PATCH", KEYS, {"data": {"k2": encode("2" * 32)}}, content_type=MERGE)
    with world.operator(tmp_path / "second.log"):
        world.token(namespace, "new")
        world.until_ready(namespace, "new")
        assert world.status(namespace, "new")["credentials"][0]["verifier"]["keyID"] == "k2"
        assert world.until_ready(namespace) == value
        assert world.status(namespace)["credentials"][0]["verifier"]["keyID"] == "k1"
        world.change(namespace, rotation={"id": "to the new key"})
        world.until_ready(namespace)
        assert [one["verifier"]["keyID"] for one in world.status(namespace)["credentials"]] == ["k1", "k2"]
