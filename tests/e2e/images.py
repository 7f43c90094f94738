"""Container images without an engine and without a registry: OCI archives, written from folders.

The image of servicetokens is what `operator/Dockerfile` describes, with another base: Python out of Debian's packages,
unpacked and not installed, since no base image can be fetched here. What is in `/app` comes from the same script, and
entry point, environment and user are read from the Dockerfile.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common.image import assemble, declared

# The oldest that we support, and the one that Debian 12 has; `sys.executable` has to be of the same minor version.
PYTHON: Final = "3.11"
PACKAGES: Final = (
    *(
        "base-files",
        "base-passwd",
        "netbase",
        "tzdata",
        "media-types",
        "ca-certificates",
        "libc6",
        "libgcc-s1",
        "libstdc++6",
    ),
    *("gcc-12-base", "zlib1g", "libssl3", "libffi8", "libexpat1", "libbz2-1.0", "liblzma5", "libuuid1"),
    *("libsqlite3-0", "libcrypt1", "libdb5.3", "libnsl2", "libtirpc3", "libncursesw6", "libtinfo6"),
    *("libreadline8", f"libpython{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", f"python{PYTHON}-minimal"),
)
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Settings:
    """What a container of the image runs, unless it is told otherwise."""

    entrypoint: Sequence[str]
    environment: Mapping[str, str]
    user: str = ""


def servicetokens(work: Path, *names: str) -> Path:
    """Build the image of operator and validator under *names*; return the archive."""
    root = work / "root"
    _python(work / "packages", root)
    assemble(root / "app")
    image = declared()
    environment = {"PATH": "/usr/bin", **image.environment}
    settings = Settings(image.entrypoint, environment, f"{image.user}:{image.user}")
    return _archive(root, work / "servicetokens.tar", names, settings)


def pause(work: Path, binary: Path, name: str) -> Path:
    """Build the image that holds the namespaces of every pod; return the archive."""
    root = work / "pause"
    root.mkdir()
    shutil.copy(binary, root / "pause")
    return _archive(root, work / "pause.tar", (name,), Settings(("/pause",), {}))


def _python(packages: Path, root: Path) -> None:
    """Unpack Python and what it needs; no script of a package runs, and there is no shell."""
    packages.mkdir(parents=True)
    fetched = subprocess.run(
        ["apt-get", "download", "-qq", *PACKAGES], cwd=packages, capture_output=True, text=True, check=False
    )
    assert fetched.returncode == 0, fetched.stderr
    root.mkdir()
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    for left in ("doc", "man", "locale", "lintian"):
        shutil.rmtree(root / "usr" / "share" / left, ignore_errors=True)
    # What the base image calls it.
    (root / "usr" / "bin" / "python").symlink_to(f"python{PYTHON}")
    (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
    # As the packages' own scripts do; no user of ours.
    for name in ("passwd", "group"):
        shutil.copy(root / "usr" / "share" / "base-passwd" / f"{name}.master", root / "etc" / name)


def _archive(root: Path, target: Path, names: Sequence[str], settings: Settings) -> Path:
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in _everything(root):
            tar.add(path, str(path.relative_to(root)), recursive=False, filter=_owned_by_root)
    blobs: dict[str, bytes] = {}
    manifests = []
    layers = [_blob(blobs, _LAYER, gzip.compress(unpacked.getvalue(), compresslevel=1, mtime=0))]
    run = {
        "Entrypoint": list(settings.entrypoint),
        "Env": [f"{name}={value}" for name, value in settings.environment.items()],
        "User": settings.user,
    }
    root_fs = {"type": "layers", "diff_ids": [_digest(unpacked.getvalue())]}
    for name in names:
        # An image of its own for each name, so that an upgrade from one to the other is one.
        labelled = {**run, "Labels": {"name": name}}
        config = {"architecture": "amd64", "os": "linux", "config": labelled, "rootfs": root_fs}
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _blob(blobs, _CONFIG, json.dumps(config).encode()),
            "layers": layers,
        }
        described = _blob(blobs, _MANIFEST, json.dumps(manifest).encode())
        manifests.append({**described, "annotations": {"io.containerd.image.name": name}})
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **{f"blobs/{key.replace(':', '/')}": content for key, content in blobs.items()},
    }
    with tarfile.open(target, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target


def _everything(root: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*folders, *files]):
            yield Path(directory) / name


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


def _blob(blobs: dict[str, bytes], kind: str, content: bytes) -> dict[str, Any]:
    digest = _digest(content)
    blobs[digest] = content
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
