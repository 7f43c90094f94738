"""Enters a cgroup of the node's own, then new namespaces, and starts `init.py` there. A script, run as root.

    enter.py NAME CONFIG

With cgroup v1 a process has a group in each hierarchy. The node must see its own as the root, so this process moves
into a child of its present group everywhere before it unshares; `leave` takes these children away again.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
# A process that was killed a moment ago is still in its group.
PATIENCE = 100


def groups(name: str) -> Iterator[Path]:
    """Give the group of that name below the present one, in each hierarchy."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for _, mount, kind, options, *_ in mounts:
            if controllers:
                is_it = kind == "cgroup" and set(controllers.split(",")) <= set(options.split(","))
            else:
                is_it = kind == "cgroup2" and mount == str(CGROUPS)
            if is_it:
                yield Path(mount) / path.strip("/") / name


def enter(name: str) -> None:
    """Move this process into them."""
    for group in groups(name):
        group.mkdir(exist_ok=True)
        # A new cpuset is empty, and takes nobody before it has processors and memory.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists() and not (group.parent / "cgroup.controllers").exists():
                (group / file).write_text((group.parent / file).read_text())
        (group / "cgroup.procs").write_text(str(os.getpid()))


def leave(name: str) -> None:
    """Remove them, with all that is below, once nobody is in there."""
    for group in groups(name):
        for _ in range(PATIENCE):
            if not group.exists():
                break
            for directory, _, _ in sorted(os.walk(group), reverse=True):
                with contextlib.suppress(OSError):
                    Path(directory).rmdir()
            time.sleep(0.05)


def main() -> None:
    """Become `unshare`, which becomes `init.py`."""
    name, config = sys.argv[1:]
    enter(name)
    init = Path(__file__).with_name("init.py")
    command = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation", "private"]
    os.execvp(command[0], [*command, sys.executable, "-I", "-S", str(init), config])


if __name__ == "__main__":
    main()
