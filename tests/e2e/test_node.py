"""operator and validator as pods on a real node, installed by Helm, and workloads that depend on them."""

import concurrent.futures
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from controlplane.processes import Process
from controlplane.waiting import patience, patient, wait_until
from e2e.conftest import VALIDATOR
from e2e.node import HOME, Node
from e2e.pods import pods, ready
from e2e.workload import OVERLAP, SECONDS, Workload, wait_for_token, within

# Of a scenario alone: the cluster, its images and the upgrade have limits of their own.
pytestmark = pytest.mark.timeout(240, func_only=True)
# The promise, from the answer to the patch, on an idle ordinary machine; the workload calls every 20 ms.
REVOKED_WITHIN = 1.0
LOAD_SECONDS = 15
LOAD_PROCESSES = 2
# Seventy a second, twice what a workload asks.
LOAD_REQUESTS = 1000
_numbers = itertools.count()


@pytest.fixture
def workload(installed: Node, proxy: Process) -> Iterator[Workload]:
    """A workload that mounts its token, in a namespace of its own."""
    workload = Workload(installed, f"team-{next(_numbers)}")
    yield workload
    workload.delete()


def test_pods_become_ready_and_the_release_passes_its_smoke_test(installed: Node) -> None:
    """Two of each, under Pod Security `restricted`; the NetworkPolicies exist (the local image enforces none)."""
    assert len(ready(installed, "operator")) == 2
    assert len(ready(installed, "validator")) == 2
    done = installed.helm("test", HOME, "--namespace", HOME, "--timeout", f"{patient(90):.0f}s", "--logs")
    assert "accepted by http://servicetokens-validator.servicetokens.svc:8080/validate" in done.stdout
    assert "deleted, and rejected" in done.stdout
    policies = installed.get("networkpolicies", "-n", HOME)["items"]
    assert {policy["metadata"]["name"] for policy in policies} == {
        "servicetokens-operator",
        "servicetokens-validator",
    }


def test_rotation_reaches_the_pod_before_the_overlap_ends(workload: Workload) -> None:
    """The workload calls all the time, reads the file each time, and every call is accepted."""
    before = workload.token_id()
    changed = workload.change(rotation={"id": "second"})
    fresh = wait_for_token(workload, other_than=before)
    (first, *_) = [line for line in workload.lines() if line.token == fresh]
    assert first.at - changed < OVERLAP
    assert workload.refused() == []


def test_workload_with_the_token_in_its_environment_gets_the_new_one_by_a_restart(
    installed: Node, proxy: Process
) -> None:
    """Until then it keeps the old value, which is valid during the overlap; every call is accepted."""
    workload = Workload(installed, f"team-{next(_numbers)}", by_environment=True)
    before = workload.token_id()
    workload.change(rotation={"id": "second"})
    wait_until(lambda: workload.token_id() != before, what="a new credential", timeout=SECONDS)
    assert workload.last().token == before
    assert workload.refused() == []
    # Writes an annotation into the template of the pods.
    workload.rollout("restart")
    workload.rollout("status", within())
    wait_until(lambda: workload.last().token == workload.token_id(), what="the new pod", timeout=SECONDS)
    assert workload.refused() == []
    workload.delete()


def test_revocation_stops_a_workload_within_a_second(workload: Workload) -> None:
    """Through the clock of the machine, which is also the pod's. Once restored, the same token is accepted again."""
    revoked = workload.change(state="Revoked")
    wait_until(lambda: workload.last().status == 401, what="the first rejection", timeout=SECONDS)
    first = next(line for line in workload.lines() if line.status == 401)
    assert first.at - revoked < patient(REVOKED_WITHIN)
    token = workload.last().token
    workload.change(state=None)
    wait_until(lambda: workload.last().status == 200, what="the restored token", timeout=SECONDS)
    assert workload.last().token == token


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


def test_limits_hold_under_load(installed: Node, workload: Workload) -> None:
    """Hundreds of requests a second: no pod is killed for its memory, and the workload's calls are accepted."""
    command = installed.within(sys.executable, "-I", "-S", "-c", LOAD, VALIDATOR, str(LOAD_SECONDS))

    def load() -> int:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=LOAD_SECONDS + patient(30)
        )
        return int(done.stdout)

    with concurrent.futures.ThreadPoolExecutor(LOAD_PROCESSES) as executor:
        asked = sum(executor.map(lambda _: load(), range(LOAD_PROCESSES)))
    assert asked > LOAD_REQUESTS / patience()
    # The kubelet reports a container that ended within a second.
    time.sleep(1)
    assert len(ready(installed, "validator")) == len(pods(installed, "validator")) == 2
    assert workload.refused() == []
