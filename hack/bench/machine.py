"""The machine: which core runs what, what a process tree has cost so far, and what to write above a table."""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE = 0
LOAD_CORE = 1
_TICKS = os.sysconf("SC_CLK_TCK")
# In /proc/<pid>/stat, counted from the state, which is the first field after the name in parentheses.
_PARENT, _USER, _SYSTEM = 1, 11, 12


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run this thread on *core*; what is started inside inherits it: Go sees one CPU from the start."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time, user and system, that *pid* and its living descendants have used so far."""
    usage: dict[int, tuple[int, float]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        usage[int(stat.parent.name)] = (
            int(fields[_PARENT]),
            (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS,
        )
    tree = {pid}
    while more := {child for child, (parent, _) in usage.items() if parent in tree} - tree:
        tree |= more
    return sum(usage[member][1] for member in tree if member in usage)


def resident_megabytes(pid: int) -> tuple[float, float]:
    """Return how much memory of *pid* is resident now, and the most that ever was, in MB (10**6 bytes)."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    )
    now, most = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, most


@dataclass(frozen=True)
class Machine:
    """What a reader must know to interpret the numbers."""

    facts: tuple[tuple[str, str], ...]

    @classmethod
    def inspect(cls, kubernetes: str) -> "Machine":
        """Look at this machine; *kubernetes* is the version that the API server tells."""
        one_minute, *_ = os.getloadavg()
        packages = ("uvloop", "httptools", "msgspec", "kopf", "aiohttp")
        return cls(
            (
                ("date", time.strftime("%Y-%m-%d", time.gmtime())),
                ("processor", f"{_processor()}, {len(os.sched_getaffinity(0))} cores"),
                ("kernel", platform.release()),
                ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
                ("libraries", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)),
                ("Go", _first_line(["go", "version"])),
                ("Kubernetes", kubernetes),
                (
                    "load average at the start",
                    f"{one_minute:.2f} (the machine is shared; above 0.5 be careful)",
                ),
            )
        )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
