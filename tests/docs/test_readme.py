"""The README's session works, word for word, against a real API server, operator and validator."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.waiting import patient
from demo.screen import Screen
from demo.stage import ROOT, Stage

SESSION = re.compile(r"## Apply, use, revoke\n.*?```sh\n(.*?)```", re.DOTALL)
VERDICTS = re.compile(r"^\d{3}$", re.MULTILINE)


@pytest.mark.timeout(180)
def test_the_session_in_the_readme(binaries: Path) -> None:
    """Applied, the token is accepted; revoked, it is refused; restored, the very same one is accepted."""
    session = SESSION.search((ROOT / "README.md").read_text())
    assert session is not None
    with Stage(Screen(), binaries) as stage:
        stage.shell.export({"VALIDATOR": stage.forward_auth})
        output = stage.shell.read(f"set -eu\n{session[1]}")
    assert VERDICTS.findall(output) == ["200", "401", "200"]


@pytest.mark.timeout(300)
def test_the_demo_ends_by_itself(binaries: Path) -> None:
    """`make demo ARGS=--once` tells its story to the end, in plain text when piped, and shows no token."""
    told = subprocess.run(
        [sys.executable, "-m", "demo", "--once"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "tests"), "KUBEBUILDER_ASSETS": str(binaries)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patient(240),
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    assert "\x1b" not in told.stdout
    assert re.search(r"svt_[0-9A-Za-z]{12}_…", told.stdout)
    assert not re.search(r"svt_[0-9A-Za-z]{12}_[0-9A-Za-z]", told.stdout)
