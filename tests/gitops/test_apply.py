"""GitOps while the operator runs: server-side apply under another manager, again and again, and no fight."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.drivers.world import World, world_of
from servicetokens.api.names import API_VERSION

MANAGER = "fleet"
# As its requests call it (`User-Agent`).
OPERATOR = "servicetokens"
ROUNDS = 5


@pytest.fixture
def world(binaries: Path) -> Iterator[World]:
    """A cluster with CRDs, rights and policies."""
    with world_of(binaries) as world:
        yield world


def manifests(lifetime: str) -> str:
    """Return what is in Git."""
    token = {"accountRef": {"name": "ci"}, "expiresAfter": lifetime, "roles": ["reader"]}
    kinds = (
        ("ServiceRole", "reader", {"allowedNamespaces": ["*"]}),
        ("ServiceAccount", "ci", {"roles": ["reader"]}),
        ("ServiceToken", "ci-prod", token),
    )
    return yaml.safe_dump_all(
        {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
        for kind, name, spec in kinds
    )


def apply(world: World, namespace: str, lifetime: str) -> None:
    """Sync, without forcing anything: a conflict of managers is an error."""
    flags = ("--server-side", f"--field-manager={MANAGER}", "--namespace", namespace)
    world.cluster.kubectl("apply", *flags, "-f", "-", input=manifests(lifetime))


def versions(world: World, namespace: str) -> list[Any]:
    """Return the resourceVersion and the generation of everything that is synced."""
    items = [
        world.get("", "reader", "serviceroles"),
        world.get(namespace, "ci", "serviceaccounts"),
        world.get(namespace),
    ]
    return [(item["metadata"]["resourceVersion"], item["metadata"]["generation"]) for item in items]


def is_complete(world: World, namespace: str) -> bool:
    """Say whether the account knows its role and counts its token."""
    status = world.get(namespace, "ci", "serviceaccounts").get("status", {})
    ready = {entry["type"]: entry["status"] for entry in status.get("conditions", ())}.get("Ready")
    return (status.get("tokenCount"), ready) == (1, "True")


def test_syncs_and_the_operator_leave_each_other_alone(world: World, tmp_path: Path) -> None:
    """A sync of what is there writes nothing, an edit in Git is followed once, and an emergency stays in effect."""
    namespace = world.cluster.create_namespace()
    with world.operator(tmp_path / "operator.log"):
        apply(world, namespace, "30d")
        value = world.until_ready(namespace)
        world.until(lambda: world.get("", "reader", "serviceroles")["status"].get("conditions"), "the role")
        # The account may be looked at before its token is known, and is then written once more.
        world.until(lambda: is_complete(world, namespace), "the account to count its token")
        before = versions(world, namespace)
        for _ in range(ROUNDS):
            apply(world, namespace, "30d")
        assert versions(world, namespace) == before
        apply(world, namespace, "60d")
        assert world.until_ready(namespace) == value
        world.change(namespace, state="Revoked")
        world.until_reason(namespace, "Active", "Revoked")
        apply(world, namespace, "60d")
        token = world.get(namespace)
    assert token["spec"]["state"] == "Revoked"
    assert token["spec"]["expiresAfter"] == "60d"
    written = {
        part: {entry["manager"] for entry in token["metadata"]["managedFields"] if part in entry["fieldsV1"]}
        for part in ("f:spec", "f:status")
    }
    # The operator has put nothing into what people write.
    assert OPERATOR in written["f:status"]
    assert OPERATOR not in written["f:spec"]
    assert MANAGER in written["f:spec"]
