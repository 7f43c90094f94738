"""A Deployment that mounts a token's Secret, or has it in its environment, and calls a service behind nginx."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controlplane.waiting import patient, wait_until
from e2e.kind import CURRENT, REPOSITORY
from e2e.node import Node
from servicetokens.api.names import API_VERSION

# Where nginx listens, on the node's address.
PORT: Final = 8000
SCRIPT: Final = Path(__file__).with_name("client.py")
# Seconds. The kubelet looks every five here, and usually every sixty.
OVERLAP: Final = 60
# How long one step of a scenario may take: twelve times the interval of the kubelet.
SECONDS: Final = 60.0


def within(seconds: float = SECONDS) -> str:
    """Return kubectl's flag for a step of a scenario."""
    return f"--timeout={patient(seconds):.0f}s"


@dataclass(frozen=True)
class Line:
    """What the workload told: when, which token it has, what it was answered, and how often so far."""

    at: float
    token: str
    status: int
    counts: Mapping[str, int]


class Workload:
    """One namespace with an account, a role, a token and a client of it, which may do what it does and nothing else."""

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
        self._role = f"orders-of-{namespace}"
        role = {
            "allowedNamespaces": [namespace],
            "permissions": ["orders:read"],
            "http": [{"methods": ["GET"], "paths": ["/orders"]}],
        }
        self._apply(_ours("ServiceRole", self._role, role))
        self._apply(_ours("ServiceAccount", "ci", {"roles": [self._role]}))
        self._apply(_ours("ServiceToken", "ci-prod", spec))
        node.kubectl("wait", "svctok/ci-prod", "-n", namespace, "--for=condition=Ready", within())
        self._apply(_deployment(f"http://{node.address}:{PORT}/orders", by_environment))
        self.rollout("status", within())
        wait_until(lambda: self.last().status == 200, what="the workload to be accepted", timeout=SECONDS)

    def change(self, **spec: Any) -> float:
        """Merge *spec* into the token's; return when that was answered."""
        patch = json.dumps({"spec": spec})
        self._node.kubectl("patch", "svctok/ci-prod", "-n", self.namespace, "--type=merge", "-p", patch)
        return time.time()

    def rollout(self, what: str, *flags: str) -> None:
        """`kubectl rollout`."""
        self._node.kubectl("rollout", what, "deployment/client", "-n", self.namespace, *flags)

    def delete(self) -> None:
        """Begin to delete the namespace with everything in it, and the role."""
        self._node.kubectl("delete", "svcrole", self._role, "--wait=false")
        self._node.kubectl("delete", "namespace", self.namespace, "--wait=false")

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

    def calls(self) -> int:
        """Return how many calls were answered or given up so far."""
        return sum(self.last().counts.values())

    def refused_with(self) -> set[str]:
        """Return the statuses of the calls that were not accepted so far; "0" where there was no answer."""
        return set(self.last().counts) - {"200"}

    def refused(self) -> list[Line]:
        """Return where calls were not accepted: empty when each was, since every change of the status is reported."""
        return [line for line in self.lines() if line.status != 200]

    def token_id(self) -> str:
        """Return the public id of the newest credential."""
        return str(self._node.get("svctok/ci-prod", "-n", self.namespace)["status"]["tokenID"])

    def _apply(self, body: Mapping[str, Any]) -> None:
        self._node.kubectl("apply", "-n", self.namespace, "-f", "-", text=json.dumps(body))


def wait_for_token(workload: Workload, *, other_than: str) -> str:
    """Wait until the workload calls with the newest credential, which is another one; return its public id."""
    wait_until(lambda: workload.token_id() != other_than, what="a new credential", timeout=SECONDS)
    fresh = workload.token_id()
    wait_until(lambda: workload.last().token == fresh, what="the pod to have it", timeout=SECONDS)
    return fresh


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
        "image": f"{REPOSITORY}:{CURRENT}",
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
