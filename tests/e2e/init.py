"""Process 1 of the node: makes its mounts and its network, starts everything in order, and reaps. A script.

    init.py CONFIG       a JSON file that `node.py` writes

Nothing of the host is changed: these namespaces are ours alone, and go when this process does.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# What the kubelet wants the kernel to be set to; it is shown files with these values instead of changing the host's.
SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
START_SECONDS = 90


def run(*command: str) -> None:
    """Run one; what it says is in our log."""
    subprocess.run(command, check=True)


def put(path: str, value: object) -> None:
    """Write to a file of the kernel's."""
    Path(path).write_text(f"{value}\n")


def mounts(work: Path) -> None:
    """Give the node its own /run, /var/lib and /var/log, its own /proc, and its own view of the cgroups."""
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    for directory in ("/run", "/var/log", "/var/lib"):
        run("mount", "-t", "tmpfs", "tmpfs", directory)
        run("mount", "--make-shared", directory)
    for inside, outside in (("/var/lib/kubelet", "kubelet"), ("/run/ctd", "containerd")):
        (work / outside).mkdir()
        Path(inside).mkdir()
        run("mount", "--bind", str(work / outside), inside)
        run("mount", "--make-shared", inside)
    for name, value in SYSCTLS.items():
        file = Path("/run") / f"sysctl.{name.replace('/', '.')}"
        put(str(file), value)
        run("mount", "--bind", str(file), f"/proc/sys/{name}")
    hierarchies = [line.split()[1:4] for line in Path("/proc/mounts").read_text().splitlines()]
    if ["/sys/fs/cgroup", "cgroup2"] in [one[:2] for one in hierarchies]:
        run("umount", "-R", "/sys/fs/cgroup")
        run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
        Path("/sys/fs/cgroup/init").mkdir()
        put("/sys/fs/cgroup/init/cgroup.procs", 0)
        for controller in Path("/sys/fs/cgroup/cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):
                put("/sys/fs/cgroup/cgroup.subtree_control", f"+{controller}")
        return
    for mount, kind, options in hierarchies:
        if kind == "cgroup":
            controller = options.split(",")[-1]
            run("umount", mount)
            run(
                *("mount", "-t", "cgroup", "-o"),
                f"none,{controller}" if controller.startswith("name=") else controller,
                *("cgroup", mount),
            )
        elif kind == "cgroup2":
            run("umount", mount)


def network(address: str) -> None:
    """Give it loopback, and its address on a pair of which nobody answers at the other end."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node0p")
    run("ip", "link", "set", "node0p", "up")
    run("ip", "address", "add", f"{address}/32", "dev", "node0")
    run("ip", "link", "set", "node0", "up")
    # Packets to a Service have to have a way before kube-proxy gives them another one.
    run("ip", "route", "add", "default", "dev", "node0")
    put("/proc/sys/net/ipv4/ip_forward", 1)
    with contextlib.suppress(OSError):
        put("/proc/sys/net/bridge/bridge-nf-call-iptables", 1)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {START_SECONDS} s for {what}")
        time.sleep(0.05)


class Starting:
    """Starts the components, each with a log of its own."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._work = Path(config["work"])
        os.environ["PATH"] = f"{config['binaries']}:{config['path']}"
        os.environ["HOME"] = str(self._work)

    def start(self, name: str) -> None:
        """Start one."""
        command: Sequence[str] = self._config["commands"][name]
        with (self._work / f"{name}.log").open("ab") as log:
            subprocess.Popen(command, stdout=log, stderr=log, cwd=self._work)

    def succeeds(self, *command: str) -> bool:
        """Say whether a command does."""
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def kubectl(self, *arguments: str) -> tuple[str, ...]:
        """Return a command of the administrator."""
        return ("kubectl", f"--kubeconfig={self._config['kubeconfig']}", *arguments)

    def everything(self) -> None:
        """Start all in the order in which they need each other."""
        for name in ("containerd", "etcd", "kube-apiserver"):
            self.start(name)
        ctr = ("ctr", "-a", "/run/containerd/containerd.sock", "-n", "k8s.io")
        until(lambda: self.succeeds(*ctr, "version"), "containerd")
        for image in self._config["images"]:
            run(*ctr, "images", "import", image)
        until(lambda: self.succeeds(*self.kubectl("get", "--raw", "/readyz")), "the API server")
        for name in ("kube-controller-manager", "kube-scheduler", "kubelet"):
            self.start(name)
        for command in self._config["grants"]:
            run(*self.kubectl(*command))
        node = f"node/{self._config['name']}"
        until(lambda: self.succeeds(*self.kubectl("get", node)), "the kubelet to register")
        for name in ("kube-proxy", "coredns"):
            self.start(name)
        until(
            lambda: self.succeeds(*self.kubectl("wait", "--for=condition=Ready", node, "--timeout=5s")),
            "the node to be ready",
        )


def main() -> None:
    """Start, say so, and reap for ever."""
    config = json.loads(Path(sys.argv[1]).read_text())
    work = Path(config["work"])
    mounts(work)
    run("hostname", config["name"])
    network(config["address"])
    for path, text in config["files"].items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    Starting(config).everything()
    (work / "ready").touch()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(1)


if __name__ == "__main__":
    main()
