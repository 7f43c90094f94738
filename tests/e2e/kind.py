"""A node that kind runs in a container, with the image that Docker builds from operator/Dockerfile.

Needs Docker and root on Linux: its network is entered like that of the local node, so that all scenarios are the same.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from common.helm import TOOLS
from common.world import ROOT
from controlplane.scratch import ScratchDirectory
from e2e.node import NAME, REPOSITORY, TAGS, Node

CONTAINER: Final = f"{NAME}-control-plane"
# The first time Docker and kind fetch their images.
SECONDS: Final = 900.0
CONFIG: Final = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [{"role": "control-plane"}],
    "kubeadmConfigPatches": [
        # As the local node: a minute is the default.
        json.dumps(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "syncFrequency": "5s",
            }
        )
    ],
}


class KindNode(Node):
    """The one node of a cluster that runs."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.name = CONTAINER
        (container,) = json.loads(_run("docker", "inspect", CONTAINER))
        self._pid = int(container["State"]["Pid"])
        (network,) = container["NetworkSettings"]["Networks"].values()
        self.address = str(network["IPAddress"])
        self.kubeconfig = work / "kubeconfig"
        self.kubeconfig.write_text(_inside(_run(str(TOOLS / "kind"), "get", "kubeconfig", "--name", NAME)))

    @property
    def pid(self) -> int:
        """See `Node`."""
        return self._pid


def missing() -> str:
    """Say what is missing on this machine, and how to get it; empty when nothing is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the scenarios enter the node's network, which needs root on Linux"
    advice = "without Docker: make e2e NODE=local"
    if shutil.which("docker") is None:
        return f"kind needs Docker, which is not installed; {advice}"
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    return f"Docker does not answer ({done.stderr.strip()}); {advice}" if done.returncode != 0 else ""


@contextmanager
def running() -> Iterator[Node]:
    """Build the image, and run a cluster that has it."""
    kind = str(TOOLS / "kind")
    names = [f"{REPOSITORY}:{tag}" for tag in TAGS]
    for name in names:
        # A label of its own makes an image of its own: an upgrade from one to the other is one.
        _run("docker", "build", "-f", "operator/Dockerfile", "-t", name, "--label", f"name={name}", ".")
    with ScratchDirectory() as scratch:
        config = scratch.path / "kind.json"
        config.write_text(json.dumps(CONFIG))
        _run(kind, "create", "cluster", "--name", NAME, "--config", str(config), "--wait", "120s")
        try:
            _run(kind, "load", "docker-image", "--name", NAME, *names)
            yield KindNode(scratch.path)
        finally:
            _run(kind, "delete", "cluster", "--name", NAME)


def _inside(kubeconfig: str) -> str:
    """Return *kubeconfig* for somebody within the node's network, where the API server has its usual port."""
    config: dict[str, Any] = yaml.safe_load(kubeconfig)
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:6443"
    return str(yaml.safe_dump(config))


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout
