"""Foreign text as a terminal gets it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicetokens.runtime.terminal import escape_controls, one_line


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("orders-api release job; ask #team-a", "orders-api release job; ask #team-a"),
        ("Größe 10\u00a0000 \u6f22\u5b57 \U0001f680", "Größe 10\u00a0000 \u6f22\u5b57 \U0001f680"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b]52;c;ZXZpbA==\x1b\\", "\\x1b]52;c;ZXZpbA==\\x1b\\"),
        ("\x9b31mred", r"\x9b31mred"),
        ("a\nState: Active", r"a\nState: Active"),
        ("a\rb\tc\x00d\x7fe\x85f", r"a\rb\tc\x00d\x7fe\x85f"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("safe \u202egnorw\u2066\u2069\u061c", r"safe \u202egnorw\u2066\u2069\u061c"),
        ("ad\u200bmin\ufeff\U000e0041", r"ad\u200bmin\ufeff\U000e0041"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_an_escape(foreign: str, shown: str) -> None:
    """And what can be seen stays as it is."""
    assert escape_controls(foreign) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_nothing_is_left_that_a_terminal_interprets(text: str) -> None:
    """Whatever the text: it can be encoded, has one line, and escaping it again changes nothing."""
    shown = escape_controls(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    assert escape_controls(shown) == shown
    shown.encode()


def test_lines_can_be_kept() -> None:
    """For text of several lines that stands indented below what is ours."""
    assert escape_controls("a\n\x1b[2Kb", keep="\n") == "a\n\\x1b[2Kb"


def test_foreign_details_are_cut_and_stay_on_one_line() -> None:
    """A server may answer with a page, or with what would begin a line of its own."""
    assert one_line("a\r\nb\x1b[0m" + "x" * 1000) == "a  b [0m" + "x" * 192
