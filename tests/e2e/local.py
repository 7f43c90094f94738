"""A node that is made here, in namespaces of its own, with everything that a node has.

    this process ── enter.py (cgroups) ── unshare ── init.py, process 1 of the node ── everything else

It needs root on Linux, and what `make e2e NODE=local` builds. It changes nothing of the host but a cgroup that goes
again, and ends with this process, however that ends.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from common.world import ROOT
from controlplane import build
from controlplane.processes import Process, wait_until_gone
from controlplane.scratch import ScratchDirectory
from controlplane.waiting import wait_until
from e2e import components, images
from e2e.enter import leave
from e2e.node import NAME, PATH, REPOSITORY, TAGS, Node

BINARIES: Final = ROOT / ".venv" / "node"
NEEDED: Final = ("runc", "nft", "ip", "nsenter", "unshare", "apt-get")
PACKAGES: Final = "runc containernetworking-plugins nftables iproute2 util-linux"
# Twenty times what it takes on two idle cores.
START_SECONDS: Final = 100.0


class LocalNode(Node):
    """Runs while the context lasts. *work* is a directory of its own that must not lie below /run or /var."""

    def __init__(self, work: Path, archives: Sequence[Path]) -> None:
        self.work = work
        self.name = NAME
        self.address = components.ADDRESS
        self._pid = 0
        self._process: Process | None = None
        binaries = work / "bin"
        binaries.mkdir(parents=True)
        for directory in (build.find(), BINARIES):
            for binary in directory.iterdir():
                (binaries / binary.name).symlink_to(binary)
        config = components.config(work, NAME, binaries, archives, PATH)
        self.kubeconfig = Path(config["kubeconfig"])
        self._config = work / "config.json"
        self._config.write_text(json.dumps(config))

    def __enter__(self) -> Self:
        leave(NAME)
        script = Path(__file__).with_name("enter.py")
        command = [sys.executable, "-I", "-S", str(script), NAME, str(self._config)]
        process = Process("node", command, log=self.work / "node.log")
        self._process = process

        def is_ready() -> bool:
            process.raise_if_ended()
            return (self.work / "ready").exists()

        try:
            wait_until(is_ready, what="the node to be ready", timeout=START_SECONDS)
        except TimeoutError as error:
            message = f"{error}\n{self._logs()}"
            raise TimeoutError(message) from None
        finally:
            if not (self.work / "ready").exists():
                self.__exit__(None, None, None)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        self._pid = int(children[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
        if self._pid:
            wait_until_gone([self._pid], 10)
        leave(NAME)

    @property
    def pid(self) -> int:
        """See `Node`."""
        return self._pid

    def _logs(self) -> str:
        """Return the ends of the logs of all components."""
        parts = []
        for log in sorted(self.work.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-5:]
            parts.append("\n".join([f"--- {log.name}", *lines]))
        return "\n".join(parts)


def missing() -> str:
    """Say what is missing on this machine, and how to get it; empty when nothing is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a local node needs root on Linux; with Docker, use `make e2e`"
    absent = [name for name in NEEDED if not any((Path(at) / name).exists() for at in PATH.split(":"))]
    if absent or not Path(components.CNI_BINARIES, "bridge").exists():
        return f"a local node needs more of Debian: apt-get install {PACKAGES}"
    return ""


@contextmanager
def running() -> Iterator[Node]:
    """Build the images, and run a node that has them."""
    with ScratchDirectory() as scratch:
        built = scratch.path / "images"
        built.mkdir()
        archives = [
            images.pause(built, BINARIES / "pause", components.PAUSE),
            images.servicetokens(built, *(f"{REPOSITORY}:{tag}" for tag in TAGS)),
        ]
        with LocalNode(scratch.path / "node", archives) as node:
            yield node
