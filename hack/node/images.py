"""Makes the images of NODE_IMAGE=local in the engine: that of the node, and the base of operator/Dockerfile."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from controlplane import build
from controlplane.progress import Progress
from controlplane.scratch import ScratchDirectory
from node import archives
from provision.artifacts import ARTIFACTS
from provision.cache import ROOT

HERE: Final = Path(__file__).resolve().parent
# Twenty times what it takes on two idle cores.
SECONDS: Final = 600.0


def node_image() -> str:
    """Return the name of the node's image; another name for other contents."""
    scripts = ("node-image.sh", "archives.py", "oci.py")
    parts = [ARTIFACTS["node"].key, ARTIFACTS["node-root"].key, build.cache_directory().name]
    return f"localhost/servicetokens/node:{_hash(*parts, *(_text(name) for name in scripts))}"


def python_image() -> str:
    """Return the name of the image that stands in for python:3.13-slim."""
    return f"localhost/servicetokens/python:{_hash(ARTIFACTS['python-root'].key, _text('python-image.sh'))}"


def main() -> int:
    """Make what the engine lacks; the exit status."""
    progress = Progress(sys.stderr)
    try:
        for name, make in ((node_image(), _make_node), (python_image(), _make_python)):
            if not _exists(name):
                with progress.step(name):
                    make(name)
            _remove_others(name)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{error}\n{error.stdout or ''}{error.stderr or ''}")
        return 1
    return 0


def _make_node(name: str) -> None:
    node = ARTIFACTS["node"].directory
    with ScratchDirectory() as scratch:
        root = scratch.path / "root"
        root.mkdir()
        _run("tar", "-C", root, "-xf", ARTIFACTS["node-root"].directory / "root.tar")
        images = archives.write_all(node, build.find(), root, scratch.path)
        _run(HERE / "node-image.sh", root, node, build.find(), images, name)


def _make_python(name: str) -> None:
    _run(HERE / "python-image.sh", ARTIFACTS["python-root"].directory / "root.tar", name)


def _exists(name: str) -> bool:
    done = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    return done.returncode == 0


def _remove_others(name: str) -> None:
    """Remove what was made of other versions; what a container uses stays."""
    repository = name.rpartition(":")[0]
    command = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    for other in set(found) - {name}:
        subprocess.run(["docker", "image", "rm", other], capture_output=True, check=False)


def _run(*command: str | Path) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS, cwd=ROOT)


def _text(name: str) -> str:
    return (HERE / name).read_text()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())
