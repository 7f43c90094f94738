"""What a workload sees while the release is upgraded, and while parts of the cluster end."""

import itertools
import json
from collections.abc import Iterator

import pytest

from controlplane.processes import Process
from controlplane.waiting import wait_until
from e2e.conftest import Upgrade
from e2e.kind import CURRENT, REPOSITORY
from e2e.node import HOME, Node
from e2e.pods import Pod, pods, ready, wait_for_rollout
from e2e.workload import SECONDS, Workload, wait_for_token, within

# Of a scenario alone: the cluster, its images and the upgrade have limits of their own.
pytestmark = pytest.mark.timeout(240, func_only=True)
# Calls that a workload makes in about a second on a busy machine.
MORE_CALLS = 20
_numbers = itertools.count()


@pytest.fixture
def workload(installed: Node, proxy: Process) -> Iterator[Workload]:
    """A workload that mounts its token, in a namespace of its own."""
    workload = Workload(installed, f"shop-{next(_numbers)}")
    yield workload
    workload.delete()


def test_upgrade_from_the_previous_commit_loses_nothing(upgrade: Upgrade) -> None:
    """Every call of a workload is accepted meanwhile, and the token that is rotated meanwhile reaches it."""
    assert upgrade.images == {f"{REPOSITORY}:{CURRENT}"}
    assert upgrade.after != upgrade.before
    assert upgrade.refused == []
    assert upgrade.restarts == 0


def test_drain_leaves_one_validator(installed: Node, workload: Workload) -> None:
    """The only node is drained: one pod of each goes, the budget keeps the other, and every call is accepted."""
    try:
        drained = installed.kubectl(
            *("drain", installed.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=15s"),
            "--pod-selector=app.kubernetes.io/component in (operator, validator)",
            check=False,
        )
        assert "disruption budget" in drained.stderr + drained.stdout
        assert len(ready(installed, "validator")) == 1
        assert workload.refused() == []
    finally:
        installed.kubectl("uncordon", installed.name)
    wait_until(
        lambda: len(ready(installed, "validator")) == 2 == len(ready(installed, "operator")),
        what="the second pods",
        timeout=SECONDS,
    )
    assert workload.refused() == []


def test_restart_of_the_kubelet_changes_nothing_for_workloads(installed: Node, workload: Workload) -> None:
    """Every call is accepted, no pod is replaced, and a rotation reaches the workload afterwards."""
    before = workload.token_id()
    names = {pod["metadata"]["name"] for pod in pods(installed, "validator")}
    started = installed.execute("systemctl", "show", "-P", "ExecMainStartTimestampMonotonic", "kubelet")
    installed.execute("systemctl", "restart", "kubelet")
    fresh = installed.execute("systemctl", "show", "-P", "ExecMainStartTimestampMonotonic", "kubelet")
    assert fresh != started
    workload.change(rotation={"id": "after the restart"})
    wait_for_token(workload, other_than=before)
    installed.kubectl("wait", f"node/{installed.name}", "--for=condition=Ready", within())
    wait_until(lambda: len(ready(installed, "validator")) == 2, what="ready validators", timeout=SECONDS)
    assert {pod["metadata"]["name"] for pod in pods(installed, "validator")} == names
    assert workload.refused() == []


def test_validator_that_is_killed_during_a_rollout_makes_no_valid_token_invalid(
    installed: Node, workload: Workload
) -> None:
    """Calls that meet the killed process end as errors, never as rejections; afterwards every call is accepted."""
    old = {pod["metadata"]["name"] for pod in pods(installed, "validator")}
    installed.kubectl("rollout", "restart", "deployment/servicetokens-validator", "-n", HOME)

    def fresh() -> list[Pod]:
        return [pod for pod in ready(installed, "validator") if pod["metadata"]["name"] not in old]

    (victim, *_) = wait_until(fresh, what="a validator of the rollout", timeout=SECONDS)
    (status,) = victim["status"]["containerStatuses"]
    container = status["containerID"].removeprefix("containerd://")
    pid = json.loads(installed.execute("crictl", "inspect", container))["info"]["pid"]
    installed.execute("kill", "-KILL", str(pid))
    wait_for_rollout(installed, "validator")
    wait_until(lambda: len(ready(installed, "validator")) == 2, what="both validators", timeout=SECONDS)
    assert workload.refused_with() <= {"500", "502", "503", "504"}
    refused, calls = workload.refused(), workload.calls()
    wait_until(lambda: workload.calls() > calls + MORE_CALLS, what="more calls", timeout=SECONDS)
    assert workload.refused() == refused
    # A pod without a restart takes its place, for the scenarios that follow.
    installed.kubectl("delete", "pod", victim["metadata"]["name"], "-n", HOME)
    wait_for_rollout(installed, "validator")
