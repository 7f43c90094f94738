"""Things that happen at the wrong moment: between two looks of the operator, while it is down, or all together."""

import signal
import time
from pathlib import Path

from common.drivers.audited import writes
from common.drivers.operators import operator_command
from common.drivers.witness import delete_leases
from common.drivers.world import OPERATOR, World, encode
from controlplane.ports import free_ports
from controlplane.processes import Process
from controlplane.waiting import wait_until

PAIRS = 20
SECRETS = 40


def test_a_token_that_is_applied_together_with_its_account_and_role_is_minted_immediately(
    world: World, tmp_path: Path
) -> None:
    """Whichever of them arrives first: nothing is reported missing, and no Event warns of it."""
    namespaces = [world.cluster.create_namespace() for _ in range(PAIRS)]
    mark = world.cluster.audit.mark()
    with world.operator(tmp_path / "operator.log"):
        for namespace in namespaces:
            role = f"role-of-{namespace}"
            world.role(role)
            world.account(namespace, roles=[role])
            world.token(namespace, roles=[role])
        for namespace in namespaces:
            world.until_ready(namespace)
    for namespace in namespaces:
        done = writes(world, mark, namespace)
        del done["update serviceaccounts/status"]
        assert done == {"update servicetokens/status": 1, "create secrets": 1}


def test_a_secret_that_is_deleted_while_the_operator_starts_is_healed(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Also in the moment between its own list and the beginning of the watch, which shows no deletion."""
    with world.operator(tmp_path / "first.log"):
        for number in range(SECRETS):
            world.token(namespace, f"token-{number}")
        for number in range(SECRETS):
            world.until_ready(namespace, f"token-{number}")
    with world.operator(tmp_path / "second.log", wait=False) as running:
        # It is ready when its list is complete, and begins to watch some milliseconds later.
        wait_until(running.is_ready, what="the operator to be ready", timeout=30, poll=0.002)
        for number in range(SECRETS):
            world.delete_secret(namespace, f"token-{number}")
        for number in range(SECRETS):
            world.until_ready(namespace, f"token-{number}")


def test_what_happened_while_the_operator_was_down_is_made_up_for_in_one_pass(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """An account replaced, a Secret edited, a revocation: one status and at most one Secret for each."""
    names = ("replaced", "edited", "revoked", "untouched")
    delete_leases(
        world
    )  # of validators that other tests have killed: the revocation would wait for those first
    world.account(namespace, "other")
    with world.operator(tmp_path / "first.log"):
        for name in names:
            world.token(namespace, name, account="other" if name == "replaced" else "ci")
        values = {name: world.until_ready(namespace, name) for name in names}
        world.until(
            lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == 3,
            "the count",
        )
    world.delete("serviceaccounts", namespace, "other")
    uid = world.account(namespace, "other")
    world.edit_secret(namespace, {"data": {"token": encode("mine")}}, "edited")
    world.change(namespace, "revoked", state="Revoked")
    mark = world.cluster.audit.mark()
    with world.operator(tmp_path / "second.log"):
        world.until(
            lambda: all(
                world.status(namespace, name)["serial"] == 2 and world.holds(namespace, name)
                for name in ("replaced", "edited")
            ),
            "two fresh mints",
        )
        world.until_reason(namespace, "Active", "Revoked", "revoked")
        world.until(lambda: writes(world, mark, namespace)["create events"] == 3, "the Events")
        world.until_reason(namespace, "Enforced", "NoValidators", "revoked")
        time.sleep(1.5)
        done = writes(world, mark, namespace)
    assert world.status(namespace, "replaced")["accountUID"] == uid
    assert {name: world.value(namespace, name) == values[name] for name in names} == {
        "replaced": False,
        "edited": False,
        "revoked": True,
        "untouched": True,
    }
    assert done == {
        # Two for each fresh mint, since what status said was not true any more before it; and two about the
        # revocation: first it waits for validators, then there is none.
        "update servicetokens/status": 6,
        "patch secrets": 2,
        "create events": 3,
        "update serviceaccounts/status": 1,
    }


def test_a_transition_is_reported_once_however_often_the_operator_starts(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Events are about what changed on status, not about what a new process sees for the first time."""
    for life in range(3):
        with world.operator(tmp_path / f"{life}.log"):
            if life == 0:
                world.token(namespace)
                world.until_ready(namespace)
                world.change(namespace, state="Revoked")
                world.until(lambda: world.events(namespace), "the Event")
            time.sleep(1)
    assert world.events(namespace) == ["TokenRevoked"]


def test_an_operator_that_was_stopped_for_a_while_catches_up(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """A frozen process writes over nothing that happened meanwhile, and then does what is requested now."""
    (port,) = free_ports(1)
    command = operator_command(world.cluster.user(OPERATOR), port)
    with Process("operator", command, log=tmp_path / "operator.log") as process:
        world.token(namespace)
        value = world.until_ready(namespace)
        process.send(signal.SIGSTOP)
        world.change(namespace, rotation={"id": "one"})
        world.change(namespace, rotation={"id": "two"})
        world.delete_secret(namespace)
        process.send(signal.SIGCONT)
        fresh = world.until_ready(namespace)
        assert fresh != value
        assert world.status(namespace)["rotationID"] == "two"
