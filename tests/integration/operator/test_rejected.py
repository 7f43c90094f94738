"""Policies that reject what the operator writes: reported on status, and retried soon after they were deleted."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.world import World, world_of

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
# Ten are promised, of which the last attempt may be eight ago. Everything is slower on a busy machine.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def world(binaries: Path) -> Iterator[World]:
    """A cluster of its own: its policies would affect other tests."""
    with world_of(binaries) as world:
        yield world


@contextlib.contextmanager
def refusal(world: World, resource: str, namespace: str, reason: str) -> Iterator[None]:
    """Let the API server reject writes of *resource*, as in `group/plural`, in *namespace*, with a *reason*."""
    group, _, plural = resource.partition("/")
    name = f"refuse-{namespace}"
    rule = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [plural],
    }
    policy: dict[str, Any] = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [
            # As if a right were missing: what a policy says is no more than its author's words.
            {"expression": "false", "message": 'User "x" cannot create resource "y"', "reason": reason}
        ],
    }
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
    }
    kinds = {
        "validatingadmissionpolicies": ("ValidatingAdmissionPolicy", policy),
        "validatingadmissionpolicybindings": ("ValidatingAdmissionPolicyBinding", binding),
    }
    for place, (kind, spec) in kinds.items():
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        world.ok("POST", f"{ADMISSION}/{place}", body)
    yield
    for place in kinds:
        world.ok("DELETE", f"{ADMISSION}/{place}/{name}")


def until_in_force(world: World, namespace: str, path: str, method: str, body: Any) -> None:
    """Wait until the API server rejects a dry run."""
    world.until(
        lambda: "denied request" in str(world.client.request(method, f"{path}?dryRun=All", body).body),
        f"the policy for {namespace} to be in force",
        timeout=PATIENCE,
    )


@pytest.mark.timeout(400)
def test_statuses_that_are_rejected_are_named_and_written_soon_after(world: World, tmp_path: Path) -> None:
    """`/readyz` names one of them, the log each once; the operator stays ready, and other namespaces are served."""
    namespace, elsewhere = world.cluster.create_namespace(), world.cluster.create_namespace()
    for one in (namespace, elsewhere):
        world.account(one)
    names = ("one", "two")
    with world.operator(tmp_path / "operator.log") as operator:
        for name in names:
            world.token(namespace, name)
            world.until_ready(namespace, name)
        with refusal(world, "servicetokens.dev/servicetokens/status", namespace, "Invalid"):
            path = f"{world.path('servicetokens', namespace, 'one')}/status"
            until_in_force(world, namespace, path, "PATCH", {"status": {"observedGeneration": 1}})
            for name in names:
                world.change(namespace, name, rotation={"id": "a"})

            def told() -> bool:
                return "the API server rejects a write for ServiceToken " in operator.page("/readyz")[1]

            world.until(told, "the refusal to be told", timeout=PATIENCE)
            code, text = operator.page("/readyz")
            assert code == 200, text
            assert text.startswith("ok\ndegraded: ")
            assert f"ServiceToken {namespace}/" in text
            assert "denied request" in text
            world.token(elsewhere)
            world.until_ready(elsewhere)
            until_logged_once(world, operator, names)
        for name in names:
            world.until(partial(was_rotated, world, namespace, name), "the rotation", timeout=PATIENCE)
            world.until_ready(namespace, name)
        world.until(lambda: operator.page("/readyz")[1] == "ok\n", "nothing to be degraded")
        operator.assert_sound()


def was_rotated(world: World, namespace: str, name: str) -> bool:
    """Say whether status has the requested rotation."""
    return world.status(namespace, name).get("rotationID") == "a"


def until_logged_once(world: World, operator: RunningOperator, names: tuple[str, ...]) -> None:
    """Wait until each of *names* was retried in the log, and see that none was twice."""

    def retried() -> list[str]:
        lines = [line for line in operator.process.output().splitlines() if '"event": "retrying"' in line]
        return sorted(name for name in names for line in lines if f'"name": "{name}"' in line)

    world.until(lambda: len(retried()) >= len(names), "each to be logged", timeout=PATIENCE)
    assert retried() == sorted(names)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("reason", ["Forbidden", "Invalid", "RequestEntityTooLarge"])
def test_a_policy_for_secrets_concerns_its_tokens_and_not_the_operator(
    world: World, tmp_path: Path, reason: str
) -> None:
    """With whatever code and words it denies: no right is missing, although it says so."""
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    with world.operator(tmp_path / "operator.log") as operator:
        with refusal(world, "/secrets", namespace, reason):
            path = f"/api/v1/namespaces/{namespace}/secrets"
            until_in_force(world, namespace, path, "POST", {"metadata": {"name": "probe"}})
            world.token(namespace)
            message = world.until_reason(namespace, "Ready", "DeliveryFailed")["message"]
            assert "denied request" in message
            assert operator.page("/readyz") == (200, "ok\n")
        world.until(lambda: world.value(namespace), "the delivery", timeout=PATIENCE)
        world.until_ready(namespace)
        operator.assert_sound()
