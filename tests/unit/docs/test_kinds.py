"""One page per kind, all in one skeleton, and nothing about a field that the API server would not say."""

import re

import pytest

from common.drivers.walkthrough import blocks
from pages import events, fields
from servicetokens.api.reasons import Reason
from servicetokens.crdgen.kinds import KINDS, Kind

SKELETON = ["Example", "Writing a spec", "Working with it", "Status and conditions", "Debugging"]
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
NAMED = re.compile(r"`([A-Z][A-Za-z]+)`")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_page_follows_the_skeleton(kind: Kind) -> None:
    """The same headings in the same order; under each but the status something is typed."""
    text = fields.page_of(kind).read_text()
    assert text.startswith(f"# {kind.kind}\n")
    assert HEADING.findall(text) == SKELETON
    sections = dict(zip(SKELETON, HEADING.split(text)[2::2], strict=True))
    for title in ("Example", "Working with it", "Debugging"):
        assert blocks(sections[title]), title
    assert f"kind: {kind.kind}\n" in sections["Example"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_is_in_a_table(kind: Kind) -> None:
    """With the description of the model, which `kubectl explain` shows as well."""
    text = fields.page_of(kind).read_text()
    for part in ("spec", "status"):
        found = fields.fields(kind, part)
        assert found
        assert [one.path for one in found if not one.text] == []
        assert [one.path for one in found if f"| `{one.path.removeprefix(f'{part}.')}` |" not in text] == []


def test_there_are_no_other_kinds() -> None:
    """Every page of the folder is that of a kind."""
    assert {fields.page_of(kind) for kind in KINDS} == set(fields.FOLDER.glob("*.md"))


def test_every_event_of_the_design_is_sent_and_explained() -> None:
    """What the code sends is found in the code: those from tables, and those that are written out."""
    found = {one.reason for one in events.sent()}
    assert {"TokenRotated", "TokenReminted", "TokenRevoked", "TokenRestored", "TokenExpired"} <= found
    assert found & set(Reason) >= {"AccountNotFound", "SecretConflict", "KeyMissing"}
    text = events.PAGE.read_text()
    assert [reason for reason in sorted(found) if f"| `{reason}` |" not in text] == []
