"""The README: its session works, word for word, its YAML is accepted, and it stays short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from common.drivers.walkthrough import agrees, walk
from controlplane.waiting import patient
from demo.stage import ROOT
from docs.conftest import Place

README = ROOT / "README.md"
MOST_LINKS = 15
# A screen has about sixty; a screen and a half are enough for a first look.
MOST_LINES = 90


@pytest.mark.timeout(300)
def test_the_session_in_the_readme(place: Place, tmp_path: Path) -> None:
    """Applied, the token is in its Secret and accepted; revoked, it is rejected."""
    place.begin(with_examples=False)
    followed = walk(README, ROOT, place.environment(tmp_path))
    assert [block.shown != "" for block, _ in followed] == [True]
    assert [printed for block, printed in followed if not agrees(block.shown, printed)] == []


def test_the_token_in_the_readme_is_accepted(place: Place) -> None:
    """The API server takes the example as it is printed, which is not longer than eight lines."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(example.splitlines()) <= 8
    token = yaml.safe_load(example)
    place.begin(with_examples=True)
    place.world.client.request("DELETE", place.world.path("servicetokens", "team-a", "ci-prod"))
    place.world.until(
        lambda: (
            place.world.client.request(
                "POST", place.world.path("servicetokens", "team-a") + "?dryRun=All", token
            ).ok
        ),
        "the example to be accepted",
    )


def test_the_readme_asks_for_few_decisions() -> None:
    """At most fifteen links on a screen and a half, so that what comes first is found."""
    text = README.read_text()
    assert len(re.findall(r"\]\(", text)) <= MOST_LINKS
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.timeout(300)
def test_the_demo_ends_without_interaction(binaries: Path) -> None:
    """`make demo ARGS=--once` tells its story to the end, in plain text when piped, and shows no token."""
    told = subprocess.run(
        [sys.executable, "-m", "demo", "--once"],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT}/hack:{ROOT}/tests",
            "KUBEBUILDER_ASSETS": str(binaries),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patient(240),
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    steps = re.findall(r"^(\d+)\. .+\n   Proves: .+$", told.stdout, re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert len(steps) == len(re.findall(r"^\d+\. ", told.stdout, re.MULTILINE))
    assert "Kubernetes binaries: from $KUBEBUILDER_ASSETS" in told.stdout
    assert "\x1b" not in told.stdout
    assert re.search(r"svt_[0-9A-Za-z]{12}_…", told.stdout)
    assert not re.search(r"svt_[0-9A-Za-z]{12}_[0-9A-Za-z]", told.stdout)
