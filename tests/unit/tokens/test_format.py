"""The text of a token: its vectors, its shape, and that it does not print itself."""

import copy
import logging
import pickle
import re
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.fakes.entropy import CountingEntropy
from servicetokens.tokens.format import (
    MalformedToken,
    Token,
    assemble,
    checksum,
    find_id,
    length_of,
    mint,
    parse,
    parse_any,
    pattern_of,
)

# The vector of the format: id 0123456789AB, secret = the bytes 0x00 to 0x1f.
TEXT = "svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"
SECRET_PART = "003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def fail(cause: object) -> None:
    """Raise an error about *cause*."""
    raise ValueError(cause)


def the_token() -> Token:
    """Return the token of the vector."""
    return assemble("svt", "0123456789AB", bytes(range(32)))


def test_the_vector_of_the_format() -> None:
    """Every implementation in any language gives this."""
    assert the_token().reveal() == TEXT
    assert checksum(TEXT[:-6]) == "2pvBGr"
    assert parse(TEXT, "svt") == the_token()


def test_any_prefix_is_read_where_people_paste_and_nothing_else_is_quoted() -> None:
    """They may have several installations; and what they pasted may be a password."""
    assert parse_any(TEXT) == the_token()
    other = assemble("acme", "0123456789AB", bytes(32))
    assert parse_any(other.reveal()) == other
    for text in ("correct horse", "Horse_0123456789AB_x", "horse7", "horse7_x", "", "_"):
        with pytest.raises(MalformedToken) as raised:
            parse_any(text)
        assert "orse" not in str(raised.value)


def test_the_checksum_is_githubs() -> None:
    """CRC32 in the same alphabet: `CRC32("zQWB...") = 714468973 -> "0mLq17"`."""
    assert checksum("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ") == "0mLq17"


@given(st.binary(min_size=32, max_size=32), st.text(alphabet=BASE62, min_size=12, max_size=12))
def test_every_token_has_the_same_shape_and_can_be_parsed(secret: bytes, token_id: str) -> None:
    """66 characters with the default prefix, whatever the secret; nothing is lost of it."""
    token = assemble("svt", token_id, secret)
    text = token.reveal()
    assert len(text) == length_of("svt") == 66
    assert find_id(text, "svt") == token_id
    assert parse(text, "svt") == token
    number = 0
    for digit in text[17:60]:
        number = number * 62 + BASE62.index(digit)
    assert number == int.from_bytes(secret, "big")


@given(st.integers(0, 65), st.sampled_from(BASE62 + "_-. "))
def test_any_single_changed_character_is_noticed(position: int, character: str) -> None:
    """By the shape, the prefix or the checksum."""
    changed = TEXT[:position] + character + TEXT[position + 1 :]
    if changed == TEXT:
        assert parse(changed, "svt") == the_token()
        return
    with pytest.raises(MalformedToken):
        parse(changed, "svt")


SHAPES = {
    "empty": "",
    "too short": TEXT[:-1],
    "too long": TEXT + "a",
    "another prefix": "abc" + TEXT[3:],
    "no underscore after the prefix": TEXT[:3] + "-" + TEXT[4:],
    "no underscore after the id": TEXT[:16] + "-" + TEXT[17:],
    "a dash in the id": TEXT[:6] + "-" + TEXT[7:],
    "an underscore in the secret": TEXT[:30] + "_" + TEXT[31:],
    "digits of another script": TEXT[:30] + "٣" + TEXT[31:],
    "a letter with an accent": TEXT[:30] + "é" + TEXT[31:],
    "a NUL": TEXT[:30] + "\0" + TEXT[31:],
    "a line break at the end": TEXT[:-1] + "\n",
    "a lone surrogate": TEXT[:30] + "\udc80" + TEXT[31:],
    "space around": " " + TEXT[:-1],
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_a_text_without_the_shape_of_a_token_has_no_id(text: str) -> None:
    """And the rejection does not quote it."""
    assert find_id(text, "svt") is None
    with pytest.raises(MalformedToken) as rejection:
        parse(text, "svt")
    assert SECRET_PART[:20] not in str(rejection.value)


def test_a_wrong_checksum_is_reported_as_a_typo_and_not_quoted() -> None:
    """The request path does not look at it."""
    text = TEXT[:-1] + "s"
    assert find_id(text, "svt") == "0123456789AB"
    with pytest.raises(MalformedToken, match="checksum") as rejection:
        parse(text, "svt")
    assert SECRET_PART not in str(rejection.value)


def test_a_prefix_of_another_length_moves_everything_along() -> None:
    """From two to ten characters."""
    for prefix in ("ab", "abcdefghij"):
        token = mint(prefix, CountingEntropy())
        assert find_id(token.reveal(), prefix) == token.id
        assert find_id(token.reveal(), "svt") is None


def test_minting_draws_id_and_secret_and_never_the_same_twice() -> None:
    """Bytes that would make some characters likelier are drawn again."""
    entropy = CountingEntropy()
    assert len({mint("svt", entropy).reveal() for _ in range(100)}) == 100
    draws = iter([bytes([255] * 12), bytes(range(12)), bytes(32)])
    assert mint("svt", lambda _size: next(draws)).id == "0123456789AB"


def test_a_token_does_not_print_itself() -> None:
    """However it is asked."""
    token = the_token()
    shown = [
        repr(token),
        str(token),
        f"{token}",
        f"{token!r:>80}",
        f"{token}",
        f"{[token]}",
        f"{ {1: token} }",
    ]
    for text in shown:
        assert "svt_0123456789AB_…" in text
        assert SECRET_PART not in text


def test_a_token_in_a_traceback_or_a_log_line_does_not_print_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Nor in an error's message."""
    token = the_token()
    try:
        fail(token)
    except ValueError:
        assert SECRET_PART not in traceback.format_exc()
    logging.getLogger("test").warning("minted %s", token)
    assert SECRET_PART not in caplog.text


def test_a_token_is_neither_pickled_nor_copied() -> None:
    """A cache or a queue of another process would spread it."""
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="must not be pickled"):
            spread(the_token())


def test_tokens_are_equal_by_their_text_and_to_nothing_else() -> None:
    """Equal ones have the same hash, which tells no more than the id."""
    token, same = the_token(), the_token()
    other = assemble("svt", "0123456789AB", bytes(32))
    assert token == same
    assert hash(token) == hash(same) == hash(other)
    assert token != other
    assert token != TEXT


@pytest.mark.parametrize("prefix", ["svt", "acme2"])
def test_the_pattern_for_scanners_is_the_shape_of_a_token(prefix: str) -> None:
    """What is minted matches as a whole; what is a character longer, shorter or of another prefix does not."""
    pattern = re.compile(pattern_of(prefix))
    token = mint(prefix, CountingEntropy()).reveal()
    assert pattern.fullmatch(token)
    assert find_id(token, prefix) is not None
    for wrong in (token[:-1], f"{token}0", f"x{token}", token.replace("_", "-")):
        assert not pattern.fullmatch(wrong)
        assert find_id(wrong, prefix) is None
