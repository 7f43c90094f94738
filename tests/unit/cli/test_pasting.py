"""What people paste for a token or its public id: with quotes, headers and encodings around it."""

import base64

import click
import pytest

from servicetokens.cli.pasting import PublicId, what_is_around
from servicetokens.tokens.format import assemble

TOKEN = assemble("svt", "0123456789AB", bytes(range(32))).reveal()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"Bearer {TOKEN}", "leave out the name of the header"),
        (f"Authorization: Bearer {TOKEN}", "leave out the name of the header"),
        (f'"{TOKEN}"', "leave out the quotation marks"),
        (f"\N{LEFT DOUBLE QUOTATION MARK}{TOKEN}\N{RIGHT DOUBLE QUOTATION MARK}", "the quotation marks"),
        (f"\ufeff{TOKEN}", "the byte order mark"),
        (f"export TOKEN='{TOKEN}'", "what is before the value, the quotation marks"),
        (f"  token: {base64.b64encode(TOKEN.encode()).decode()}", "what is before the value, the base64"),
        (f"{TOKEN[:40]}\n{TOKEN[40:]}", "the line breaks"),
        (f"{TOKEN},", "the character behind it"),
    ],
)
def test_what_is_around_a_token_is_named(text: str, said: str) -> None:
    """And nothing of the token is quoted."""
    told = what_is_around(text)
    assert said in told
    assert TOKEN[20:30] not in told


@pytest.mark.parametrize("text", ["", "hello", TOKEN, TOKEN[:-1], "Bearer hunter2", "=" * 4000, "aGVsbG8="])
def test_nothing_is_said_where_there_is_no_token_inside(text: str) -> None:
    """Nor of a token alone."""
    assert what_is_around(text) == ""


@pytest.mark.parametrize(
    "text",
    ["0123456789AB", "svt_0123456789AB", "svt_0123456789AB_…", "svt_0123456789AB_...", f" {TOKEN}\n"],
)
def test_a_public_id_is_taken_as_it_is_shown(text: str) -> None:
    """Alone, with its prefix, with the dots of what is hidden, or as the whole token."""
    assert PublicId().convert(text, None, None) == "0123456789AB"


@pytest.mark.parametrize("text", ["svt_9876", "9876543210ABC", TOKEN[:-1], "svt_FF…_"])
def test_an_invalid_public_id_is_rejected_without_quoting_it(text: str) -> None:
    """It may be most of a token."""
    with pytest.raises(click.BadParameter, match="12 letters and digits") as caught:
        PublicId().convert(text, None, None)
    assert text not in caught.value.message
    assert PublicId().convert("", None, None) == ""
