"""Tokens in any text."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicetokens.cli import leaks
from servicetokens.tokens.format import Token, assemble

PARTS = st.tuples(
    st.from_regex(r"[a-z][a-z0-9]{1,9}", fullmatch=True),
    st.text("0123456789ABCDEFabcdef", min_size=12, max_size=12),
    st.binary(min_size=32, max_size=32),
)
TOKEN = assemble("svt", "0123456789AB", b"x" * 32)


@given(
    PARTS,
    st.sampled_from(
        [
            "{}",
            '"{}"',
            "Bearer {}",
            "TOKEN={}",
            "a_{}",
            "https://x/?t={}&u=1",
            "`{}`,",
            "<{}>",
            "{}\\n",
            "a\\n{}",
            "?t=%20{}%20",
        ]
    ),
)
def test_a_token_is_found_wherever_it_stands(parts: tuple[str, str, bytes], around: str) -> None:
    """Whatever its prefix, whatever stands around it."""
    token = assemble(*parts)
    (found,) = leaks.find(["nothing", around.format(token.reveal())])
    assert (found.token, found.lines) == (token, (2,))


@given(PARTS, st.sampled_from(["", "Bearer ", "user:"]))
def test_a_token_is_found_in_base64(parts: tuple[str, str, bytes], before: str) -> None:
    """As in the data of a Secret, with either alphabet, with and without padding."""
    token = assemble(*parts)
    plain = (before + token.reveal()).encode()
    for coded in (
        base64.b64encode(plain),
        base64.urlsafe_b64encode(plain),
        base64.b64encode(plain).rstrip(b"="),
    ):
        assert [one.token for one in leaks.find([f"  token: {coded.decode()}"])] == [token]


def test_a_token_is_told_once_with_all_its_lines() -> None:
    """Also when it stands twice on one."""
    text = TOKEN.reveal()
    assert leaks.find([text, "", f"{text} {text}"]) == [leaks.Sighting(TOKEN, (1, 3))]


@pytest.mark.parametrize(
    "text",
    [
        repr(TOKEN),
        TOKEN.reveal()[:-1],
        TOKEN.reveal() + "a",
        TOKEN.reveal()[:-1] + ("a" if TOKEN.reveal()[-1] != "a" else "b"),
        "x" + TOKEN.reveal()[1:],
        "A" * 5000,
        "=" * 200,
        "é" * 100,
    ],
)
def test_what_looks_like_one_is_none(text: str) -> None:
    """The checksum decides."""
    assert leaks.find([text]) == []


def test_sightings_do_not_print_the_token() -> None:
    """They end up in tables and in error messages."""
    assert isinstance(TOKEN, Token)
    assert TOKEN.reveal() not in repr(leaks.find([TOKEN.reveal()]))
