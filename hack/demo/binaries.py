"""Where the demo takes kube-apiserver, etcd and kubectl from, so that nothing is built that a user has already.

In this order: `$KUBEBUILDER_ASSETS`; what this project has built before; the folder of `setup-envtest`; the path.
kube-controller-manager is no part of `setup-envtest`: without it the demo runs, and deleted objects leave their
Secrets behind.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane import build
from demo.screen import Screen

NEEDED: Final = ("kube-apiserver", "etcd", "kubectl")
CONTROLLERS: Final = "kube-controller-manager"
# The rules in our CRDs need it (docs/guides/upgrades.md).
LEAST_MINOR: Final = 34
_VERSION_SECONDS: Final = 30


@dataclass(frozen=True)
class Binaries:
    """A directory with what the demo needs.

    Attributes:
        directory: has `NEEDED` in it.
        source: where that is, for people.
        has_controllers: whether kube-controller-manager is there as well.
    """

    directory: Path
    source: str
    has_controllers: bool


def find(environment: dict[str, str], home: Path) -> Binaries | None:
    """Return the first directory that will do, or None.

    Raises:
        build.ControlPlaneMissing: `$KUBEBUILDER_ASSETS` names a directory that will not do; the message says why.
    """
    given = environment.get(build.ASSETS)
    if given:
        return _given(Path(given))
    for directory, source in _candidates(environment, home):
        if not _missing(directory) and _is_new_enough(directory):
            return Binaries(directory, source, _has(directory, CONTROLLERS))
    return None


def find_or_build(screen: Screen) -> Binaries:
    """Return what there is, and say so, or build it.

    Raises:
        build.ControlPlaneMissing: there is none, and it cannot be built; the message says why.
    """
    found = find(dict(os.environ), Path.home())
    if found is None:
        screen.note("No Kubernetes binaries found: they are built now, once for all clones.")
        # With its own announcement and progress, on standard error.
        status = subprocess.run([sys.executable, "-m", "provision", "control-plane"], check=False).returncode
        if status != 0:
            message = "the control plane could not be built"
            raise build.ControlPlaneMissing(message)
        found = Binaries(build.find(), "built by this project", has_controllers=True)
    screen.note(f"Kubernetes binaries: {found.source} ({found.directory})")
    if not found.has_controllers:
        screen.note(f"There is no {CONTROLLERS} among them: Secrets of deleted tokens are not removed here.")
    return found


def _given(directory: Path) -> Binaries:
    missing = _missing(directory)
    if missing:
        message = f"${build.ASSETS} is {directory}, which lacks {', '.join(missing)}: add them, or unset the variable"
        raise build.ControlPlaneMissing(message)
    if not _is_new_enough(directory):
        message = (
            f"${build.ASSETS} is {directory}, whose kube-apiserver is older than 1.{LEAST_MINOR}: "
            "name a newer one, or unset the variable"
        )
        raise build.ControlPlaneMissing(message)
    return Binaries(directory, f"from ${build.ASSETS}", _has(directory, CONTROLLERS))


def _candidates(environment: dict[str, str], home: Path) -> Iterator[tuple[Path, str]]:
    if build.is_built():
        yield build.cache_directory(), "built by this project"
    # Where setup-envtest keeps what it has downloaded; the newest first.
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    versions = sorted((data / "kubebuilder-envtest" / "k8s").glob("*"), key=_numbers, reverse=True)
    yield from ((version, "from setup-envtest") for version in versions)
    server = shutil.which(NEEDED[0], path=environment.get("PATH"))
    if server:
        yield Path(server).parent, "from your PATH"


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name.partition("-")[0])]


def _missing(directory: Path) -> list[str]:
    return [name for name in NEEDED if not _has(directory, name)]


def _has(directory: Path, name: str) -> bool:
    return os.access(directory / name, os.X_OK)


def _is_new_enough(directory: Path) -> bool:
    """Ask kube-apiserver for its version; what does not answer will not do."""
    try:
        said = subprocess.run(
            [directory / NEEDED[0], "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    match = re.search(r"\bv(\d+)\.(\d+)", said)
    return match is not None and (int(match[1]), int(match[2])) >= (1, LEAST_MINOR)
