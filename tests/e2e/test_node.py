"""operator and validator as pods on a real node, installed by Helm, and workloads that depend on them."""

import concurrent.futures
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from common.helm import CHART
from controlplane.processes import Process
from controlplane.waiting import wait_until
from e2e.conftest import HOME, VALIDATOR, VALUES
from e2e.node import REPOSITORY, TAGS, Node
from e2e.workload import OVERLAP, SECONDS, Workload

pytestmark = pytest.mark.timeout(240)
# The promise is a second from the answer to the patch; the workload calls every 20 ms.
REVOKED_WITHIN = 1.0
LOAD_SECONDS = 15
LOAD_PROCESSES = 2
_numbers = itertools.count()


@pytest.fixture
def workload(installed: Node, proxy: Process) -> Iterator[Workload]:
    """A workload that mounts its token, in a namespace of its own."""
    workload = Workload(installed, f"team-{next(_numbers)}")
    yield workload
    installed.kubectl("delete", "namespace", workload.namespace, "--wait=false")


def pods(node: Node, component: str) -> list[dict[str, Any]]:
    """Return the pods of a component that are not on their way out."""
    selector = f"app.kubernetes.io/component={component}"
    items = node.get("pods", "-n", HOME, "-l", selector)["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def test_the_pods_become_ready_and_the_release_passes_its_test(installed: Node) -> None:
    """Two of each, under Pod Security `restricted`; the policies for the network are there."""
    assert len(pods(installed, "operator")) == 2
    assert len(pods(installed, "validator")) == 2
    done = installed.helm("test", HOME, "--namespace", HOME, "--timeout", "100s", "--logs")
    assert "accepted by http://servicetokens-validator.servicetokens.svc:8080/validate" in done.stdout
    assert "deleted, and refused" in done.stdout
    policies = installed.get("networkpolicies", "-n", HOME)["items"]
    assert {one["metadata"]["name"] for one in policies} == {
        "servicetokens-operator",
        "servicetokens-validator",
    }


def test_a_rotation_reaches_the_pod_before_the_overlap_ends(workload: Workload) -> None:
    """The workload calls all the time, reads the file each time, and is never refused."""
    before = workload.token_id()
    changed = workload.change(rotation={"id": "second"})
    wait_until(lambda: workload.token_id() != before, what="a new credential", timeout=SECONDS)
    fresh = workload.token_id()
    wait_until(lambda: workload.last().token == fresh, what="the pod to have it", timeout=SECONDS)
    (first, *_) = [line for line in workload.lines() if line.token == fresh]
    assert first.at - changed < OVERLAP
    assert workload.refusals() == 0


def test_a_workload_with_the_token_in_its_environment_is_restarted(installed: Node, proxy: Process) -> None:
    """It keeps the old value until then, which is good for the overlap; nobody is refused."""
    workload = Workload(installed, f"team-{next(_numbers)}", by_environment=True)
    before = workload.token_id()
    workload.change(rotation={"id": "second"})
    wait_until(lambda: workload.token_id() != before, what="a new credential", timeout=SECONDS)
    assert workload.last().token == before
    assert workload.refusals() == 0
    # Writes an annotation into the template of the pods.
    workload.rollout("restart")
    workload.rollout("status", "--timeout=60s")
    wait_until(lambda: workload.last().token == workload.token_id(), what="the new pod", timeout=SECONDS)
    assert workload.refusals() == 0


def test_a_revocation_stops_a_workload_within_a_second(workload: Workload) -> None:
    """By the clock of the machine, which is the pod's, too. Restored, the same token is let through again."""
    revoked = workload.change(state="Revoked")
    wait_until(lambda: workload.last().status == 401, what="the first refusal", timeout=SECONDS)
    first = next(line for line in workload.lines() if line.status == 401)
    assert first.at - revoked < REVOKED_WITHIN
    token = workload.last().token
    workload.change(state=None)
    wait_until(lambda: workload.last().status == 200, what="the restored token", timeout=SECONDS)
    assert workload.last().token == token


def test_an_upgrade_loses_nothing(installed: Node, workload: Workload) -> None:
    """Every pod is replaced by one of another image, while the workload calls and tokens are made."""
    before = workload.token_id()
    values = [flag for name, value in VALUES.items() for flag in ("--set", f"{name}={value}")]
    place = ("--namespace", HOME)
    installed.helm("upgrade", HOME, CHART, *place, *values, "--set", f"image.tag={TAGS[1]}")
    workload.change(rotation={"id": "during the upgrade"})
    for name in ("operator", "validator"):
        installed.kubectl(
            "rollout", "status", f"deployment/servicetokens-{name}", "-n", HOME, "--timeout=100s"
        )
    ours = [*pods(installed, "operator"), *pods(installed, "validator")]
    images = {container["image"] for pod in ours for container in pod["spec"]["containers"]}
    assert images == {f"{REPOSITORY}:{TAGS[1]}"}
    wait_until(lambda: workload.token_id() != before, what="a new credential", timeout=SECONDS)
    wait_until(
        lambda: workload.last().token == workload.token_id(),
        what="the pod to have the token that was rotated meanwhile",
        timeout=SECONDS,
    )
    assert workload.refusals() == 0


def test_a_drain_leaves_one_validator(installed: Node, workload: Workload) -> None:
    """The only node is drained: one pod of each goes, the budget keeps the other, and nobody is refused."""
    try:
        drained = installed.kubectl(
            *("drain", installed.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=15s"),
            "--pod-selector=app.kubernetes.io/component in (operator, validator)",
            check=False,
        )
        assert "disruption budget" in drained.stderr + drained.stdout
        ready = [pod for pod in pods(installed, "validator") if is_ready(pod)]
        assert len(ready) == 1
        assert workload.refusals() == 0
    finally:
        installed.kubectl("uncordon", installed.name)
    wait_until(
        lambda: len([pod for pod in pods(installed, "validator") if is_ready(pod)]) == 2,
        what="the second validator",
        timeout=SECONDS,
    )
    assert workload.refusals() == 0


def is_ready(pod: dict[str, Any]) -> bool:
    """Say whether the kubelet does."""
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


LOAD = """
import http.client, sys, time
end = time.monotonic() + float(sys.argv[2])
connection = http.client.HTTPConnection(sys.argv[1], 8080)
asked = 0
while time.monotonic() < end:
    connection.request("GET", "/validate", headers={"Authorization": "Bearer svt_000000000000_" + "x" * 49})
    connection.getresponse().read()
    asked += 1
print(asked)
"""


def test_the_limits_hold_under_load(installed: Node, workload: Workload) -> None:
    """Some thousand questions a second: no pod is killed for its memory, and the workload is let through."""
    before = restarts(installed)
    command = installed.within(sys.executable, "-I", "-S", "-c", LOAD, VALIDATOR, str(LOAD_SECONDS))

    def load() -> int:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LOAD_SECONDS + 30)
        return int(done.stdout)

    with concurrent.futures.ThreadPoolExecutor(LOAD_PROCESSES) as executor:
        asked = sum(executor.map(lambda _: load(), range(LOAD_PROCESSES)))
    assert asked > 1000
    time.sleep(1)
    assert restarts(installed) == before
    assert all(is_ready(pod) for pod in pods(installed, "validator"))
    assert workload.refusals() == 0


def restarts(node: Node) -> int:
    """Return how often containers of ours were started again."""
    return sum(
        status["restartCount"]
        for pod in node.get("pods", "-n", HOME, "-l", "app.kubernetes.io/name=servicetokens")["items"]
        for status in pod["status"].get("containerStatuses", ())
    )


def test_nothing_was_started_again(installed: Node) -> None:
    """At the end of it all: every container of ours still is the first of its pod."""
    assert restarts(installed) == 0
