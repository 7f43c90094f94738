"""Enforced=True is a fact: no validator accepts any more what was revoked, whatever happens to them."""

import signal
import time
from pathlib import Path

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.validating import RunningValidator
from common.drivers.witness import Witness, enforced, revoke_and_restore
from common.drivers.world import World
from servicetokens.kube.client import Api

# `make bench` does it a hundred times, under load.
ROUNDS = 30


@pytest.mark.timeout(300)
async def test_after_enforced_no_validator_disagrees(
    world: World, namespace: str, three: list[RunningValidator]
) -> None:
    """Three validators are asked all the time; many revocations and restorations later, no exception."""
    token = world.until_ready(namespace)
    witness = Witness([one.forward_port for one in three], token)
    async with await Api.connect(str(world.cluster.kubeconfig)) as api:
        found = await revoke_and_restore(api, namespace, "ci-prod", witness, ROUNDS)
    assert found.contradictions == []
    assert len(found.revoked) == len(found.restored) == ROUNDS
    assert found.asked > 10 * ROUNDS
    # A promise is made in seconds (docs/guides/enforced.md); how few they are, `make bench` says.
    assert found.percentile(50) < 2


def test_kubectl_waits_for_it(world: World, namespace: str, three: list[RunningValidator]) -> None:
    """Right after the patch, also the second time, when a True of the last time is still there."""
    token = world.until_ready(namespace)
    for state, status in (("Revoked", 401), ("Active", 200), ("Revoked", 401)):
        patch = f'{{"spec":{{"state":"{state}"}}}}'
        world.cluster.kubectl("patch", "-n", namespace, "servicetoken/ci-prod", "--type=merge", "-p", patch)
        world.cluster.kubectl(
            "wait", "-n", namespace, "--for=condition=Enforced", "--timeout=20s", "servicetoken/ci-prod"
        )
        assert [one.forward(token).status for one in three] == [status] * 3


def test_an_account_is_suspended_everywhere(
    world: World, namespace: str, three: list[RunningValidator]
) -> None:
    """The condition is on the account; a token that was never revoked has none."""
    token = world.until_ready(namespace)
    path = "serviceaccounts.servicetokens.dev/ci"
    for state, status in (("Suspended", 401), ("Active", 200)):
        world.change(namespace, "ci", "serviceaccounts", state=state)
        world.cluster.kubectl("wait", "-n", namespace, "--for=condition=Enforced", "--timeout=20s", path)
        assert [one.forward(token).status for one in three] == [status] * 3
    assert world.condition(namespace, "Enforced") == {}


def test_a_frozen_validator_is_waited_for(
    world: World, namespace: str, three: list[RunningValidator]
) -> None:
    """And named; when it is back it takes part immediately."""
    frozen = three[1]
    token = world.until_ready(namespace)
    frozen.process.send(signal.SIGSTOP)
    try:
        world.change(namespace, state="Revoked")
        world.until(lambda: three[0].forward(token).status == 401, "the others to refuse")
        world.until(
            lambda: "of 3 validators" in enforced(world, namespace)[2].lower(), "the name", timeout=20
        )
        status, reason, message = enforced(world, namespace)
        assert (status, reason) == ("False", "Waiting")
        assert message.split("'")[2].startswith(", of 3 validators"), "one is awaited, and only one"
    finally:
        frozen.process.send(signal.SIGCONT)
    world.until(lambda: enforced(world, namespace)[0] == "True", "the validator to be back")
    assert frozen.forward(token).status == 401


def test_a_restart_of_the_operator_writes_nothing(
    world: World, namespace: str, operator: RunningOperator, three: list[RunningValidator], tmp_path: Path
) -> None:
    """What was true of a generation stays true; a second operator of the same namespace finds it so, too."""
    world.change(namespace, state="Revoked")
    world.until(lambda: enforced(world, namespace)[0] == "True", "the revocation")
    version = world.get(namespace)["metadata"]["resourceVersion"]
    with world.operator(tmp_path / "second.log", f"--watch-namespace={namespace}"):
        time.sleep(2)
    assert world.get(namespace)["metadata"]["resourceVersion"] == version
