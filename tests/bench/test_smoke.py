"""The benchmarks run to their end. What they measure here means nothing: the numbers are far too small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_every_row_is_measured(binaries: Path) -> None:
    """With tiny numbers every section is printed, with its goals, and the exit status is zero."""
    sizes = ["--stored=40", "--applied=20", "--rounds=1", "--seconds=0.2", "--revocations=3"]
    finished = subprocess.run(
        [sys.executable, "-m", "bench", *sizes],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests"), "KUBEBUILDER_ASSETS": str(binaries)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    for row in (
        "API writes per token",
        "TokenReview, Go's cost",
        "introspection, our cost",
        "start until right",
        "listed again",
        "apply -> Enforced, p99",
        "revoke, p99",
    ):
        assert row in finished.stdout
