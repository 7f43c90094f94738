"""Base85: five characters for four bytes, in two alphabets.

    <~F(fK9D/!lrEZc_LCggsrBQJ6k~>      Ascii85, as PostScript and PDF have it, here in its frame
    V{>0bbY*gFZDDS5b7f}0VPk7jV`y       base85 of RFC 1924, as Python's `b85encode` and Mercurial write it

A word of such characters is also what a URL or a line of a program is, so only words with as many signs as base85 has
are decoded; without its frame, on one line.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from servicetokens.cli.leaks.positions import Decoded, Scaled, at
from servicetokens.cli.leaks.text import SHORTEST

_FRAMED: Final = re.compile(rb"<~([!-uz\s]++)~>")
_WHITE: Final = b" \t\r\n\v\f"

_LEAST: Final = SHORTEST * 5 // 4
# In larger data, zeros may be around a token: for them there are no signs.
_LOOKED_AT: Final = 512
# Numbers take twenty times the memory of their digits.
_AT_ONCE: Final = 5 * 2**16
_ANY: Final = re.compile(rb"d*+")
_PLAIN: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """The digits in order, how many of them are signs and how many kinds at least, and a digit for four NUL bytes.

    Measured for a token in each other encoding: of a dump of characters in base85 a twelfth are signs, of lower-case
    base32 in Ascii85 a sixth, and of octal escapes there are five kinds. JSON has fewer than one in seven.
    """

    digits: bytes
    sign_share: float
    kinds: int
    zeros: bytes = b""

    def fits(self, piece: bytes) -> bool:
        """Say whether *piece*, which has no other characters, has the signs of base85."""
        signs = piece.translate(None, _PLAIN)
        return len(signs) > self.sign_share * len(piece) and len(set(signs)) >= self.kinds

    def classes(self) -> bytes:
        """Return a table that makes each digit `d`, and anything else a space."""
        known = self.digits + self.zeros
        return bytes(ord("d" if byte in known else " ") for byte in range(256))

    def values(self) -> bytes:
        """Return a table that makes each digit its value."""
        return bytes(max(self.digits.find(byte), 0) for byte in range(256))


_ASCII85: Final = _Alphabet(bytes(range(ord("!"), ord("u") + 1)), 0.15, 5, b"z")
_RFC1924: Final = _Alphabet(_PLAIN + b"!#$%&()*+-;<=>?@^_`{|}~", 0.05, 4)
_CLASSES: Final = {alphabet: alphabet.classes() for alphabet in (_ASCII85, _RFC1924)}
_VALUES: Final = {alphabet: alphabet.values() for alphabet in (_ASCII85, _RFC1924)}


def decoded(data: bytes) -> Iterator[Decoded]:
    """Yield what the words of *data* mean in base85, and what stands in the frames of Ascii85."""
    if b"<~" in data:
        for match in _FRAMED.finditer(data):
            yield _plain(match[1].translate(None, _WHITE), _ASCII85), at(match.start())
    for alphabet, classes in _CLASSES.items():
        yield from _in_words(data, data.translate(classes), alphabet)


def _in_words(data: bytes, classes: bytes, alphabet: _Alphabet) -> Iterator[Decoded]:
    long = b"d" * _LEAST
    begin = classes.find(long)
    while begin >= 0:
        rest = _ANY.match(classes, begin)
        end = rest.end() if rest else begin
        word = data[begin:end]
        if any(alphabet.fits(word[at : at + _LOOKED_AT]) for at in range(0, len(word), _LOOKED_AT)):
            # What stands before it may be of the same characters: `token=`.
            for shift in range(5):
                yield _plain(word[shift:], alphabet), Scaled(begin + shift, 0, 5 / 4)
        begin = classes.find(long, end)


def _plain(digits: bytes, alphabet: _Alphabet) -> bytes:
    """Return the bytes that *digits* mean; what is no digit counts as the first one.

    Five digits may be more than four bytes can hold: then they were written by something else.
    """
    if alphabet.zeros:
        digits = digits.replace(alphabet.zeros, alphabet.digits[:1] * 5)
    missing = -len(digits) % 5
    values = (digits + alphabet.digits[-1:] * missing).translate(_VALUES[alphabet])
    out = bytearray()
    for start in range(0, len(values), _AT_ONCE):
        piece = iter(values[start : start + _AT_ONCE])
        words = [
            ((((a * 85 + b) * 85 + c) * 85 + d) * 85 + e) & 0xFFFFFFFF
            for a, b, c, d, e in zip(*[piece] * 5, strict=True)
        ]
        out += struct.pack(f">{len(words)}I", *words)
    return bytes(out[: len(out) - missing])
