"""Finding tokens in any text: logs, dumps, chats, and the base64 of a Secret.

Only what has the right checksum is a token; the rest of what looks like one is not worth waking anybody.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from servicetokens.tokens.format import MalformedToken, Token, parse_any, pattern_of

# A token from its first underscore on. Any prefix may stand before it: whoever has several installations has one leak.
_REST: Final = re.compile(f"{pattern_of('')}(?![0-9A-Za-z])")
# From PREFIX_PATTERN. Where it begins is not to be seen: in a URL it follows `%20`, in an escaped text `\\n`.
_PREFIX_LENGTHS: Final = range(2, 11)
# The shortest token has 65 characters, 87 in base64 without padding; both alphabets of RFC 4648.
_BASE64: Final = re.compile(r"[0-9A-Za-z+/_-]{87,}={0,2}")
_STANDARD: Final = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A token, and the lines (from 1) on which it was seen."""

    token: Token
    lines: tuple[int, ...]


def find(lines: Iterable[str]) -> list[Sighting]:
    """Return each token in *lines* once, in the order in which they appear."""
    seen: dict[Token, list[int]] = {}
    for number, line in enumerate(lines, start=1):
        for token in _in_line(line):
            places = seen.setdefault(token, [])
            if number not in places:
                places.append(number)
    return [Sighting(token, tuple(places)) for token, places in seen.items()]


def _in_line(line: str) -> Iterator[Token]:
    yield from _plain(line)
    for match in _BASE64.finditer(line):
        if (decoded := _decoded(match[0])) is not None:
            yield from _plain(decoded)


def _plain(text: str) -> Iterator[Token]:
    for match in _REST.finditer(text):
        for length in _PREFIX_LENGTHS:
            try:
                yield parse_any(text[max(0, match.start() - length) : match.end()])
            except MalformedToken:
                continue


def _decoded(text: str) -> str | None:
    bare = text.rstrip("=").translate(_STANDARD)
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("latin-1")
    except binascii.Error:
        return None
