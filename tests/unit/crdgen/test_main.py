"""The two commands: print the CRDs, and keep the files up to date."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from servicetokens.crdgen.main import command, generate
from servicetokens.crdgen.render import files, stream

RUNNER = CliRunner()


def test_print() -> None:
    """`servicetokens crds` prints exactly the stream, for a pipe into kubectl."""
    result = RUNNER.invoke(command, [])

    assert result.exit_code == 0
    assert result.stdout == stream()


def test_write(tmp_path: Path) -> None:
    """The files are written, and a second run has nothing to change."""
    directory = tmp_path / "new" / "crds"

    assert RUNNER.invoke(generate, ["--directory", str(directory)]).exit_code == 0
    assert {path.name: path.read_text() for path in directory.iterdir()} == files()
    assert RUNNER.invoke(generate, ["--directory", str(directory), "--check"]).exit_code == 0


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None], ids=["empty", "no text", "missing"])
def test_check(tmp_path: Path, content: bytes | None) -> None:
    """`--check` names the file that is out of date and the command that mends it, and writes nothing."""
    RUNNER.invoke(generate, ["--directory", str(tmp_path)])
    stale = tmp_path / "servicetokens.yaml"
    stale.unlink()
    if content is not None:
        stale.write_bytes(content)

    result = RUNNER.invoke(generate, ["--directory", str(tmp_path), "--check"])

    assert result.exit_code == 1
    assert result.stderr == f"Error: out of date: {stale}; run `make generate`\n"
    assert stale.exists() is (content is not None)


def test_as_a_module() -> None:
    """`python -m servicetokens.crdgen --check` is what the Makefile runs; the committed files pass."""
    root = Path(__file__).parents[3]

    done = subprocess.run(
        [sys.executable, "-m", "servicetokens.crdgen", "--check"],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A path below a file is one clear line, and no traceback."""
    blocker = tmp_path / "file"
    blocker.touch()

    result = RUNNER.invoke(generate, ["--directory", str(blocker / "crds")])

    assert result.exit_code == 1
    assert result.stderr == f"Error: cannot write {blocker / 'crds'}: Not a directory\n"
