"""The pods of operator and validator, as kubectl shows them."""

from typing import Any, Final

from controlplane.waiting import patient
from e2e.node import HOME, Node

_OURS: Final = "app.kubernetes.io/name=servicetokens,app.kubernetes.io/component in (operator, validator)"

Pod = dict[str, Any]


def pods(node: Node, component: str) -> list[Pod]:
    """Return the pods of a component that are not being deleted."""
    return [
        pod for pod in _ours(node) if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]


def ready(node: Node, component: str) -> list[Pod]:
    """Return those of them that the kubelet found ready."""
    return [pod for pod in pods(node, component) if _is_ready(pod)]


def images(node: Node) -> set[str]:
    """Return the images of operator and validator."""
    return {container["image"] for pod in _ours(node) for container in pod["spec"]["containers"]}


def restarts(node: Node) -> dict[str, int]:
    """Return how often the containers of each pod were started again."""
    return {
        pod["metadata"]["name"]: sum(
            status["restartCount"] for status in pod["status"].get("containerStatuses", ())
        )
        for pod in _ours(node)
    }


def wait_for_rollout(node: Node, *components: str) -> None:
    """Wait until every pod of these is of the newest kind, and ready."""
    for component in components:
        name = f"deployment/servicetokens-{component}"
        node.kubectl("rollout", "status", name, "-n", HOME, f"--timeout={patient(90):.0f}s")


def _ours(node: Node) -> list[Pod]:
    items: list[Pod] = node.get("pods", "-n", HOME, "-l", _OURS)["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def _is_ready(pod: Pod) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
