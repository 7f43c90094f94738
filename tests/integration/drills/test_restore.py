"""Restore drills: what comes back, what is minted again, and that what was removed stays away."""

from functools import partial
from pathlib import Path
from typing import Any

import yaml

from common.drivers.runbook import Runbook
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World
from common.repository import ROOT
from controlplane.waiting import patient
from servicetokens.api.names import API_VERSION

RUNBOOK = Runbook("restore")
HISTORY = 80
# The least that an ordinary machine keeps; a loaded one that lists within no five seconds would never answer.
STALENESS = f"--max-staleness={round(patient(5))}s"
CLUSTER_OWNED = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "ownerReferences",
)


def backup(world: World, namespace: str) -> dict[str, list[dict[str, Any]]]:
    """Return what Velero has of a namespace, by the last part of the path."""
    paths = {
        "secrets": f"/api/v1/namespaces/{namespace}/secrets",
        "serviceaccounts": world.path("serviceaccounts", namespace),
        "servicetokens": world.path("servicetokens", namespace),
    }
    return {plural: world.ok("GET", path).body["items"] for plural, path in paths.items()}


def restored(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object as Velero creates it: no owners, no status, nothing that the cluster gives."""
    metadata = {
        key: value for key, value in item["metadata"].items() if key not in {*CLUSTER_OWNED, "namespace"}
    }
    return {key: value for key, value in item.items() if key != "status"} | {"metadata": metadata}


def test_objects_from_a_backup_in_another_namespace(world: World, tmp_path: Path) -> None:
    """Secrets first, then accounts, then tokens; every old value is rejected and every Secret has a fresh one."""
    lost, found = world.cluster.create_namespace(), world.cluster.create_namespace()
    with (
        world.operator(tmp_path / "operator.log"),
        validator(world, tmp_path / "validator.log") as asked,
    ):
        world.account(lost)
        names = ["one", "two", "revoked"]
        for name in names:
            world.token(lost, name)
        world.change(lost, "revoked", state="Revoked")
        world.until(lambda: all(world.holds(lost, name) for name in names), "the tokens")
        old = {name: world.value(lost, name) for name in names}
        world.until(lambda: asked.forward(old["one"]).status == 200, "the token to be accepted")
        kept = backup(world, lost)
        world.ok("DELETE", f"/api/v1/namespaces/{lost}")
        world.until(lambda: asked.forward(old["one"]).status == 401, "the tokens to go")

        for plural in ("secrets", "serviceaccounts", "servicetokens"):
            for item in kept[plural]:
                path = (
                    f"/api/v1/namespaces/{found}/secrets"
                    if plural == "secrets"
                    else world.path(plural, found)
                )
                world.ok("POST", path, restored(item))
        world.until(lambda: all(world.holds(found, name) for name in names), "fresh tokens")
        printed = RUNBOOK.follow(world, tmp_path, "Objects from a backup", variables={"NAMESPACE": found})
        assert "condition met" in printed
        for name in names:
            fresh = world.value(found, name)
            assert fresh != old[name]
            assert asked.forward(old[name]).status == 401
            world.until(
                partial(answers, asked, fresh, 401 if name == "revoked" else 200), f"{name} to be known"
            )


def answers(asked: RunningValidator, value: str, status: int) -> bool:
    """Say whether a validator answers with *status*."""
    return asked.forward(value).status == status


def test_etcd_from_a_snapshot(world: World, tmp_path: Path) -> None:
    """A revocation after the snapshot is forgotten; rejecting everything minted before now closes the hole."""
    namespace = world.cluster.create_namespace()
    with (
        world.operator(tmp_path / "operator.log", "--leader-election"),
        validator(world, tmp_path / "validator.log", STALENESS) as asked,
    ):
        world.account(namespace)
        world.token(namespace, "leaked")
        world.token(namespace, "good")
        world.token(namespace, "revoked")
        world.change(namespace, "revoked", state="Revoked")
        names = ("leaked", "good", "revoked")
        world.until(lambda: all(world.holds(namespace, name) for name in names), "the tokens")
        old = {name: world.value(namespace, name) for name in names}
        world.until(lambda: asked.forward(old["leaked"]).status == 200, "the tokens to be accepted")
        snapshot = world.cluster.snapshot(tmp_path / "snapshot")
        # Some history: a history that is reached immediately cannot be distinguished from the one that replaces it.
        for number in range(HISTORY):
            world.change(namespace, "good", description=f"version {number}")
        world.change(namespace, "leaked", state="Revoked")
        world.token(namespace, "later")
        later = world.until_ready(namespace, "later")
        world.until(lambda: asked.forward(old["leaked"]).status == 401, "the revocation", timeout=40)

        world.cluster.restore(snapshot)
        world.until(
            lambda: asked.forward(old["leaked"]).status == 200, "the hole that a restore makes", timeout=60
        )
        RUNBOOK.follow(world, tmp_path, "etcd from a snapshot")
        world.until(lambda: asked.forward(old["leaked"]).status == 401, "the hole to be closed", timeout=40)
        world.until(
            lambda: all(
                world.holds(namespace, name) and world.value(namespace, name) != old[name] for name in names
            ),
            "fresh tokens",
            timeout=60,
        )
        assert [asked.forward(value).status for value in (*old.values(), later)] == [401] * 4
        fresh = {name: world.value(namespace, name) for name in names}
        world.until(
            lambda: asked.forward(fresh["good"]).status == 200, "the fresh one to be accepted", timeout=40
        )
        assert asked.forward(fresh["revoked"]).status == 401


def test_the_crds_are_deleted_and_come_back(world: World, tmp_path: Path) -> None:
    """Everything goes on without a restart; the values are new ones."""
    namespace = world.cluster.create_namespace()
    spec = {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}
    role = {"allowedNamespaces": ["*"]}
    manifests = [
        {"apiVersion": API_VERSION, "kind": "ServiceRole", "metadata": {"name": "deployer"}, "spec": role},
        {
            "apiVersion": API_VERSION,
            "kind": "ServiceAccount",
            "metadata": {"name": "ci"},
            "spec": {"roles": ["deployer"]},
        },
        {"apiVersion": API_VERSION, "kind": "ServiceToken", "metadata": {"name": "ci-prod"}, "spec": spec},
    ]
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    variables = {"NAMESPACE": namespace, "MANIFESTS": str(file)}
    with (
        world.operator(tmp_path / "operator.log") as operator,
        validator(world, tmp_path / "validator.log", STALENESS) as asked,
    ):
        world.cluster.kubectl("apply", "-n", namespace, "-f", file)
        old = world.until_ready(namespace)
        world.until(lambda: asked.forward(old).status == 200, "the token to be accepted")
        world.cluster.kubectl("delete", "-f", str(ROOT / "crds"))
        world.until(lambda: world.secret(namespace) is None, "the Secret to go", timeout=60)
        world.until(
            lambda: asked.forward(old).status in {401, 503}, "the token not to be accepted", timeout=40
        )
        world.until(lambda: "is not installed" in operator.page("/readyz")[1], "the reason", timeout=60)
        RUNBOOK.follow(world, tmp_path, "The CRDs were deleted", variables=variables)
        fresh = world.until_ready(namespace)
        assert fresh != old
        world.until(lambda: asked.forward(fresh).status == 200, "the fresh one to be accepted", timeout=60)
        assert asked.forward(old).status == 401
        world.until(operator.is_ready, "the operator to be ready", timeout=60)
