"""The report as data: stable fields, everything included, and nothing that a spreadsheet or terminal would act on."""

import csv
import io
import json
import re
from typing import Any

import pytest

from common.builders.reported import NOW, VERIFIER, account, demo, inventory, many, token
from common.repository import ROOT
from servicetokens.api.values import format_time
from servicetokens.cli.reporting.data import FIELDS, as_csv, as_json
from servicetokens.cli.reporting.inventory import Inventory

PASTED = "svt_0123456789AB_" + "003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1", "＝1")  # noqa: RUF001


def rows(found: Inventory) -> list[dict[str, str]]:
    """Return the rows of the CSV, by the names of the first one."""
    return list(csv.DictReader(io.StringIO(as_csv(found), newline="")))


def document(found: Inventory) -> dict[str, Any]:
    """Return the JSON, decoded."""
    read = json.loads(as_json(found))
    assert isinstance(read, dict)
    return read


def test_csv_and_json_have_every_token_with_the_same_values() -> None:
    """Of a demonstration and of five thousand; what is null in JSON is empty in CSV."""
    for found in (demo(), many(5000)):
        tokens = document(found)["tokens"]
        assert len(tokens) == len(found.tokens)
        as_text = [
            {
                name: str(value).lower() if isinstance(value, bool) else value or ""
                for name, value in one.items()
            }
            for one in tokens
        ]
        assert rows(found) == as_text


def test_the_fields_are_those_of_the_page() -> None:
    """Their names are stable, so that the page for users has each of them, and no other."""
    page = (ROOT / "docs/guides/report.md").read_text()
    table = page.split("| field | has |")[1].split("\n\n")[0]
    documented = [
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1:2][0] if "|" in line else "")
    ]
    assert documented == list(FIELDS)
    assert as_csv(demo()).splitlines()[0] == ",".join(FIELDS)
    for name in document(demo()) | document(demo())["accounts"][0]:
        assert f"`{name}`" in page


def test_a_token_is_shown_with_its_times() -> None:
    """In RFC 3339; what does not exist is null."""
    found = inventory([account("a", "b")], [token("a", "b", "c", ends=20, rotates=10, used=None, overlap=1)])
    (one,) = document(found)["tokens"]
    assert (one["namespace"], one["name"], one["account"]) == ("a", "c", "b")
    assert (one["state"], one["valid"]) == ("Valid", True)
    assert one["expirationTime"] == format_time(NOW + 20 * 86400)
    assert one["nextRotationTime"] == format_time(NOW + 10 * 86400)
    assert one["overlapEndTime"] == format_time(NOW + 86400)
    assert (one["lastUsedTime"], one["revocationTime"], one["stalled"]) == (None, None, None)


def test_there_is_no_overlap_before_the_delivery() -> None:
    """The credential in the Secret has its own end while the next one waits."""
    waiting = inventory([account("a", "b")], [token("a", "b", "c", waits_for_delivery=True)])
    assert document(waiting)["tokens"][0]["overlapEndTime"] is None


def test_accounts_that_only_tokens_name_are_marked() -> None:
    """And objects that cannot be read are counted."""
    found = inventory([account("a", "b", state="Suspended")], [token("a", "lost", "c")])
    found.add_token(b'{"metadata": {"name": 7}, "spec": {}}')
    read = document(found)
    assert {one["name"]: (one["exists"], one["suspended"], one["tokens"]) for one in read["accounts"]} == {
        "b": (True, True, 0),
        "lost": (False, False, 1),
    }
    assert read["unreadable"] == 1
    assert read["generatedTime"] == format_time(NOW)


@pytest.mark.parametrize("text", FORMULAS, ids=repr)
def test_no_spreadsheet_takes_a_text_for_a_formula(text: str) -> None:
    """Wherever people may write; JSON has the text as it is."""
    found = inventory(
        [account("a", "b")], [token("a", text, "c", description=text, stalled=text, reason=text)]
    )
    (row,) = rows(found)
    for name in ("description", "stalled", "revocationReason", "account"):
        assert not row[name].lstrip().startswith(tuple("=+-@\t\r\n＝＋－＠")), row[name]  # noqa: RUF001
    assert document(found)["tokens"][0]["description"].endswith(text[-2:])


def test_neither_a_verifier_nor_a_pasted_token_nor_a_control_character_is_in_it() -> None:
    """A user may have put a token into a description, or what a terminal would obey."""
    found = inventory(
        [account("a", "b", description=f"use {PASTED}", roles=["x\x1b[31m"])],
        [token("a", "b", "c", description=f"{PASTED} \x1b]0;title\x07 \u202e", stalled=PASTED, ends=3)],
    )
    for text in (as_csv(found), as_json(found)):
        assert VERIFIER not in text
        assert PASTED.split("_")[2] not in text
        assert "svt_0123456789AB_…" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
