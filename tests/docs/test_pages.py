"""What the pages and the Makefile promise can be found where they say."""

import operator
import re
from pathlib import Path

import pytest

from common.clock import FakeClock
from common.presenting import Surroundings
from servicetokens.api.conditions import ConditionType, Reason
from servicetokens.validator.metrics import Tally, UsageNumbers, ValidatorCollector

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
STATE = re.compile(r"^\s+state:", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of every page names an existing file or folder."""
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert broken == []


def test_every_condition_and_reason_is_explained() -> None:
    """docs/conditions.md names every condition type and every reason that the code knows."""
    page = (ROOT / "docs" / "conditions.md").read_text()
    unexplained = [word for word in [*ConditionType, *Reason] if f"`{word}`" not in page]
    assert unexplained == []


def test_every_metric_of_the_validator_is_explained() -> None:
    """docs/operations.md names those that are served, and no other."""
    served = set()
    index, clock = Surroundings().index, FakeClock()
    collector = ValidatorCollector(
        [Tally("x")],
        index,
        clock,
        usage=lambda: UsageNumbers(0, 0, 0),
        certificate_end=lambda: 1.0,
        connections=lambda: {"x": 0},
    )
    for metric in collector.collect():
        served |= {sample.name for sample in metric.samples}
    page = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"`(servicetokens_[a-z_]+)`", page)) == served


def test_every_make_target_is_documented() -> None:
    """A target without a `##` comment would be missing from `make help`."""
    makefile = (ROOT / "Makefile").read_text()
    declared = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert declared == documented


def test_the_folder_operator_does_not_shadow_the_standard_library() -> None:
    """operator/ is a source root without __init__.py, so `import operator` is the standard library's."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert operator.__name__ == "operator"
    assert hasattr(operator, "attrgetter")


def test_ready_made_manifests_leave_state_out() -> None:
    """`state: Active` in Git would undo an emergency patch to Revoked; our samples must not teach it."""
    samples = sorted((ROOT / "examples").glob("*.yaml"))
    assert samples
    assert [
        sample.name for sample in samples if re.search(r"^\s+state:", sample.read_text(), re.MULTILINE)
    ] == []
