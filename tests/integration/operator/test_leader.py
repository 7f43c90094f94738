"""Several operators: the holder of the Lease works, the others wait, and one of them takes over."""

import signal
import time
from pathlib import Path

from common.audited import writes
from common.world import World
from servicetokens.controllers.leadership import EXIT_LOST, LEASE_NAME

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/servicetokens/leases/{LEASE_NAME}"
BINDING = "/apis/rbac.authorization.k8s.io/v1/namespaces/servicetokens/rolebindings/servicetokens-operator"
ELECTED = "--leader-election"
TOKENS = 30


def holder(world: World) -> str:
    """Return who holds the Lease, or nothing."""
    answer = world.client.request("GET", LEASE)
    return str(answer.body["spec"].get("holderIdentity") or "") if answer.ok else ""


def test_only_the_leader_mints_and_a_standby_takes_over_when_it_ends(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Both are ready; each token is minted once; an end in order costs seconds, and nothing is minted again."""
    with world.operator(tmp_path / "one.log", ELECTED) as one:
        first = world.until(lambda: holder(world), "the Lease to be taken")
        with world.operator(tmp_path / "two.log", ELECTED) as two:
            for number in range(TOKENS):
                world.token(namespace, f"token-{number}")
            values = [world.until_ready(namespace, f"token-{number}") for number in range(TOKENS)]
            assert {world.status(namespace, f"token-{number}")["serial"] for number in range(TOKENS)} == {1}
            assert holder(world) == first
            mark = world.cluster.audit.mark()
            one.process.send(signal.SIGTERM)
            begun = time.monotonic()
            world.until(lambda: holder(world) not in {"", first}, "the standby to take over")
            # It tries every two seconds; without a release it would have had to wait for fifteen.
            assert time.monotonic() - begun < 10
            world.token(namespace, "late")
            world.until_ready(namespace, "late")
            assert [world.value(namespace, f"token-{number}") for number in range(TOKENS)] == values
            done = writes(world, mark, namespace)
            assert (done["update servicetokens/status"], done["create secrets"]) == (1, 1)
            assert "defect" not in one.process.output() + two.process.output()


def test_a_leader_that_was_frozen_ends_itself_and_the_standby_works_meanwhile(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """As after SIGKILL the Lease runs out; whoever comes back from a freeze does not go on where it stopped."""
    with world.operator(tmp_path / "one.log", ELECTED) as one:
        first = world.until(lambda: holder(world), "the Lease to be taken")
        with world.operator(tmp_path / "two.log", ELECTED):
            one.process.send(signal.SIGSTOP)
            world.token(namespace)
            # Fifteen seconds until the Lease has ended, and two until it is looked at.
            world.until(lambda: holder(world) not in {"", first}, "the standby to take over", timeout=40)
            value = world.until_ready(namespace)
            one.process.send(signal.SIGCONT)
            assert one.process.wait(10) == EXIT_LOST
            assert "ending before another operator begins" in one.process.output()
            assert world.value(namespace) == value
            assert world.status(namespace)["serial"] == 1


def test_an_operator_that_may_not_use_leases_says_so(world: World, namespace: str, tmp_path: Path) -> None:
    """It mints nothing, its health page names what is missing, and it goes on when the right is there."""
    world.ok("DELETE", BINDING)
    try:
        with world.operator(tmp_path / "operator.log", ELECTED, wait=False) as running:
            world.until(lambda: 'cannot get resource "leases"' in running.page("/readyz")[1], "the reason")
            world.token(namespace)
            assert world.status(namespace)["observedGeneration"] == -1
            world.install_rights()
            world.until_ready(namespace)
            assert running.is_ready()
    finally:
        world.install_rights()
