"""Several operators: the holder of the Lease works, the others wait, and one of them takes over."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from common.drivers.audited import writes
from common.drivers.operators import RunningOperator, operator_command
from common.drivers.world import OPERATOR, World, unsettled
from common.repository import ROOT
from controlplane.ports import free_ports
from controlplane.processes import Process
from controlplane.waiting import patient, wait_until
from servicetokens.api.names import OPERATOR_LEASE
from servicetokens.controllers.leadership import EXIT_LOST
from servicetokens.kube.client import Api
from servicetokens.kube.errors import ApiUnavailable, Forbidden

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/servicetokens/leases/{OPERATOR_LEASE}"
BINDING = "/apis/rbac.authorization.k8s.io/v1/namespaces/servicetokens/rolebindings/servicetokens-operator"
ELECTED = "--leader-election"
TOKENS = 30
# Seconds of a Lease here; the default is 15.
SHORT = 6
# New tokens per second during the upgrade.
STREAM = 20


def holder(world: World) -> str:
    """Return who holds the Lease, or nothing."""
    answer = world.client.request("GET", LEASE)
    return str(answer.body["spec"].get("holderIdentity") or "") if answer.ok else ""


def is_held_by_another(world: World, former: str) -> bool:
    """Say whether another user leads by now."""
    return holder(world) not in {"", former}


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
            world.until(partial(is_held_by_another, world, first), "the standby to take over")
            # It tries every two seconds; without a release it would have had to wait for the fifteen of the Lease.
            assert time.monotonic() - begun < 15
            world.token(namespace, "late")
            world.until_ready(namespace, "late")
            assert [world.value(namespace, f"token-{number}") for number in range(TOKENS)] == values
            done = writes(world, mark, namespace)
            assert (done["update servicetokens/status"], done["create secrets"]) == (1, 1)
            assert "defect" not in one.process.output() + two.process.output()


def test_a_leader_that_was_frozen_exits_and_the_standby_takes_over(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """As after SIGKILL the Lease runs out; a process that resumes after a freeze does not continue where it stopped."""
    with world.operator(tmp_path / "one.log", ELECTED) as one:
        first = world.until(lambda: holder(world), "the Lease to be taken")
        with world.operator(tmp_path / "two.log", ELECTED):
            one.process.send(signal.SIGSTOP)
            world.token(namespace)
            # Fifteen seconds until the Lease has ended, and two until it is looked at.
            world.until(partial(is_held_by_another, world, first), "the standby to take over", timeout=40)
            value = world.until_ready(namespace)
            one.process.send(signal.SIGCONT)
            assert one.process.wait(20) == EXIT_LOST
            # By the thread that watches the clock, or by the loop, which finds the name of another holder on the Lease.
            output = one.process.output()
            assert "exiting before another operator takes over" in output or "the Lease was lost" in output
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


def elected(world: World, log: Path) -> AbstractContextManager[RunningOperator]:
    """Run an operator with a short Lease."""
    return world.operator(log, ELECTED, f"--lease-duration={SHORT}s")


@pytest.mark.alone
def test_after_a_kill_the_standby_works_within_the_duration_and_two_seconds(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """And it is warm: it lists nothing before it writes."""
    with elected(world, tmp_path / "one.log") as one:
        first = world.until(lambda: holder(world), "the Lease to be taken")
        with elected(world, tmp_path / "two.log"):
            world.token(namespace)
            world.until_ready(namespace)
            # The list that follows each beginning of a watch.
            time.sleep(4)
            mark = world.cluster.audit.mark()
            world.token(namespace, "late")
            one.process.kill()
            killed = time.monotonic()
            world.until(partial(is_held_by_another, world, first), "the standby to take over", timeout=30)
            assert time.monotonic() - killed < SHORT + patient(2)
            world.until_ready(namespace, "late")
            lists = [
                record.resource
                for record in world.cluster.audit.records(mark)
                if record.user == OPERATOR and record.verb == "list" and record.resource != "leases"
            ]
            assert lists == []


@pytest.mark.alone
def test_an_end_in_order_hands_over_within_a_second(world: World, tmp_path: Path) -> None:
    """The Lease is given up before anything else is taken down. The best of three: machines are busy."""
    took = []
    for number in range(3):
        with elected(world, tmp_path / f"{number}-one.log") as one:
            first = world.until(lambda: holder(world), "the Lease to be taken")
            with elected(world, tmp_path / f"{number}-two.log"):
                one.process.send(signal.SIGTERM)
                begun = time.monotonic()
                wait_until(
                    partial(is_held_by_another, world, first),
                    what="the standby to take over",
                    timeout=20,
                    poll=0.02,
                )
                took.append(time.monotonic() - begun)
                assert one.process.wait(10) == 0
    assert min(took) < patient(1), took


@pytest.mark.alone
def test_a_leader_whose_api_server_hangs_is_suspended_before_its_lease_ends(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Meanwhile it is unknown which one leads; afterwards one does, and what was applied is minted once."""
    server = world.cluster.process("kube-apiserver")
    with elected(world, tmp_path / "one.log") as one:
        world.until(lambda: holder(world), "the Lease to be taken")
        with elected(world, tmp_path / "two.log") as two:
            server.send(signal.SIGSTOP)
            try:
                hung = time.monotonic()
                world.until(
                    lambda: "nothing is written until it is" in one.process.output(), "the suspension"
                )
                assert time.monotonic() - hung < SHORT
                time.sleep(SHORT)
            finally:
                server.send(signal.SIGCONT)
            world.token(namespace)
            world.until_ready(namespace)
            assert world.status(namespace)["serial"] == 1
            # A former leader that finds another name on the Lease ends itself.
            ended = [running for running in (one, two) if running.process.status is not None]
            assert [running.process.status for running in ended] in ([], [EXIT_LOST])


async def test_a_fenced_door_reads_and_does_not_write(world: World, namespace: str) -> None:
    """It asks at each write whether it still may, and says that nothing was applied when not."""
    allowed = True
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    async with await Api.connect(str(world.cluster.user(OPERATOR))) as api:
        door = api.fenced(lambda: allowed)
        await door.request("GET", world.path("servicetokens", namespace))
        with pytest.raises(Forbidden):
            await door.request("POST", path, body=b"{}")
        allowed = False
        await door.request("GET", world.path("servicetokens", namespace))
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with pytest.raises(ApiUnavailable) as caught:
                await door.request(method, path, body=b"{}")
            assert not caught.value.may_have_been_applied
        with pytest.raises(Forbidden):
            await api.request("POST", path, body=b"{}")


def build(version: str, directory: Path) -> Path:
    """Build a wheel of this tree under another version, and return the directory that it was unpacked to."""
    tree = directory / "tree"
    tree.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "operator", tree / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    package = tree / "operator" / "servicetokens" / "__init__.py"
    package.write_text(re.sub(r'__version__ = "[^"]+"', f'__version__ = "{version}"', package.read_text()))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=patient(60))
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / version)
    return directory / version


@contextlib.contextmanager
def running(world: World, site: Path, log: Path) -> Iterator[RunningOperator]:
    """Run the operator that lies in *site*."""
    (port,) = free_ports(1)
    flags = (ELECTED, f"--lease-duration={SHORT}s")
    command = operator_command(world.cluster.user(OPERATOR), port, *flags)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    with Process("operator", command, log=log, environment=environment, directory=site) as process:
        operator = RunningOperator(process, port)
        world.until(operator.is_ready, "the operator to be ready", timeout=30)
        yield operator


def test_a_rolling_upgrade_under_a_stream_of_tokens_loses_none_and_mints_none_twice(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Twenty new tokens a second while two replicas are replaced by another build, the new one first each time."""
    old, new = (build(version, tmp_path / version) for version in ("1.0.0", "1.1.0"))
    applied: list[str] = []
    done = threading.Event()

    def apply() -> None:
        """Apply tokens until everything is upgraded."""
        client, begun = World(world.cluster), time.monotonic()
        while not done.is_set():
            name = f"token-{len(applied)}"
            client.token(namespace, name)
            applied.append(name)
            time.sleep(max(0.0, begun + len(applied) / STREAM - time.monotonic()))

    mark = world.cluster.audit.mark()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as executor:
        stack.callback(done.set)
        replicas = [stack.enter_context(running(world, old, tmp_path / f"old-{n}.log")) for n in range(2)]
        applying = executor.submit(apply)
        for number in range(2):
            stack.enter_context(running(world, new, tmp_path / f"new-{number}.log"))
            replicas[number].process.send(signal.SIGTERM)
            assert replicas[number].process.wait(15) == 0
        time.sleep(1)
        done.set()
        applying.result()
        world.until(lambda: not unsettled(world, namespace), "all tokens", timeout=60)
    tokens = world.ok("GET", world.path("servicetokens", namespace)).body["items"]
    assert len(tokens) == len(applied)
    assert {token["status"]["serial"] for token in tokens} == {1}
    minters = {
        record.user_agent
        for record in world.cluster.audit.records(mark)
        if record.namespace == namespace and record.verb == "create" and record.resource == "secrets"
    }
    assert minters == {"servicetokens/1.0.0", "servicetokens/1.1.0"}
