"""Installs custom resource definitions so that everything works immediately, the garbage collector included."""

import json
from pathlib import Path

from controlplane.cluster import Cluster
from controlplane.waiting import wait_until

ESTABLISH_SECONDS = "30s"  # takes well under one; see cluster.START_SECONDS


def install_crds(cluster: Cluster, directory: Path) -> None:
    """Apply all CRDs in `directory`; return when objects can be created, discovered and garbage-collected.

    Raises:
        KubectlFailed: the API server rejected one of them, or did not establish it.
    """
    applied = cluster.kubectl("apply", "--server-side", "-f", directory, "-o", "json")
    names = [f"crd/{item['metadata']['name']}" for item in _items(json.loads(applied.stdout))]
    cluster.kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISH_SECONDS}", *names)
    expected = {name.removeprefix("crd/") for name in names}
    wait_until(lambda: expected <= _discovered(cluster), what=f"the discovery of {sorted(expected)}")
    cluster.restart_controllers()


def _items(applied: dict[str, object]) -> list[dict[str, dict[str, str]]]:
    """The objects in kubectl's answer: a List when there are several, the object itself when there is one."""
    items = applied.get("items", [applied])
    assert isinstance(items, list)
    return items


def _discovered(cluster: Cluster) -> set[str]:
    # What kubectl and the garbage collector go by; lags behind "Established" by some milliseconds.
    return set(
        cluster.kubectl("api-resources", "--no-headers", "-o", "name", "--cached=false").stdout.split()
    )
