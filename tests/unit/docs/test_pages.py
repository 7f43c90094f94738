"""What the pages and the Makefile promise can be found where they say."""

import ast
import operator
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from common.drivers.runbook import Runbook
from common.drivers.walkthrough import TEST, is_written
from common.repository import ROOT
from pages import metrics
from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import REJECTIONS, Reason
from servicetokens.policy.acceptance import CHECKS

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charts/**/*.md")])
STATE = re.compile(r"^\s+state:", re.MULTILINE)
# A Deployment, of which kubectl reads one pod, or a selector.
LOGS = re.compile(r"kubectl -n servicetokens logs (?:-l (?P<label>\S+)=(?P<value>\S+)|(?P<other>\S+))")
# As in "p50 1.4 ms, p99 2.5 ms".
QUANTITY = re.compile(r"[\d.,]+ m?s\b")
METRIC = re.compile(r"`(servicetokens_[a-z_]+)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of every page names an existing file or folder."""
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert broken == []


def test_every_condition_and_reason_is_explained() -> None:
    """docs/reference/conditions.md names every condition type, and every reason that a condition may have."""
    page = (ROOT / "docs" / "reference" / "conditions.md").read_text()
    only_validators = {*REJECTIONS} - {reason for reason, _ in CHECKS} | {Reason.UNREADABLE}
    words = [*ConditionType, *(reason for reason in Reason if reason not in only_validators)]
    unexplained = [word for word in words if f"`{word}`" not in page]
    assert unexplained == []


def test_the_pages_speak_of_metrics_that_are_served() -> None:
    """Each name on any page is that of a metric; the page of metrics is generated."""
    served = {one.name for one in (*metrics.of_operator(), *metrics.of_validator())}
    named = {name for page in PAGES for name in METRIC.findall(page.read_text())}
    assert named - served == set()


def test_a_test_that_a_page_names_is_there() -> None:
    """What a page says to be shown by a test is: security.md has one or more for each threat."""
    named = {match[0] for page in PAGES for match in TEST.finditer(page.read_text())}
    assert [name for name in sorted(named) if not is_written(name)] == []
    rows = re.findall(r"^\| T\d+ .*$", (ROOT / "docs" / "concepts" / "security.md").read_text(), re.MULTILINE)
    assert rows
    assert [row for row in rows if not TEST.search(row)] == []


def test_every_alert_has_its_line_and_its_page() -> None:
    """docs/guides/monitoring.md says of each what to do; the pages that alerts name exist."""
    alerts = (ROOT / "charts" / "servicetokens" / "files" / "alerts.yaml").read_text()
    page = (ROOT / "docs" / "guides" / "monitoring.md").read_text()
    names = re.findall(r"^ *- alert: (\w+)$", alerts, re.MULTILINE)
    assert names
    assert [name for name in names if f"`{name}`" not in page] == []
    pages = re.findall(r"docs/[\w/-]+\.md", alerts)
    assert pages
    assert [one for one in pages if not (ROOT / one).is_file()] == []


def test_logs_are_read_of_all_pods() -> None:
    """`kubectl logs deployment/NAME` reads one pod of several, in which the line may be missing."""
    manager = yaml.safe_load_all((ROOT / "config" / "manager" / "manager.yaml").read_text())
    labels = [
        part["spec"]["template"]["metadata"]["labels"] for part in manager if part["kind"] == "Deployment"
    ]
    found = [match for page in PAGES for match in LOGS.finditer(page.read_text())]
    assert found
    for match in found:
        assert match["other"] is None, f"{match[0]}: one pod"
        assert any(pod.get(match["label"]) == match["value"] for pod in labels), match[0]
        assert "--tail=-1" in match.string[match.end() :][:20], f"{match[0]}: ten lines of each pod are shown"


def test_times_of_a_revocation_are_those_of_the_benchmarks() -> None:
    """Rows that name the benchmarks as their source have no other numbers than their page."""
    pages = ROOT / "docs" / "concepts"
    measured = (pages / "benchmarks.md").read_text()
    rows = (pages / "revocation-latency.md").read_text().splitlines()
    found = [time for row in rows if "](benchmarks.md#" in row for time in QUANTITY.findall(row)]
    assert len(found) >= 4
    assert [time for time in found if f" {time}" not in measured] == []


def test_every_make_target_is_documented() -> None:
    """A target without a `##` comment would be missing from `make help`."""
    makefile = (ROOT / "Makefile").read_text()
    declared = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    documented = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
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


def test_every_step_of_a_runbook_is_taken_by_a_test() -> None:
    """What is to be typed in an incident has been typed before, word for word."""
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "integration").glob("**/test_*.py"))
    pages = sorted((ROOT / "docs" / "guides" / "runbooks").glob("*.md"))
    assert pages
    untried = [
        (page.stem, section)
        for page in pages
        for section in Runbook(page.stem).sections
        if f'Runbook("{page.stem}")' not in tests or f'"{section}"' not in tests
    ]
    assert untried == []


def test_no_test_is_named_after_a_row_of_another_document() -> None:
    """A name says what the product does; a number is useless to a reader who does not have that document."""
    numbered = [
        name
        for path in (ROOT / "tests").glob("**/test_*.py")
        for name in re.findall(r"\bdef (test_(?:row_|case_|[a-z]{0,2})\d+_\w+)", path.read_text())
        if not name.startswith("test_http2_")
    ]
    assert numbered == []


def test_the_page_about_the_architecture_has_a_row_for_every_package() -> None:
    """And none for a package that does not exist."""
    page = (ROOT / "docs" / "concepts" / "architecture.md").read_text()
    table = page.partition("\n## Packages\n")[2].partition("\n## ")[0]
    packages = {path.parent.name for path in (ROOT / "operator" / "servicetokens").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == packages


def test_a_token_is_read_into_four_shapes_at_most() -> None:
    """The table on the page about the architecture names the file of each, which says why it exists."""
    page = (ROOT / "docs" / "concepts" / "architecture.md").read_text()
    table = page.partition("\n## How a ServiceToken is read\n")[2].partition("\n## ")[0]
    files = re.findall(r"^\| \w+, \[[^]]+\]\(\.\./\.\./([^)]+)\)", table, re.MULTILINE)
    assert 0 < len(files) <= 4
    for name in files:
        docstring = ast.get_docstring(ast.parse((ROOT / name).read_text())) or ""
        assert "shape of a token" in docstring, name


def test_contributors_read_the_layers_that_are_checked() -> None:
    """CONTRIBUTING and the page about the architecture name those of each contract about layers, in its order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    checked = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert len(checked) >= 2
    for page in (ROOT / "CONTRIBUTING.md", ROOT / "docs" / "concepts" / "architecture.md"):
        text = " ".join(page.read_text().split())
        for layers in checked:
            assert " → ".join(f"`{layer}`" for layer in layers) in text, page
