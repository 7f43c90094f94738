"""A real node of Kubernetes that tests reach as if they were on it: for kubectl, Helm, nginx, and questions to pods.

    this process ── nsenter --net ── the node's network: its address, Services, pods

Where it comes from is `local` (made here, in namespaces) or `kind` (a container).
"""

import json
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Final

from common.helm import TOOLS
from controlplane import build

NAME: Final = "servicetokens-e2e"
REPOSITORY: Final = "localhost/servicetokens"
TAGS: Final = ("first", "second")
COMMAND_SECONDS: Final = 120.0
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Node(ABC):
    """What both kinds of node have in common.

    Attributes:
        name: as the API server knows it.
        address: its own, which pods reach.
        kubeconfig: of an administrator, for use within the node's network.
        work: a directory for files of the test.
    """

    name: str
    address: str
    kubeconfig: Path
    work: Path

    @property
    @abstractmethod
    def pid(self) -> int:
        """A process of the host's that is in the node's network."""

    def within(self, *command: str | Path) -> list[str | Path]:
        """Return *command* as one that runs in the node's network; files are the host's."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]

    def run(
        self, *command: str | Path, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there; what it says on standard error is the message when it fails."""
        done = subprocess.run(
            self.within(*command),
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            env={"PATH": PATH, "HOME": str(self.work), "KUBECONFIG": str(self.kubeconfig)},
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stderr}{done.stdout}"
        return done

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
