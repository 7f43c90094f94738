"""A Deployment that mounts a token's Secret, or has it in its environment, and calls a service behind nginx."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controlplane.waiting import wait_until
from e2e.node import REPOSITORY, TAGS, Node
from servicetokens.api.names import API_VERSION

# Where nginx listens, on the node's address.
PORT: Final = 8000
SCRIPT: Final = Path(__file__).with_name("client.py")
# Seconds. The kubelet looks every five here, and usually every sixty.
OVERLAP: Final = 60
SECONDS: Final = 60.0


@dataclass(frozen=True)
class Line:
    """What the workload told: when, which token it has, what it was answered, and how often so far."""

    at: float
    token: str
    status: int
    counts: Mapping[str, int]


class Workload:
    """One namespace with an account, a token and a client of it."""

    def __init__(self, node: Node, namespace: str, *, by_environment: bool = False) -> None:
        self._node = node
        self.namespace = namespace
        node.kubectl("create", "namespace", namespace)
        node.kubectl("create", "configmap", "client", "-n", namespace, f"--from-file={SCRIPT}")
        spec = {
            "accountRef": {"name": "ci"},
            "expiresAfter": "30d",
            "rotation": {"id": "first", "overlap": f"{OVERLAP}s"},
        }
        # Without a role no request passes.
        self._apply(_ours("ServiceRole", f"client-of-{namespace}", {"allowedNamespaces": [namespace]}))
        self._apply(_ours("ServiceAccount", "ci", {"roles": [f"client-of-{namespace}"]}))
        self._apply(_ours("ServiceToken", "ci-prod", spec))
        node.kubectl("wait", "svctok/ci-prod", "-n", namespace, "--for=condition=Ready", "--timeout=30s")
        self._apply(_deployment(f"http://{node.address}:{PORT}/orders", by_environment))
        self.rollout("status", "--timeout=60s")
        wait_until(lambda: self.last().status == 200, what="the workload to be let through", timeout=SECONDS)

    def change(self, **spec: Any) -> float:
        """Merge *spec* into the token's; return when that was answered."""
        patch = json.dumps({"spec": spec})
        self._node.kubectl("patch", "svctok/ci-prod", "-n", self.namespace, "--type=merge", "-p", patch)
        return time.time()

    def rollout(self, what: str, *flags: str) -> None:
        """`kubectl rollout`."""
        self._node.kubectl("rollout", what, "deployment/client", "-n", self.namespace, *flags)

    def lines(self) -> list[Line]:
        """Return what the newest pod has told."""
        pods = self._node.get("pods", "-n", self.namespace)["items"]
        alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        newest = max(alive, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))["metadata"]["name"]
        printed = self._node.kubectl("logs", newest, "-n", self.namespace, check=False).stdout
        return [Line(**json.loads(line)) for line in printed.splitlines() if line.startswith("{")]

    def last(self) -> Line:
        """Return the newest line; one with status -1 when there is none yet."""
        return (self.lines() or [Line(0.0, "", -1, {})])[-1]

    def refusals(self) -> int:
        """Return how many calls were not let through so far."""
        return sum(count for status, count in self.last().counts.items() if status != "200")

    def token_id(self) -> str:
        """Return the public id of the newest credential."""
        return str(self._node.get("svctok/ci-prod", "-n", self.namespace)["status"]["tokenID"])

    def _apply(self, body: Mapping[str, Any]) -> None:
        self._node.kubectl("apply", "-n", self.namespace, "-f", "-", text=json.dumps(body))


def _ours(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _deployment(url: str, by_environment: bool) -> dict[str, Any]:
    mounts = [{"name": "client", "mountPath": "/client"}]
    volumes: list[dict[str, Any]] = [{"name": "client", "configMap": {"name": "client"}}]
    environment: dict[str, Any] = {"name": "TOKEN_FILE", "value": "/token/token"}
    if by_environment:
        reference = {"name": "ci-prod", "key": "token"}
        environment = {"name": "TOKEN", "valueFrom": {"secretKeyRef": reference}}
    else:
        mounts.append({"name": "token", "mountPath": "/token"})
        volumes.append({"name": "token", "secret": {"secretName": "ci-prod"}})
    container = {
        "name": "client",
        "image": f"{REPOSITORY}:{TAGS[0]}",
        "imagePullPolicy": "Never",
        "command": ["python3", f"/client/{SCRIPT.name}", url],
        "env": [environment],
        "volumeMounts": mounts,
    }
    labels = {"app": "client"}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": volumes}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "client"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
