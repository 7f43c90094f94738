"""Writes OCI image archives from folders, without an engine: equal contents give equal bytes."""

import gzip
import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
PATH: Final = "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
# The names that container images use, by those of the kernel.
ARCHITECTURE: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def write(root: Path, target: Path, name: str, *, entrypoint: Sequence[str] = ()) -> None:
    """Write the files below *root* as the image *name*, of one layer, to the archive *target*."""
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in _everything(root):
            tar.add(path, str(path.relative_to(root)), recursive=False, filter=_normalised)
    blobs: dict[str, bytes] = {}
    # The fastest level: the archive is unpacked minutes later on the same machine.
    layer = _blob(blobs, LAYER, gzip.compress(unpacked.getvalue(), compresslevel=1, mtime=0))
    system = {"architecture": ARCHITECTURE[platform.machine()], "os": "linux"}
    config = {
        **system,
        "config": {"Env": [PATH], "Entrypoint": list(entrypoint) or None},
        "rootfs": {"type": "layers", "diff_ids": [_digest(unpacked.getvalue())]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _blob(blobs, CONFIG, json.dumps(config).encode()),
        "layers": [layer],
    }
    described = {
        **_blob(blobs, MANIFEST, json.dumps(manifest).encode()),
        "annotations": {"io.containerd.image.name": name},
        "platform": system,
    }
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **{f"blobs/{key.replace(':', '/')}": content for key, content in blobs.items()},
    }
    with tarfile.open(target, "w") as tar:
        for file, content in files.items():
            info = tarfile.TarInfo(file)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _everything(root: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*folders, *files]):
            yield Path(directory) / name


def _normalised(info: tarfile.TarInfo) -> tarfile.TarInfo:
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
