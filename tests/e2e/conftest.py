"""A node, the release of the previous commit on it, its upgrade to this tree, and nginx in front of a service."""

import os
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from common.drivers.helm import CHART
from common.repository import ROOT
from controlplane.processes import Process
from controlplane.waiting import patient
from e2e import kind
from e2e.node import HOME, Node
from e2e.pods import images, restarts, wait_for_rollout
from e2e.workload import PORT, Line, Workload, wait_for_token
from proxies.clients import DOCS, nginx

VALIDATOR: Final = "10.96.0.80"
VALUES: Final = {
    "image.repository": kind.REPOSITORY,
    "image.pullPolicy": "Never",
    "validator.service.clusterIP": VALIDATOR,
    # The network of the local node image enforces none; what is tested is that the API server takes them.
    "networkPolicy.enabled": "true",
}
_RUNNING: Final = pytest.StashKey[Node]()


@dataclass(frozen=True)
class Upgrade:
    """What a workload saw while every pod was replaced.

    Attributes:
        before: the token that it had.
        after: the token that was minted meanwhile, which it has now.
        refused: where its calls were not accepted.
        images: of all pods of operator and validator afterwards.
        restarts: how often containers of these were started again.
    """

    before: str
    after: str
    refused: list[Line]
    images: set[str]
    restarts: int


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> Iterator[Node]:
    """The cluster that `make e2e` asks for, with the images of the previous commit and of this tree."""
    problem = kind.missing()
    assert not problem, problem
    with kind.running(kind.Images.chosen(os.environ["SERVICETOKENS_E2E"])) as node:
        pytestconfig.stash[_RUNNING] = node
        yield node
        del pytestconfig.stash[_RUNNING]


@pytest.fixture(scope="session")
def released(node: Node) -> Node:
    """The chart and the image of the previous commit, in a namespace that enforces Pod Security `restricted`."""
    node.kubectl("create", "namespace", HOME)
    node.kubectl("label", "namespace", HOME, "pod-security.kubernetes.io/enforce=restricted")
    chart = node.work / kind.PREVIOUS / CHART.relative_to(ROOT)
    _helm(node, "install", chart, kind.PREVIOUS)
    wait_for_rollout(node, "operator", "validator")
    return node


@pytest.fixture(scope="session")
def proxy(released: Node) -> Iterator[Process]:
    """The nginx of docs/guides/proxies on the node's address; behind it a service that answers yes.

    How long nginx waits for the validator is meant for an ordinary machine, like all times of the tests.
    """
    home = released.work / "nginx"
    home.mkdir()
    for file in (DOCS / "nginx").iterdir():
        text = (
            file.read_text()
            .replace("127.0.0.1:8080", f"{VALIDATOR}:8080")
            .replace("127.0.0.1:8000", f"{released.address}:{PORT}")
        )
        text = re.sub(r"(_timeout) (\d+)s;", lambda found: f"{found[1]} {patient(int(found[2])):.0f}s;", text)
        lines = [line for line in text.splitlines() if "127.0.0.1:8180" not in line]
        (home / file.name).write_text("\n".join(lines) + "\n")
    command = nginx(home, 'server { listen 127.0.0.1:9000; return 200 "yes"; }')
    with Process("nginx", released.within(*command), log=released.work / "nginx.log") as process:
        yield process


@pytest.fixture(scope="session")
def upgrade(released: Node, proxy: Process) -> Upgrade:
    """The upgrade to the chart and the image of this tree, while a workload calls and its token is rotated."""
    workload = Workload(released, "team-upgrade")
    before = workload.token_id()
    _helm(released, "upgrade", CHART, kind.CURRENT)
    workload.change(rotation={"id": "during the upgrade"})
    wait_for_rollout(released, "operator", "validator")
    after = wait_for_token(workload, other_than=before)
    seen = Upgrade(before, after, workload.refused(), images(released), sum(restarts(released).values()))
    workload.delete()
    return seen


@pytest.fixture(scope="session")
def installed(released: Node, upgrade: Upgrade) -> Node:
    """The release of this tree."""
    return released


@pytest.fixture(autouse=True)
def unharmed(installed: Node) -> Iterator[None]:
    """After each scenario no container of ours has been started again."""
    before = restarts(installed)
    yield
    after = restarts(installed)
    assert {pod: count for pod, count in after.items() if count != before.get(pod, 0)} == {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the node shows to the report of a failure."""
    report = yield
    node = item.config.stash.get(_RUNNING, None)
    if report.failed and node is not None:
        report.sections.append(("the node", node.describe()))
    return report


def _helm(node: Node, verb: str, chart: Path, tag: str) -> None:
    flags = [flag for name, value in VALUES.items() for flag in ("--set", f"{name}={value}")]
    node.helm(verb, HOME, chart, "--namespace", HOME, *flags, "--set", f"image.tag={tag}")
