"""A real node of Kubernetes that tests reach as if they ran on it: for kubectl, Helm, nginx, and requests to pods.

this process ── nsenter --net ── the node's network: its address, Services, pods
"""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from common.drivers.helm import TOOLS
from controlplane import build
from controlplane.waiting import patient

COMMAND_SECONDS: Final = 180.0
# The namespace of the release.
HOME: Final = "servicetokens"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Lines of each log in the report of a failure.
LOG_LINES: Final = 40


class Node:
    """The one node of a cluster, which runs in a container.

    Attributes:
        name: of the node, and of the container.
        address: its own, which pods reach.
        kubeconfig: of an administrator, for use within the node's network.
        work: a directory for files of the test.
    """

    def __init__(self, name: str, *, pid: int, address: str, kubeconfig: Path, work: Path) -> None:
        self.name = name
        self.address = address
        self.kubeconfig = kubeconfig
        self.work = work
        self._pid = pid

    def within(self, *command: str | Path) -> list[str | Path]:
        """Return *command* as one that runs in the node's network; files are the host's."""
        return ["nsenter", f"--net=/proc/{self._pid}/ns/net", "--", *command]

    def run(
        self, *command: str | Path, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there; its outputs are the message when it fails."""
        done = subprocess.run(
            self.within(*command),
            input=text,
            capture_output=True,
            text=True,
            timeout=patient(COMMAND_SECONDS),
            check=False,
            env={"PATH": PATH, "HOME": str(self.work), "KUBECONFIG": str(self.kubeconfig)},
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stderr}{done.stdout}"
        return done

    def execute(self, *command: str) -> str:
        """Run a command in the node's container, as root; return its standard output."""
        done = subprocess.run(
            ["docker", "exec", "--privileged", self.name, *command],
            capture_output=True,
            text=True,
            timeout=patient(COMMAND_SECONDS),
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}{done.stdout}"
        return done.stdout

    def kubectl(
        self, *arguments: str | Path, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator."""
        return self.run(build.find() / "kubectl", *arguments, check=check, text=text)

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` finds."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def helm(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run Helm 4 as the administrator."""
        return self.run(TOOLS / "helm4", *arguments)

    def describe(self) -> str:
        """Return pods, Events and the logs of ours and of nginx, for the report of a failure."""
        ours = ("-n", HOME, "-l", "app.kubernetes.io/name=servicetokens", f"--tail={LOG_LINES}")
        questions = (
            ("get", "nodes,pods", "-A", "-o", "wide"),
            ("get", "events", "-A", "--sort-by=.lastTimestamp"),
            ("logs", *ours, "--prefix", "--ignore-errors"),
            ("logs", *ours, "--prefix", "--ignore-errors", "--previous"),
        )
        parts = []
        for question in questions:
            done = self.kubectl(*question, check=False)
            parts.append(f"$ kubectl {' '.join(question)}\n{done.stdout}{done.stderr}")
        for log in sorted(self.work.glob("*.log")):
            last = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
            parts.append(f"{log.name}:\n{last}")
        return "\n".join(parts)
