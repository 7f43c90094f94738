"""The image of `operator/Dockerfile` without an engine: what it declares, and how a pod runs it.

`declared` reads the Dockerfile, so that a test never runs the program in a kinder environment than the image does.
`pod` runs a command as the kubelet does with the chart's security context: under a user that has no entry in passwd,
on a root file system that is read-only, without a writable /tmp, without capabilities.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from common.repository import ROOT
from controlplane.waiting import patient

DOCKERFILE: Final = (ROOT / "operator" / "Dockerfile").read_text()
# Of the host, for the interpreter and the libraries that it loads.
_SYSTEM: Final = ("usr", "lib", "lib64", "lib32", "bin", "sbin")
_DEVICES: Final = ("null", "zero", "urandom")
# Debian's, as in the base image; no user of ours.
_PASSWD: Final = (
    "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
)
# Where `python` is in the sandbox; in the base image it is /usr/local/bin.
_BIN: Final = "/interpreter"
# Runs in a mount namespace of its own, with permission to mount there. $1 is an empty folder, which becomes the root;
# $2 is what changes the user; what follows is the command. `pivot_root` and not `chroot`: in a chroot the kernel makes
# no user namespaces.
_ENTER: Final = f"""
set -eu
root=$1 become=$2
shift 2
# What the host's mounts forbid cannot be allowed again in a user namespace, and then nothing can be changed at all.
read_only() {{ mount -o remount,bind,ro "$1" 2>/dev/null || :; }}
mount -t tmpfs -o mode=755 sandbox "$root"
cd "$root"
for name in {" ".join(_SYSTEM)}; do
  if [ -L "/$name" ]; then cp -P "/$name" "$name"
  elif [ -d "/$name" ]; then mkdir "$name"; mount --rbind "/$name" "$name"; read_only "$name"; fi
done
mkdir -p dev etc proc tmp app ".$PREFIX" .{_BIN} old
chmod 1777 tmp
printf '%s' "$PASSWD" > etc/passwd
ln -s "$PYTHON" .{_BIN}/python
for name in {" ".join(_DEVICES)}; do : > dev/$name; mount --bind /dev/$name dev/$name; done
mount --rbind /proc proc
mount --rbind "$PREFIX" ".$PREFIX"
read_only ".$PREFIX"
mount --bind "$APP" app
mount -o remount,bind,ro app
printf '%s\n' "$MOUNTED" | while read -r source target; do
  [ -n "$source" ] || continue
  mkdir -p ".$target"
  mount --bind "$source" ".$target"
  mount -o remount,bind,ro ".$target"
done
mount -o remount,ro "$root"
pivot_root . old
umount -l /old
exec $become "$@"
"""


class NoSandbox(RuntimeError):
    """This machine cannot run a process as in a pod. The message says why."""


@dataclass(frozen=True)
class Declared:
    """What the Dockerfile says about containers."""

    entrypoint: tuple[str, ...]
    environment: Mapping[str, str]
    user: int


@cache
def declared() -> Declared:
    """Return what the last stage of the Dockerfile declares."""
    stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    (entrypoint,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", stage, re.MULTILINE)
    (environment,) = re.findall(r"^ENV (.*)$", stage, re.MULTILINE)
    (user,) = re.findall(r"^USER (\d+):\1$", stage, re.MULTILINE)
    return Declared(
        tuple(re.findall(r'"([^"]*)"', entrypoint)),
        dict(pair.split("=", 1) for pair in environment.split()),
        int(user),
    )


def assemble(target: Path) -> Path:
    """Put what the image holds into *target*, by the script that the Dockerfile runs."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(target.parent), "PYTHON": sys.executable}
    done = subprocess.run(
        [ROOT / "operator" / "assemble.sh", target],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patient(300),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return target


def pod(
    app: Path,
    scratch: Path,
    arguments: Sequence[str],
    *,
    mounted: Mapping[Path, str],
    environment: Mapping[str, str],
) -> list[str]:
    """Return the command that runs the image's entry point with *arguments* as the kubelet runs the chart's pods.

    Args:
        app: what `assemble` has made.
        scratch: an existing folder, below which nothing is written.
        arguments: behind the entry point.
        mounted: folders of the host by where they are seen, read-only.
        environment: variables in addition to those of the Dockerfile; nothing of the caller's is passed on.

    Raises:
        NoSandbox: this machine does not let us.
    """
    image = declared()
    namespaces, become = _privileges(image.user)
    paths = {"PATH": f"{_BIN}:/usr/bin:/bin", **image.environment, **environment}
    inner = [
        "env",
        "-i",
        *(f"{name}={value}" for name, value in paths.items()),
        *image.entrypoint,
        *arguments,
    ]
    outer = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "APP": str(app),
        "PASSWD": _PASSWD,
        "PREFIX": sys.base_prefix,
        "PYTHON": os.path.realpath(sys.executable),
        "MOUNTED": "\n".join(f"{source} {target}" for source, target in mounted.items()),
    }
    settings = ["env", "-i", *(f"{name}={value}" for name, value in outer.items())]
    return [*settings, *namespaces, "sh", "-c", _ENTER, "sh", str(scratch), become, *inner]


@cache
def _privileges(user: int) -> tuple[tuple[str, ...], str]:
    """Return how to get a mount namespace, and how to become *user* in it without any right."""
    drop = "--no-new-privs --bounding-set=-all --inh-caps=-all"
    ways = (
        (("unshare", "--mount"), f"setpriv --reuid={user} --regid={user} --clear-groups {drop}"),
        (
            ("unshare", "--user", "--map-root-user", "--mount"),
            f"unshare --user --map-user={user} --map-group={user} setpriv {drop}",
        ),
    )
    reasons = []
    for namespaces, become in ways:
        if shutil.which("unshare") is None:
            break
        tried = subprocess.run(
            [*namespaces, *become.split(), "true"], capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            return namespaces, become
        reasons.append(tried.stderr.strip())
    message = (
        "a process cannot be run as in a pod here: neither as root nor with a user namespace of one's own "
        f"(Linux with util-linux is needed; {'; '.join(reasons)})"
    )
    raise NoSandbox(message)
