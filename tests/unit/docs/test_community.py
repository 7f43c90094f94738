"""Files for people who take part: forms for issues that the host accepts, and links that lead somewhere."""

import re
from pathlib import Path

import pytest
import yaml

from common.repository import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


@pytest.mark.parametrize(
    "form", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem
)
def test_a_form_has_what_the_host_demands(form: Path) -> None:
    """A name, a description, and fields of known kinds with labels and unique ids."""
    text = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= set(text)
    fields = [field for field in text["body"] if field["type"] != "markdown"]
    assert fields
    assert {field["type"] for field in text["body"]} <= KINDS
    assert all(field["attributes"]["label"] for field in fields)
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids))


def test_the_forms_that_support_names_exist() -> None:
    """SUPPORT.md sends people to forms by their names."""
    names = {yaml.safe_load(form.read_text()).get("name") for form in FORMS}
    named = set(re.findall(r'form\s+"(\w+)"', (ROOT / "SUPPORT.md").read_text()))
    assert named
    assert named <= names


def test_files_that_a_form_names_exist() -> None:
    """Paths in the texts of the forms."""
    named = {path for form in FORMS for path in re.findall(r"\b[\w/]+\.md\b", form.read_text())}
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []
