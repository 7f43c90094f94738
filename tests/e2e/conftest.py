"""A node, the image on it, the chart installed by Helm, and nginx in front of a service."""

import os
from collections.abc import Iterator

import pytest

from common.helm import CHART
from controlplane.processes import Process
from e2e import kind as kind_cluster
from e2e import local
from e2e.node import REPOSITORY, TAGS, Node
from e2e.workload import PORT
from proxies.clients import DOCS, nginx

HOME = "servicetokens"
VALIDATOR = "10.96.0.80"
VALUES = {
    "image.repository": REPOSITORY,
    "image.tag": TAGS[0],
    "image.pullPolicy": "Never",
    "validator.service.clusterIP": VALIDATOR,
    # The bridge of this node enforces none of it; that it breaks nothing and is taken is what can be seen.
    "networkPolicy.enabled": "true",
}


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The node that `make e2e` asks for, with two images that differ by a label."""
    kind = {"local": local, "kind": kind_cluster}[os.environ["SERVICETOKENS_E2E"]]
    problem = kind.missing()
    assert not problem, problem
    with kind.running() as node:
        yield node


@pytest.fixture(scope="session")
def installed(node: Node) -> Node:
    """The chart, in a namespace where Pod Security is enforced at its strictest."""
    node.kubectl("create", "namespace", HOME)
    node.kubectl("label", "namespace", HOME, "pod-security.kubernetes.io/enforce=restricted")
    flags = [flag for name, value in VALUES.items() for flag in ("--set", f"{name}={value}")]
    node.helm("install", HOME, CHART, "--namespace", HOME, *flags)
    for name in ("operator", "validator"):
        node.kubectl("rollout", "status", f"deployment/servicetokens-{name}", "-n", HOME, "--timeout=90s")
    return node


@pytest.fixture(scope="session")
def proxy(installed: Node) -> Iterator[Process]:
    """The nginx of docs/proxies on the node's address; behind it a service that says yes."""
    home = installed.work / "nginx"
    home.mkdir()
    for file in (DOCS / "nginx").iterdir():
        text = (
            file.read_text()
            .replace("127.0.0.1:8080", f"{VALIDATOR}:8080")
            .replace("127.0.0.1:8000", f"{installed.address}:{PORT}")
        )
        lines = [line for line in text.splitlines() if "127.0.0.1:8180" not in line]
        (home / file.name).write_text("\n".join(lines) + "\n")
    command = nginx(home, 'server { listen 127.0.0.1:9000; return 200 "yes"; }')
    with Process("nginx", installed.within(*command), log=installed.work / "nginx.log") as process:
        yield process
