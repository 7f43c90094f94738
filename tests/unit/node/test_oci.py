"""Image archives that are written without an engine."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from node import oci


def tree(root: Path, *, time: int) -> Path:
    """Make a folder with a program, a link and an empty folder, all of that time."""
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    (root / "bin" / "program").write_text("a program")
    (root / "bin" / "program").chmod(0o755)
    (root / "bin" / "link").symlink_to("program")
    for path in (root / "bin" / "program", root / "bin", root / "tmp"):
        os.utime(path, (time, time))
    return root


def blob(archive: Path, digest: str) -> bytes:
    """Return one of an archive's blobs, whose name is that of its contents."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
        assert member is not None
        content = member.read()
    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    return content


def test_archive_has_the_name_the_program_and_the_files(tmp_path: Path) -> None:
    """Index, manifest, configuration and layer refer to each other by digests of their contents."""
    archive = tmp_path / "image.tar"
    oci.write(tree(tmp_path / "root", time=1), archive, "example.test/program:1", entrypoint=["/bin/program"])
    with tarfile.open(archive) as tar:
        member = tar.extractfile("index.json")
        assert member is not None
        index: dict[str, Any] = json.load(member)
    (described,) = index["manifests"]
    assert described["annotations"] == {"io.containerd.image.name": "example.test/program:1"}
    manifest = json.loads(blob(archive, described["digest"]))
    config = json.loads(blob(archive, manifest["config"]["digest"]))
    assert config["config"]["Entrypoint"] == ["/bin/program"]
    (layer,) = manifest["layers"]
    unpacked = gzip.decompress(blob(archive, layer["digest"]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert sorted(members) == ["bin", "bin/link", "bin/program", "tmp"]
    assert members["bin/program"].mode == 0o755
    assert members["bin/link"].linkname == "program"


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    """Neither times nor owners nor the place of the folder matter."""
    archives = [tmp_path / "first.tar", tmp_path / "second.tar"]
    for number, archive in enumerate(archives):
        oci.write(tree(tmp_path / str(number), time=number + 1), archive, "example.test/program:1")
    assert archives[0].read_bytes() == archives[1].read_bytes()
