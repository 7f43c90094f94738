"""Directories of killed runs do not pile up."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from controlplane.scratch import ScratchDirectory

HACK = Path(__file__).parents[3] / "hack"
OWNER = """
import time
from controlplane.scratch import ScratchDirectory
print(ScratchDirectory().path, flush=True)
time.sleep(300)
"""


@pytest.fixture(autouse=True)
def temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of our own, so that no test meddles with a running cluster."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_private_and_goes_away() -> None:
    """Only the current user may enter; removing takes the content along and may be repeated."""
    with ScratchDirectory() as scratch:
        assert scratch.path.stat().st_mode & 0o777 == 0o700
        (scratch.path / "data").write_text("x")
    assert not scratch.path.exists()
    scratch.remove()


def test_directories_in_use_are_not_removed() -> None:
    """A directory whose owner lives stays when others are made."""
    with ScratchDirectory() as one, ScratchDirectory() as two:
        assert one.path.exists()
        assert two.path.exists()


def test_the_directory_of_a_killed_owner_is_removed_by_the_next(tmp_path: Path) -> None:
    """What a killed process left is removed when the next directory has been made; what is not ours stays."""
    (tmp_path / "servicetokens-notes").mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HACK), "TMPDIR": str(tmp_path)},
    )
    assert owner.stdout is not None
    with owner.stdout as said:
        abandoned = Path(said.readline().strip())
    with ScratchDirectory():
        assert abandoned.exists()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with ScratchDirectory():
        assert not abandoned.exists()
    assert (tmp_path / "servicetokens-notes").exists()
