"""Tokens in encodings that have no sign of their own: base85, and compressed data without a header."""

import base64
import random

import pytest

from common.builders.encoded import FRAGILE, HEADERLESS, PACKED, TEXTUAL, WIDE, WRITTEN, Encoder
from servicetokens.cli.leaks import finder
from servicetokens.cli.leaks.finder import Place, Report, Sighting
from servicetokens.tokens.format import Token, assemble

TOKEN = assemble("svt", "0123456789AB", b"x" * 32)
LINE = b"2026-11-30T10:29:36Z INFO the line before\n"
ENCODERS: dict[str, Encoder] = {**TEXTUAL, **WRITTEN, **PACKED, **WIDE, **FRAGILE, **HEADERLESS}


def tokens(report: Report) -> list[Token]:
    """Return what was found."""
    return [sighting.token for sighting in report.sightings]


def encode(data: bytes, names: tuple[str, ...]) -> bytes:
    """Apply the encodings one after the other."""
    for name in names:
        data = ENCODERS[name](data)
    return data


@pytest.mark.parametrize("name", FRAGILE)
def test_base85_is_decoded_whatever_is_in_it_and_however_it_is_packed(name: str) -> None:
    """Behind other words, and on lines; a frame tells where it begins and ends."""
    for seed in range(2):
        token = assemble("svt", "0123456789AB", random.Random(seed).randbytes(32))
        stacked = [(name,), *((inner, name) for inner in {**TEXTUAL, **WRITTEN, **PACKED, **WIDE})]
        stacked += [(name, outer) for outer in {**WRITTEN, **PACKED, **WIDE}]
        for before in (b"", LINE + b"token="):
            missed = [
                names
                for names in stacked
                if tokens(finder.find(encode(before + token.reveal().encode(), names))) != [token]
            ]
            assert missed == [], seed
        text = LINE + b"token=" + encode(token.reveal().encode(), (name,)) + b"\n" + LINE
        (found,) = finder.find(text).sightings
        assert found == Sighting(token, (Place("", 2),))


def test_base85_of_zeros_and_a_very_long_word_are_read_to_the_end() -> None:
    """A `z` is four of them; a word may be as long as the data."""
    data = bytes(280_000) + LINE * 20 + TOKEN.reveal().encode() + bytes(9_000)
    for write in (base64.a85encode, base64.b85encode):
        assert tokens(finder.find(write(data))) == [TOKEN]


@pytest.mark.parametrize("name", HEADERLESS)
def test_compressed_data_without_a_header_is_decoded(name: str) -> None:
    """As it stands, with other data behind it, written down in any way, and around an archive."""
    for seed in range(2):
        token = assemble("svt", "0123456789AB", random.Random(seed).randbytes(32))
        packed = encode(LINE + token.reveal().encode(), (name,))
        assert finder.find(packed).sightings[0].token == token
        assert finder.find(packed).unread == ()
        assert tokens(finder.find(packed + b"\1\2\3\4")) == [token]
        for outer in {**WRITTEN, **PACKED}:
            if outer != "base64 in a path":
                report = finder.find(encode(packed, (outer,)))
                assert (tokens(report), report.unread) == ([token], ()), outer
        for inner in PACKED:
            assert tokens(finder.find(encode(token.reveal().encode(), (inner, name)))) == [token], inner
