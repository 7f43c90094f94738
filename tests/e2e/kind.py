"""A cluster of one node that kind runs in a container, with the images that the engine builds from operator/Dockerfile.

Needs an engine that `docker` reaches, and root on Linux to enter the node's network. The current context of the user's
kubeconfig stays as it is; what a killed run left behind is removed by the next one.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from common.drivers.helm import TOOLS
from common.repository import ROOT
from controlplane.build import cache_root, locked
from controlplane.scratch import ScratchDirectory
from controlplane.waiting import patient
from e2e import docker
from e2e.node import Node
from node.images import node_image, python_image

NAME: Final = "servicetokens-e2e"
CONTAINER: Final = f"{NAME}-control-plane"
REPOSITORY: Final = "localhost/servicetokens"
PREVIOUS: Final = "previous"
CURRENT: Final = "current"
# $NODE_IMAGE of `make e2e`: the image that kind names, our own, or the name of one.
DEFAULT: Final = "default"
LOCAL: Final = "local"
CONFIG: Final = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [{"role": "control-plane"}],
    "kubeadmConfigPatches": [
        # The kubelet looks at mounted Secrets once a minute by default.
        json.dumps(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "syncFrequency": "5s",
            }
        )
    ],
}
# On two idle cores it takes 14.
READY_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Images:
    """Which images a run uses. *node* is empty for the one that kind names."""

    node: str
    arguments: dict[str, str]

    @classmethod
    def chosen(cls, choice: str) -> "Images":
        """Read `$NODE_IMAGE`."""
        if choice == LOCAL:
            return cls(node_image(), {"PYTHON": python_image()})
        return cls("" if choice == DEFAULT else choice, {})


def missing() -> str:
    """Say what is missing on this machine, and how to get it; empty when nothing is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the scenarios enter the node's network, which needs root on Linux"
    if shutil.which("docker") is None:
        return "kind needs a container engine: install Docker (Debian: apt-get install docker.io)"
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        advice = "start it, or run: python3 hack/node/engine.py make e2e"
        return f"the container engine does not answer ({done.stderr.strip()}): {advice}"
    return ""


def previous_tree(target: Path) -> Path:
    """Write the files of the release to upgrade from into *target*.

    That is `$SERVICETOKENS_PREVIOUS`, or the previous commit: HEAD where something is changed, HEAD~1 otherwise.
    """
    changed = docker.run("git", "status", "--porcelain", "--untracked-files=no", directory=ROOT).strip()
    revision = os.environ.get("SERVICETOKENS_PREVIOUS") or ("HEAD" if changed else "HEAD~1")
    exists = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    advice = "fetch it (git fetch --deepen=1), or name another one: make e2e PREVIOUS=REVISION"
    assert exists.returncode == 0, f"{revision}, which is to be upgraded, is not in this clone: {advice}"
    target.mkdir()
    archive = target.with_suffix(".tar")
    docker.run("git", "archive", f"--output={archive}", revision, directory=ROOT)
    docker.run("tar", "-C", target, "-xf", archive)
    return target


@contextmanager
def running(images: Images) -> Iterator[Node]:
    """Run a cluster that has the images of this tree and of the previous commit, which is in `work`/previous."""
    lock = cache_root() / "e2e.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock, "running the scenarios on kind"), ScratchDirectory() as scratch:
        kubeconfig = scratch.path / "kubeconfig.kind"
        _delete(kubeconfig)
        try:
            with ThreadPoolExecutor(1) as executor:
                created = executor.submit(_create, scratch.path, kubeconfig, images.node)
                trees = {PREVIOUS: previous_tree(scratch.path / PREVIOUS), CURRENT: ROOT}
                for tag, tree in trees.items():
                    # The label makes two images of two equal trees, so that the upgrade replaces every pod.
                    docker.build(
                        f"{REPOSITORY}:{tag}", tree, arguments=images.arguments, labels={"tree": tag}
                    )
                created.result()
            names = [f"{REPOSITORY}:{tag}" for tag in trees]
            docker.run(TOOLS / "kind", "load", "docker-image", "--name", NAME, *names)
            yield _node(scratch.path)
        finally:
            _delete(kubeconfig)


def _create(work: Path, kubeconfig: Path, image: str) -> None:
    config = work / "kind.json"
    config.write_text(json.dumps(CONFIG))
    docker.run(
        *(TOOLS / "kind", "create", "cluster", "--name", NAME, "--config", config),
        *("--kubeconfig", kubeconfig, "--wait", f"{patient(READY_SECONDS):.0f}s"),
        *(("--image", image) if image else ()),
    )


def _delete(kubeconfig: Path) -> None:
    """Delete the cluster; nothing happens when there is none."""
    docker.run(TOOLS / "kind", "delete", "cluster", "--name", NAME, "--kubeconfig", kubeconfig)


def _node(work: Path) -> Node:
    (container,) = json.loads(docker.run("docker", "inspect", CONTAINER))
    (network,) = container["NetworkSettings"]["Networks"].values()
    kubeconfig = work / "kubeconfig"
    kubeconfig.write_text(_inside(docker.run(TOOLS / "kind", "get", "kubeconfig", "--name", NAME)))
    return Node(
        CONTAINER,
        pid=int(container["State"]["Pid"]),
        address=str(network["IPAddress"]),
        kubeconfig=kubeconfig,
        work=work,
    )


def _inside(kubeconfig: str) -> str:
    """Return *kubeconfig* for use within the node's network, where the API server has its usual port."""
    config: dict[str, Any] = yaml.safe_load(kubeconfig)
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:6443"
    return str(yaml.safe_dump(config))
