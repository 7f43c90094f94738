"""The benchmarks run to their end. What they measure here means nothing: the numbers are far too small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.repository import ROOT
from controlplane.waiting import patient


def measured(binaries: Path, module: str, *sizes: str) -> str:
    """Run a benchmark with tiny numbers, and return what it prints."""
    finished = subprocess.run(
        [sys.executable, "-m", module, *sizes],
        env=os.environ | {"PYTHONPATH": f"{ROOT}/hack:{ROOT}/tests", "KUBEBUILDER_ASSETS": str(binaries)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patient(240),
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.timeout(300)
def test_every_row_is_measured(binaries: Path) -> None:
    """Every section is printed, with its goals, and the exit status is zero."""
    sizes = ["--stored=40", "--applied=20", "--rounds=1", "--seconds=0.2", "--revocations=3", "--megabytes=1"]
    sizes.append("--refusals=20")
    printed = measured(binaries, "bench", *sizes)
    for row in (
        "API writes per token",
        "TokenReview, Go's cost",
        "access log, in units of zlib",
        "introspection, our cost",
        "start until right",
        "listed again",
        "apply -> Enforced, p99",
        "revoke, p99",
        "refuse an id in use",
        "kubectl-servicetoken --help",
    ):
        assert row in printed


@pytest.mark.timeout(300)
def test_every_row_of_the_scale_is_measured(binaries: Path) -> None:
    """The same for `make bench-scale`."""
    printed = measured(binaries, "bench.scale", "--first=30", "--all=100", "--some=10", "--rest=1")
    for row in (
        "share of the bare writer's rate",
        "writes of it",
        "in one second",
        "memory, 100",
        "in 1 s of rest",
    ):
        assert row in printed
