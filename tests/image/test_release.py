"""What a release is made of, and the workflows that make it."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from common.drivers.helm import TOOLS
from common.repository import ROOT
from controlplane.waiting import patient
from servicetokens import __version__

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TARGET = re.compile(r"make ([a-z0-9 =-]+)")


def test_the_workflows_are_well_formed() -> None:
    """By actionlint: expressions, contexts, inputs of actions that it knows."""
    done = subprocess.run(
        [TOOLS / "actionlint", "-shellcheck=", "-pyflakes=", *WORKFLOWS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_runs_what_is_there(workflow: Path) -> None:
    """Writing is granted to single jobs, never to pull requests; every target of make exists."""
    text = workflow.read_text()
    parsed = yaml.safe_load(text)
    assert parsed["permissions"] == {"contents": "read"}
    # YAML 1.1 takes the word for a truth value.
    triggers = parsed[True]
    writes = [job for job in parsed["jobs"].values() if "write" in job.get("permissions", {}).values()]
    assert not writes or "pull_request" not in triggers
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in TARGET.findall(text):
        assert {word for word in line.split() if "=" not in word} <= set(targets), line


def test_a_release_is_the_same_bytes_each_time() -> None:
    """Wheel, chart and bill of materials of one commit; the chart's version is the package's."""
    found = [release() for _ in range(2)]
    assert found[0] == found[1]
    assert set(found[0]) == {
        f"servicetokens-{__version__}-py3-none-any.whl",
        f"servicetokens-{__version__}.tgz",
        "servicetokens.cdx.json",
    }


def release() -> dict[str, str]:
    """Return the hash of each file that `make dist` writes."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    subprocess.run(["make", "dist"], cwd=ROOT, check=True, capture_output=True, timeout=patient(100))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "dist").iterdir()}
