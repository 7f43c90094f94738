"""Encodings of text that a token may be found in: what to look at, and what it decodes to.

Each function is linear in its input. What is no token anyway may be decoded wrongly: the checksum decides.
"""

import binascii
import html
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from servicetokens.tokens.format import pattern_of

# A token from its first underscore on. Any prefix may stand before it.
TOKEN: Final = re.compile(pattern_of("").encode())
WHOLE_TOKEN: Final = re.compile(TOKEN.pattern + rb"(?![0-9A-Za-z])")

# The shortest token: a prefix of two characters.
_SHORTEST: Final = 65
_SHORTEST_BASE64: Final = _SHORTEST * 4 // 3
_BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

# What a token can consist of under any stack of text encodings: letters and digits, the signs of both base64
# alphabets, and what escapes are made of. Quotes, colons, commas, spaces and round brackets end a run.
_DENSE: Final = rb"[0-9A-Za-z+/_=%\\&#;.~\[-]"
# A line break of a terminal, a mail or a YAML block, with the indentation and the quotation marks of the next line.
_BREAK: Final = rb"[ \t]*+\r?\n[ \t>|]*+"
_RUN: Final = re.compile(
    rb"(?<!%b)(?:%b{%d,}+|%b++(?=%b))(?:%b%b++)*+"
    % (_DENSE, _DENSE, _SHORTEST, _DENSE, _BREAK, _BREAK, _DENSE)
)
_BREAK_SIGNS: Final = b" \t\r\n>|"
_BREAK_BYTES: Final = re.compile(b"[%b]+" % _BREAK_SIGNS)

# Terminal control sequences (ECMA-48): CSI with its parameters, and OSC up to BEL or ST.
_CONTROL: Final = re.compile(
    rb"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1024}(?:\x07|\x1b\\)|[()][0-9A-Z])"
)

_BASE64: Final = re.compile(rb"[0-9A-Za-z+/_-]{%d,}" % _SHORTEST_BASE64)
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
# What is worth another look after base64: text, also with the NUL bytes of UTF-16.
_PRINTABLE: Final = re.compile(rb"[\x00\t\n\r\x1b\x20-\x7e]{%d,}+" % _SHORTEST)
_PACKED: Final = re.compile(rb"\x1f\x8b\x08|PK\x03\x04|BZh[1-9]1AY|\xfd7zXZ\x00")

_BYTE_OF: Final = {b"%02x" % number: bytes([number]) for number in range(256)}
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BACKSLASH: Final = re.compile(
    rb"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|([abefnrtv!-/:-@\[-`{-~])"
    rb"|\r?\n[ \t]*)"
)
_SIMPLE: Final = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
    b"a": b"\a",
    b"e": b"\x1b",
}
_ENTITY: Final = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")
_SOFT_BREAK: Final = re.compile(rb"[^=]=[ \t]*\r?\n")
_QUOTED: Final = re.compile(rb"=(?:[0-9A-Fa-f]{2}|[ \t]*\r?\n(?:> ?)*)")

# 65 bytes as pairs of digits: `xxd -p`, `73 76 74`, `73:76:74`, `0x73, 0x76`.
_HEX: Final = re.compile(
    rb"(?<![0-9A-Fa-f])(?:(?:0(?:\r?\n)?x(?:\r?\n)?|\\x)?"
    rb"[0-9A-Fa-f](?:\r?\n)?[0-9A-Fa-f][ \t:,>|\r\n]{0,6}+){%d,}+[0-9A-Fa-f]?" % _SHORTEST
)
_HEX_SIGNS: Final = b" \t:,>|\r\n"
_HEX_MARKS: Final = re.compile(rb"0x|\\x")
# `xxd` ends its offsets with a colon and its digits with two spaces; `hexdump` and `od` do neither.
_DUMPED: Final = re.compile(
    rb"(?m)(?:^[ \t>]*|(?<=[\"'`\xfe\xff]))(?:[0-9A-Fa-f]{4,16}:[ \t]((?:[0-9A-Fa-f]{2,8}+ ?+)++)|"
    rb"(?:0x)?[0-9A-Fa-f]{4,16}[ \t]+((?:[0-9A-Fa-f]{2,8}+ {0,3}+)++)(?![0-9A-Za-z])).*\r?\n?"
)
_SPACED_STRING: Final = re.compile(rb"\\n(?:[ \t]*[>|]|(?:0x)?[0-9A-Fa-f]{4,16}:?[ \t])|=(?:\\r)?\\n")


class Origin(Protocol):
    """Tells where in the data a position in what was decoded from it comes from."""

    def __call__(self, position: int, /) -> int:
        """Return the position in the data."""
        ...


Decoded: TypeAlias = tuple[bytes, Origin]


@dataclass(frozen=True, slots=True)
class Run:
    """Text without spaces, which may go over several lines: where it begins, as it stands, and on one line."""

    start: int
    text: bytes
    joined: bytes

    @property
    def origin(self) -> Origin:
        """Where in the data a position in `joined` comes from."""
        return _shifted(_Edits(_BREAK_BYTES, _nothing, self.text), self.start)


def normalized(data: bytes) -> Iterator[bytes]:
    """Yield *data*, and again without what only a terminal or a wider character set has put in.

    UTF-16 and UTF-32 of a token are its characters with NUL bytes between them, in either byte order.
    """
    yield data
    bare = data[2:] if data.startswith(_BYTE_ORDER_MARKS) else data
    if b"\0" in bare or b"\x1b" in bare:
        bare = _CONTROL.sub(b"", bare.replace(b"\0", b""))
    if bare != data:
        yield bare


def line_breaks(data: bytes) -> list[int]:
    """Return the positions of all line breaks."""
    return [match.start() for match in re.finditer(rb"\n", data)]


def runs(data: bytes) -> Iterator[Run]:
    """Yield each run of characters that could hold a token, plain or encoded."""
    for match in _RUN.finditer(data):
        text = match[0]
        if len(text) >= _SHORTEST:
            yield Run(match.start(), text, text.translate(None, _BREAK_SIGNS))


def unquoted(data: bytes) -> Iterator[Decoded]:
    """Yield *data* without the soft line breaks and escapes of quoted-printable (RFC 2045), if it has such breaks.

    They may stand anywhere, also between words, so all of the text around is decoded and not one run.
    """
    yield from _in_texts(data, _SOFT_BREAK, _QUOTED, _quoted)


def spaced_strings(data: bytes) -> Iterator[Decoded]:
    """Yield *data* without backslash escapes if a string in it seems to hold encoded lines that have spaces.

    Those are lines of a hex dump, of a quoted mail, and soft line breaks. Other strings are decoded run by run.
    """
    yield from _in_texts(data, _SPACED_STRING, _BACKSLASH, _backslash)


def unescaped(run: Run) -> Iterator[Decoded]:
    """Yield *run* with each kind of escape taken out that it has, one kind at a time; also on one line.

    A terminal may break an escape in two.
    """
    origin = run.origin
    for sign, pattern, value in _ESCAPES:
        if sign not in run.text:
            continue
        yield _replaced(pattern, value, run.text), _shifted(_Edits(pattern, value, run.text), run.start)
        if run.joined != run.text:
            inner = _Edits(pattern, value, run.joined)
            yield _replaced(pattern, value, run.joined), _chained(inner, origin)


def base64_decoded(run: Run) -> Iterator[Decoded]:
    """Yield what *run* may mean in base64, either alphabet, at each of the four alignments.

    Where a run begins says nothing of where base64 begins: `path/to/dG9r…`. At a wrong alignment nothing sensible
    comes out, so only text and archives are yielded.
    """
    origin = run.origin
    for match in _BASE64.finditer(run.joined):
        text = match[0].translate(_STANDARD)
        for shift in range(4):
            part = text[shift:]
            if len(part) % 4 == 1:
                part = part[:-1]
            decoded = binascii.a2b_base64(part + b"=" * (-len(part) % 4))
            begin = match.start() + shift
            for found in _PRINTABLE.finditer(decoded):
                yield found[0], _chained(_Scaled(begin, found.start(), 4 / 3), origin)
            if _PACKED.search(decoded):
                yield decoded, _chained(_Scaled(begin, 0, 4 / 3), origin)


def hexadecimal(data: bytes) -> Iterator[Decoded]:
    """Yield everything in *data* that is written in hexadecimal digits."""
    for match in _HEX.finditer(data):
        digits = _HEX_MARKS.sub(b"", match[0].translate(None, _HEX_SIGNS))
        origin = _Scaled(match.start(), 0, 2 * len(match[0]) / len(digits))
        yield _unhex(digits), origin
        # A word before it may end in a digit of its own: `namE 7376…`.
        yield _unhex(digits[1:]), origin
    block: list[bytes] = []
    begin = end = 0
    for match in _DUMPED.finditer(data):
        if match.start() != end and block:
            yield from _undump(begin, end, block)
            block = []
        if not block:
            begin = match.start()
        block.append(match[1] or match[2])
        end = match.end()
    yield from _undump(begin, end, block)


def _in_texts(
    data: bytes, sign: re.Pattern[bytes], pattern: re.Pattern[bytes], value: "_Value"
) -> Iterator[Decoded]:
    """Decode each text in *data* that has *sign*. Random bytes have any sign, and no text."""
    if sign.search(data):
        for match in _PRINTABLE.finditer(data):
            if sign.search(match[0]):
                text = match[0]
                yield _replaced(pattern, value, text), _shifted(_Edits(pattern, value, text), match.start())


def _undump(begin: int, end: int, lines: list[bytes]) -> Iterator[Decoded]:
    digits = b"".join(lines).replace(b" ", b"")
    if len(digits) < 2 * _SHORTEST:
        return
    plain = _unhex(digits)
    origin = _Scaled(begin, 0, (end - begin) / len(plain))
    yield plain, origin
    # `hexdump` and `od -x` print words of two bytes in the order of the machine, the lower byte first.
    yield _swapped(plain), origin


def _swapped(plain: bytes) -> bytes:
    swapped = bytearray(plain[: len(plain) // 2 * 2])
    swapped[::2], swapped[1::2] = swapped[1::2], swapped[::2]
    return bytes(swapped)


def _unhex(digits: bytes) -> bytes:
    return binascii.a2b_hex(digits[: len(digits) // 2 * 2])


def _replaced(pattern: re.Pattern[bytes], value: "_Value", data: bytes) -> bytes:
    """Return what `pattern.sub` does, without a list of all pieces: that takes thirty times the memory of the data."""
    out = bytearray()
    end = 0
    for match in pattern.finditer(data):
        out += data[end : match.start()]
        out += value(match)
        end = match.end()
    out += data[end:]
    return bytes(out)


class _Edits:
    """Where a position in `_replaced(pattern, value, data)` comes from. Worked out when it is asked for first."""

    def __init__(self, pattern: re.Pattern[bytes], value: "_Value", data: bytes) -> None:
        self._pattern, self._value, self._data = pattern, value, data
        self._after: array[int] | None = None
        self._from = array("q")

    def __call__(self, position: int, /) -> int:
        if self._after is None:
            self._after = array("q")
            grown = 0
            for match in self._pattern.finditer(self._data):
                grown += len(self._value(match)) - len(match[0])
                self._after.append(match.end() + grown)
                self._from.append(match.end())
        at = bisect_right(self._after, position) - 1
        return position if at < 0 else self._from[at] + position - self._after[at]


@dataclass(frozen=True, slots=True)
class _Scaled:
    """From *begin* on, *factor* signs stand for one byte; the first byte is number *skipped*."""

    begin: int
    skipped: int
    factor: float

    def __call__(self, position: int, /) -> int:
        return self.begin + int((self.skipped + position) * self.factor)


def _shifted(inner: Origin, start: int) -> Origin:
    return lambda position: start + inner(position)


def _chained(inner: Origin, outer: Origin) -> Origin:
    return lambda position: outer(inner(position))


def _nothing(_match: re.Match[bytes]) -> bytes:
    return b""


def _percent(match: re.Match[bytes]) -> bytes:
    return _BYTE_OF[match[1].lower()]


def _backslash(match: re.Match[bytes]) -> bytes:
    point = match[1] or match[2] or match[3]
    if point:
        # Nothing beyond one byte can be part of a token, or of what it is packed in.
        return _BYTE_OF.get(point.lstrip(b"0").rjust(2, b"0").lower(), b"?")
    if match[4]:
        return bytes([int(match[4], 8)])
    # Before a line break it joins two lines; before punctuation it stands for that, as in Markdown.
    return _SIMPLE.get(match[5], match[5]) if match[5] else b""


def _entity(match: re.Match[bytes]) -> bytes:
    return html.unescape(match[0].decode("ascii")).encode("utf-8", "replace")


def _quoted(match: re.Match[bytes]) -> bytes:
    digits = match[0][1:]
    return b"" if b"\n" in digits else _BYTE_OF[digits.lower()]


_Value: TypeAlias = Callable[[re.Match[bytes]], bytes]
_ESCAPES: Final[tuple[tuple[bytes, re.Pattern[bytes], _Value], ...]] = (
    (b"%", _PERCENT, _percent),
    (b"\\", _BACKSLASH, _backslash),
    (b"&", _ENTITY, _entity),
    (b"=", _QUOTED, _quoted),
)
