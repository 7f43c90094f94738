"""Builds the control plane from go.mod, once per version, and knows where it is.

    python hack/controlplane/build.py           build what is missing; print the directory
    python hack/controlplane/build.py --path    print the directory; build nothing

`$KUBEBUILDER_ASSETS`, the variable that other Kubernetes projects use for the same, names a directory to take
instead. Standard library only: it runs before there is a virtual environment. go.mod is the only place that
holds versions.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).resolve().parent
if not __package__:  # run as a script, which has this folder on the path and not the one above
    sys.path.insert(0, str(MODULE.parent))

from controlplane.progress import Progress  # noqa: E402 - after the path is right

ASSETS = "KUBEBUILDER_ASSETS"
PACKAGES = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
# How many packages each compiles that those before it have not (`go list -deps`), to estimate the time that is left.
COMPILED = {"kube-apiserver": 2082, "kube-controller-manager": 369, "etcd": 96, "kubectl": 193}
COMMAND = "make control-plane"
ERROR_LINES = 15  # of what go said: enough for a compiler error or a failed download


class ControlPlaneMissing(Exception):
    """There are no usable binaries. The message is one line that says what to do."""


class BuildFailed(ControlPlaneMissing):
    """go could not build them. The message ends with go's own."""


@dataclass(frozen=True)
class Versions:
    """What go.mod pins, each with its leading "v", except `go`."""

    go: str
    kubernetes: str
    etcd: str

    @classmethod
    def read(cls) -> "Versions":
        """From go.mod."""
        text = (MODULE / "go.mod").read_text(encoding="utf-8")
        return cls(
            go=_first(r"^go (\S+)$", text),
            kubernetes=_first(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", text),
            etcd=_first(r"^\s*(?:require )?go\.etcd\.io/etcd/server/v3 (v\S+)", text),
        )


def find() -> Path:
    """The directory that holds the four binaries.

    Raises:
        ControlPlaneMissing: there is none, or `$KUBEBUILDER_ASSETS` names one that lacks some.
    """
    given = os.environ.get(ASSETS)
    directory = Path(given) if given else cache_directory()
    missing = _missing(directory)
    if not missing:
        return directory
    if given:
        message = (
            f"${ASSETS} is {given}, which lacks {', '.join(missing)}: add them, or unset it to build them"
        )
        raise ControlPlaneMissing(message)
    message = f"the control plane is not built yet: run `{COMMAND}`"
    raise ControlPlaneMissing(message)


def ensure() -> Path:
    """As `find`, but build first what is missing; progress goes to standard error.

    Raises:
        ControlPlaneMissing: as `find`; or Go is missing or too old.
        BuildFailed: go failed.
    """
    if os.environ.get(ASSETS):
        return find()
    directory = cache_directory()
    if not _missing(directory):
        return directory
    go = find_go(Versions.read().go, "the control plane", f", or set ${ASSETS} to where the binaries are")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with locked(directory.with_name(f"{directory.name}.lock"), "building the control plane"):
        # The previous holder of the lock has probably built it.
        if _missing(directory):
            _build_all(go, directory)
    return directory


def is_built() -> bool:
    """Whether `ensure` has nothing to build."""
    return bool(os.environ.get(ASSETS)) or not _missing(cache_directory())


def cache_directory() -> Path:
    """Where binaries built from this go.mod for this machine are kept, whether they exist yet or not."""
    versions = Versions.read()
    pinned = hashlib.sha256((MODULE / "go.mod").read_bytes()).hexdigest()[:12]
    name = f"kubernetes-{versions.kubernetes}_etcd-{versions.etcd}_{platform_name()}_{pinned}"
    return cache_root() / "controlplane" / name


def cache_root() -> Path:
    """The directory that all clones of one user share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servicetokens"


def build_binary(
    go: str,
    name: str,
    directory: Path,
    progress: Progress,
    *,
    module: Path,
    package: str,
    flags: Sequence[str],
) -> None:
    """Build *package* of the module in *module* as `directory`/*name*.

    Raises:
        BuildFailed: go failed.
    """
    # -v names each package when it is compiled, which is what the progress shows.
    flags = ["-v", "-trimpath", *flags, "-o", str(directory / name)]
    # A go.work of the surroundings must not replace what go.mod pins.
    environment = os.environ | {"GOTOOLCHAIN": "auto", "CGO_ENABLED": "0", "GOWORK": "off"}
    with (
        progress.step(name, COMPILED.get(name, 0)) as step,
        subprocess.Popen(
            [go, "build", *flags, package],
            cwd=module,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line.rstrip())
            step.note(said[-1])
        if process.wait() != 0:
            last = "\n".join(said[-ERROR_LINES:])
            message = f"go could not build {name}:\n{last}"
            raise BuildFailed(message)


def _missing(directory: Path) -> list[str]:
    return [name for name in PACKAGES if not os.access(directory / name, os.X_OK)]


def _build_all(go: str, directory: Path) -> None:
    for left in directory.parent.glob(f"{directory.name}.tmp-*"):
        shutil.rmtree(left)  # of a build that was killed: we hold the lock, so it is not in use
    progress = Progress(sys.stderr)
    progress.say(
        "Building the control plane: about 5 minutes the first time, then never again for these versions."
    )
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f"{directory.name}.tmp-") as temporary:
        finished = Path(temporary) / "binaries"
        finished.mkdir()
        for name, package in PACKAGES.items():
            flags = ["-ldflags", linker_flags(Versions.read().kubernetes)]
            build_binary(go, name, finished, progress, module=MODULE, package=package, flags=flags)
        # All or nothing: an existing folder is complete, unless files in it were removed.
        shutil.rmtree(directory, ignore_errors=True)
        finished.rename(directory)


def linker_flags(version: str) -> str:
    """What tells Kubernetes' own binaries their version."""
    major, minor = version.removeprefix("v").split(".")[:2]
    # What Kubernetes' own build sets; without it the API server would take itself for v0.0.0-master.
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    # -s -w: no symbols, which halves the size.
    return " ".join(
        ["-s -w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items())]
    )


def find_go(required: str, what: str, otherwise: str = "") -> str:
    """Find Go on the path for building *what*; it must not be older than *required* ("1.26.6", of which "1.26" counts).

    Raises:
        ControlPlaneMissing: there is none, or it is too old. The message ends with *otherwise*, another way out.
    """
    minimum = ".".join(required.split(".")[:2])
    advice = f"install Go {minimum} or later (https://go.dev/dl){otherwise}"
    go = shutil.which("go")
    if go is None:
        message = f"building {what} needs Go, and there is no `go` on the path: {advice}"
        raise ControlPlaneMissing(message)
    # "local": what is installed, not what it could download.
    said = subprocess.run(
        [go, "version"],
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < tuple(int(part) for part in minimum.split(".")):
        message = f"building {what} needs a newer Go than {said.strip() or go!r}: {advice}"
        raise ControlPlaneMissing(message)
    return go


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Wait until no other process is *what*; the kernel releases the lock when a process ends, however that is."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            Progress(sys.stderr).say(f"Another process is {what}; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def platform_name() -> str:
    """Operating system and processor, as in "linux-x86_64": binaries of another are of no use."""
    return f"{platform.system()}-{platform.machine()}".lower()


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, f"go.mod has nothing like {pattern}"
    return found[1]


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(description="Build the control plane that tests and demo run against.")
    parser.add_argument("--path", action="store_true", help="print its directory and build nothing")
    try:
        directory = find() if parser.parse_args().path else ensure()
    except ControlPlaneMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cannot build the control plane in {cache_directory().parent}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as a shell says
    sys.stdout.write(f"{directory}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
