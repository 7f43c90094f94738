"""How long the plugin takes to say something: a person waits for it."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.report import Section

_ROUNDS: Final = 9
# Chosen so that requests are not delayed noticeably.
_GOAL: Final = 0.3
_PROGRAMS: Final = Path(sys.executable).parent

METHOD: Final = f"""\
The programs are started {_ROUNDS} times in turn, from the file cache, until they have ended; medians. No program in
Python is faster than the bare interpreter, and kubectl is what stands before the plugin anyway.
"""


def measure(kubectl: Path) -> Section:
    """Start the plugin, a bare interpreter and kubectl in turn."""
    section = Section("Helping", METHOD)
    commands = {
        "plugin": [str(_PROGRAMS / "kubectl-servicetoken"), "--help"],
        "a command of it": [str(_PROGRAMS / "kubectl-servicetoken"), "revoke", "--help"],
        "python": [sys.executable, "-c", "pass"],
        "kubectl": [str(kubectl), "version", "--client"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_ROUNDS):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    for name, what in (
        ("plugin", "kubectl-servicetoken --help"),
        ("a command of it", "kubectl-servicetoken revoke --help"),
    ):
        section.add(what, f"{medians[name]:.2f} s", f"<= {_GOAL} s", met=medians[name] <= _GOAL)
    section.add("a bare interpreter", f"{medians['python']:.2f} s")
    section.add("kubectl version --client", f"{medians['kubectl']:.2f} s")
    section.add("--help, in kubectls", f"{medians['plugin'] / medians['kubectl']:.1f} x")
    return section
