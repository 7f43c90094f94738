"""Remove a known secret from foreign text, in any form in which the text has it.

An admission policy or webhook may quote the object that it rejects, so the API server's answer to a write of a Secret
can hold the value that was to be written: plain, in base64 (of the value alone, or of a text around it), escaped for a
URL or for JSON, whole or cut off. Text is searched for pieces of all of these.
"""

import base64
import itertools
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Final

REDACTED: Final = "[redacted]"
# Eight characters of a random token are 47 bits, of its base64 48: no word of a message equals them by chance, and
# shorter remaining pieces of a value are useless.
_PIECE: Final = 8
# Base64 encodes three bytes at a time, so the same bytes look different at each offset.
_ALIGNMENTS: Final = 3


def redact(text: str, secrets: Iterable[bytes]) -> str:
    """Return *text* without any piece of *secrets* of eight characters or more, in any form."""
    pieces = {
        form[at : at + _PIECE]
        for secret in secrets
        for form in _forms(secret)
        for at in range(len(form) - _PIECE + 1)
    }
    hidden = bytearray(len(text))
    for at in range(len(text) - _PIECE + 1):
        if text[at : at + _PIECE] in pieces:
            hidden[at : at + _PIECE] = b"\1" * _PIECE
    runs = itertools.groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
    return "".join(
        REDACTED if is_hidden else "".join(character for character, _ in run) for is_hidden, run in runs
    )


def _forms(secret: bytes) -> Iterator[str]:
    """Yield every form of *secret* to search for."""
    for plain in (secret.decode("utf-8", "replace"), secret.hex(), secret.hex().upper()):
        yield from _escaped(plain)
    # A list of bytes, as programs print data: Go's `%v`, and what looks like source text.
    for separator in (" ", ", ", ","):
        yield separator.join(map(str, secret))
        yield separator.join(f"{byte:02x}" for byte in secret)
        yield separator.join(f"0x{byte:02x}" for byte in secret)
    for once in _in_base64(secret):
        yield from _escaped(once)
        for twice in _in_base64(once.encode()):
            yield from _escaped(twice)


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield the part of the base64 of a longer text that depends on *secret* alone, for each offset in that text."""
    for offset in range(_ALIGNMENTS):
        encoded = base64.b64encode(b"\0" * offset + secret).decode().rstrip("=")
        # The first characters hold bits of the text before it, the last one bits of the text after it.
        start = (offset * 8 + 5) // 6
        end = (offset + len(secret)) * 8 // 6
        yield encoded[start:end]


def _escaped(text: str) -> Iterator[str]:
    """Yield *text* as it is, and escaped for URLs and JSON."""
    yield text
    yield text.replace("+", "-").replace("/", "_")
    quoted = urllib.parse.quote(text, safe="")
    yield quoted
    yield quoted.replace("%2B", "%2b").replace("%2F", "%2f")
    yield text.replace("/", "\\/")
    yield text.replace("+", "\\u002b").replace("/", "\\u002f")
