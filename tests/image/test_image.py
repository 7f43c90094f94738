"""What the image holds, put together in a folder by the script that its Dockerfile runs."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.world import ROOT
from controlplane.waiting import patient
from pages import licences
from servicetokens import __version__

ASSEMBLE = ROOT / "operator" / "assemble.sh"
DOCKERFILE = (ROOT / "operator" / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text()
# pip fetches and unpacks what the operator needs.
SECONDS = 110


def assemble(target: Path) -> Path:
    """Put everything into *target*."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(target.parent), "PYTHON": sys.executable}
    done = subprocess.run(
        [ASSEMBLE, target],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patient(SECONDS),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything."""
    return assemble(tmp_path_factory.mktemp("image") / "app")


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
    assert (app / "servicetokens" / "admin" / "report.css").exists()
    assert not (app / "tests").exists()
    assert not (app / "bin").exists()


def test_the_same_tree_gives_the_same_bytes(app: Path, tmp_path: Path) -> None:
    """Also in another folder, at another time."""
    assert digests(assemble(tmp_path / "again")) == digests(app)


def digests(directory: Path) -> dict[str, tuple[int, str]]:
    """Return time and hash of every file."""
    return {
        str(path.relative_to(directory)): (
            int(path.stat().st_mtime),
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_dockerfile_copies_what_the_script_needs_and_runs_as_nobody() -> None:
    """What is copied is let through by .dockerignore; the last user is the one that the chart runs."""
    copied = {
        name
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert copied == {line[1:] for line in IGNORED.splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["65532:65532"]
    assert "RUN operator/assemble.sh /app" in DOCKERFILE
    assert 'ENTRYPOINT ["python", "-m", "servicetokens"]' in DOCKERFILE
