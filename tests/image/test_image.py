"""What the image holds, put together in a folder by the script that its Dockerfile runs."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.drivers.image import DOCKERFILE, assemble, declared
from common.repository import ROOT
from controlplane.waiting import patient
from pages import licences
from servicetokens import __version__

# The first test waits for pip to fetch and unpack everything, perhaps on a busy machine.
pytestmark = pytest.mark.timeout(1000)
IGNORED = (ROOT / ".dockerignore").read_text()


def run(app: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as the image does: nothing but Python and the folder."""
    return subprocess.run(
        [sys.executable, "-s", "-m", "servicetokens", *arguments],
        env={"PYTHONPATH": str(app)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )


def test_the_program_runs_from_the_folder(app: Path) -> None:
    """All commands, with the wheel's own code and the pinned libraries."""
    assert run(app, "--version").stdout == f"{__version__}\n"
    for name in ("operator", "validator", "keys", "report", "smoke-test", "crds"):
        done = run(app, name, "--help")
        assert done.returncode == 0, done.stderr
    code = "import servicetokens, grpc, kopf; print(servicetokens.__file__, grpc.__file__, kopf.__file__)"
    where = subprocess.run(
        [sys.executable, "-s", "-c", code],
        env={"PYTHONPATH": str(app)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert all(path.startswith(f"{app}/") for path in where)


def test_it_holds_what_is_pinned_and_no_tests(app: Path) -> None:
    """Versions as in requirements/runtime.txt, our wheel, and nothing of this tree but the package."""
    pinned = licences.pinned()
    found = {}
    for path in app.glob("*.dist-info/METADATA"):
        text = path.read_text()
        name, version = (
            re.findall(rf"^{field}: (.*)$", text, re.MULTILINE)[0] for field in ("Name", "Version")
        )
        found[licences.normalised(name)] = version
    assert found.pop("servicetokens") == __version__
    assert found == {name: pinned[name] for name in found}
    assert {"aiohttp", "kopf", "grpcio", "pydantic"} <= set(found)
    assert (app / "servicetokens" / "cli" / "reporting" / "report.css").exists()
    assert not (app / "tests").exists()
    assert not (app / "hack").exists()
    assert not (app / "bin").exists()


def test_the_same_tree_gives_the_same_bytes(app: Path, tmp_path: Path) -> None:
    """Also in another folder, at another time; files and folders have the same times."""
    assert digests(assemble(tmp_path / "again")) == digests(app)


def digests(directory: Path) -> dict[str, tuple[int, str]]:
    """Return time and hash of every file, and the time of every folder, *directory* included."""
    return {
        str(path.relative_to(directory)): (
            int(path.stat().st_mtime),
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in (directory, *sorted(directory.rglob("*")))
    }


def test_the_dockerfile_copies_what_the_script_needs_and_runs_without_root() -> None:
    """What is copied is let through by .dockerignore; the last user is the one that the chart runs."""
    copied = {
        name
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert copied == {line[1:] for line in IGNORED.splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)
    image = declared()
    assert (image.entrypoint, image.user) == (("python", "-m", "servicetokens"), 65532)
    assert image.environment["PYTHONPATH"] == "/app"
    assert "RUN operator/assemble.sh /image/app" in DOCKERFILE
    # A folder that COPY creates has the time of the build, and each build would be another layer.
    assert re.findall(r"^COPY --from=.*$", DOCKERFILE, re.MULTILINE) == ["COPY --from=build /image /"]
