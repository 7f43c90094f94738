"""Every encoding of text: what a text may mean in base64, in numbers, in escapes, and on lines with prefixes.

Each function is linear in its input. What is no token anyway may be decoded wrongly: the checksum decides.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from servicetokens.cli.leaks import base85, escapes, numbers, packing, terminal, unread
from servicetokens.cli.leaks.positions import Decoded, Scaled, at, chained
from servicetokens.cli.leaks.text import SHORTEST, Run, texts

_BASE64: Final = re.compile(rb"[0-9A-Za-z+/_-]{%d,}+" % (SHORTEST * 4 // 3))
# 8 digits of base32 are five bytes.
_BASE32_LENGTH: Final = SHORTEST * 8 // 5
_BASE32: Final = re.compile(rb"[A-Z2-7]{%d,}+|[a-z2-7]{%d,}+" % (_BASE32_LENGTH, _BASE32_LENGTH))
# The other alphabet of RFC 4648, which Python reads itself. Digests and keys are in hexadecimal, and need no look.
_BASE32HEX: Final = re.compile(
    rb"(?<![0-9A-V])[0-9A-V]{%d,}+|(?<![0-9a-v])[0-9a-v]{%d,}+" % (_BASE32_LENGTH, _BASE32_LENGTH)
)
_BEYOND_HEXADECIMAL: Final = re.compile(rb"[G-Vg-v]")
_BASE32_DIGITS: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567",
    b"0123456789abcdefghijklmnop" * 2 + b"qrstuv",
)
# A line of uuencode begins with its length: of 45 bytes, `M`. Spaces are often written as "`".
_UUENCODED: Final = re.compile(rb"(?m)^(?:M[ -`]{60}\r?\n)+(?:[!-M][ -`]{2,61}(?:\r?\n|$))?")
# A line of a binary patch of git begins with its length: letters for 1 to 52 bytes. Base85 has five digits for four.
_PATCH: Final = re.compile(rb"(?m)^(?:literal|delta) [0-9]+\r?\n((?:[A-Za-z][!-~]{5,65}\r?\n)+)")
_PATCH_LENGTHS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What the line above armored data ends with.
_ARMOR_END: Final = b"-----"
# Every second byte of UTF-16, less a byte order mark and what a line before was taken for.
_WIDE_SHARE: Final = 0.45
# A digest in hexadecimal is of the digits of base64, too. No text has a base64 without any other.
_BEYOND_DIGEST: Final = re.compile(rb"[^0-9A-Fa-f]")
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


def of_texts(data: bytes) -> Iterator[Decoded]:
    """Yield what *data* means in encodings that have spaces or line breaks."""
    for decoded in chain(
        numbers.listed(data),
        numbers.indexed(data),
        escapes.unquoted(data),
        escapes.spaced_strings(data),
        escapes.encoded_words(data),
        _uudecoded(data),
        _patches(data),
        base85.decoded(data),
        terminal.unfolded(data),
    ):
        if _is_promising(decoded[0]):
            yield decoded


def of_run(run: Run) -> Iterator[Decoded]:
    """Yield what *run* means in encodings without spaces."""
    yield from escapes.unescaped(run)
    yield from base64_decoded(run)
    yield from _base32_decoded(run)
    for decoded in numbers.hexadecimal(run):
        if _is_promising(decoded[0]):
            yield decoded


def base64_decoded(run: Run) -> Iterator[Decoded]:
    """Yield what *run* may mean in base64, either alphabet, at each of the four alignments.

    The start of a run need not be the start of base64: `path/to/dG9r…`. At a wrong alignment nothing sensible comes
    out, so only text, archives and what is known to be unreadable are yielded.
    """
    origin = run.origin
    for match in _BASE64.finditer(run.joined):
        if not _BEYOND_DIGEST.search(match[0]):
            continue
        for shift in range(4):
            begin = match.start() + shift
            decoded = _unbase64(match[0][shift:])
            for start, found in texts(decoded):
                yield found, chained(Scaled(begin, start, 4 / 3), origin)
            if _is_binary(decoded) or _is_wide(decoded):
                yield decoded, chained(Scaled(begin, 0, 4 / 3), origin)


def opaque(run: Run) -> bool:
    """Say whether *run* is base64 of a larger part that nothing here can decode."""
    for match in _BASE64.finditer(run.joined):
        if unread.is_public(_unbase64(match[0].rpartition(_ARMOR_END)[2][:64])):
            continue
        if unread.is_opaque_base64(match[0], decoded := _unbase64(match[0])) and not _is_binary(decoded):
            return True
    return False


def _base32_decoded(run: Run) -> Iterator[Decoded]:
    matches = chain(
        ((match, match[0].translate(_BASE32_DIGITS)) for match in _BASE32.finditer(run.joined)),
        (
            (match, match[0])
            for match in _BASE32HEX.finditer(run.joined)
            if _BEYOND_HEXADECIMAL.search(match[0])
        ),
    )
    for match, digits in matches:
        # A word before it may be of the same digits: `INFO ONUW…`.
        for shift in range(8):
            decoded = _unbase32(digits[shift:])
            if _is_promising(decoded):
                yield decoded, chained(Scaled(match.start() + shift, 0, 8 / 5), run.origin)


def _uudecoded(data: bytes) -> Iterator[Decoded]:
    if b"\nM" not in data and not data.startswith(b"M"):
        return
    for match in _UUENCODED.finditer(data):
        try:
            decoded = b"".join(binascii.a2b_uu(line) for line in match[0].splitlines())
        except binascii.Error:
            continue
        yield decoded, Scaled(match.start(), 0, 4 / 3)


def _patches(data: bytes) -> Iterator[Decoded]:
    if b"GIT binary patch" not in data:
        return
    for match in _PATCH.finditer(data):
        try:
            decoded = b"".join(
                base64.b85decode(line[1:])[: _PATCH_LENGTHS.index(line[:1]) + 1] for line in match[1].split()
            )
        except ValueError:
            continue
        yield decoded, at(match.start(1))


def _unbase64(text: bytes) -> bytes:
    text = text.translate(_STANDARD)
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _unbase32(digits: bytes) -> bytes:
    bits = 5 * len(digits)
    return (int(digits, 32) >> bits % 8).to_bytes(bits // 8, "big")


def _is_binary(data: bytes) -> bool:
    """Say whether *data* is or holds something compressed, an archive, or something of a kind that cannot be read."""
    if packing.is_packed_within(data) or unread.kind_of(data):
        return True
    return any(True for _ in unread.kinds_inside(data))


def _is_promising(data: bytes) -> bool:
    """Say whether *data* is worth another look: text, or what `_is_binary` says."""
    return any(True for _ in texts(data)) or _is_wide(data) or _is_binary(data)


def _is_wide(data: bytes) -> bool:
    """Say whether *data* is text with letters of UTF-8 that was written in UTF-16: only between NUL bytes."""
    return data.count(0) >= _WIDE_SHARE * len(data) and any(True for _ in texts(data.replace(b"\0", b"")))
