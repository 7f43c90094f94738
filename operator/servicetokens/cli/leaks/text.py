"""Text that may hold a token: what a token looks like, and runs of characters that could be one, plain or encoded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from servicetokens.cli.leaks.positions import Edits, Origin, nothing, shifted
from servicetokens.tokens.format import pattern_of

# A token from its first underscore on. Any prefix may stand before it.
TOKEN: Final = re.compile(pattern_of("").encode())

SHORTEST: Final = 65
"""How many characters a token has at least: with a prefix of two characters."""

# Text worth another look, also with the NUL bytes of UTF-16, and such with letters of UTF-8.
_SIGNS: Final = rb"\x00\t\n\r\x1b\x20-\x7e"
# Searching for a fixed text is much quicker in random bytes than a pattern is.
_IS_SIGN: Final = re.compile(b"[%b\x80-\xff]" % _SIGNS)
_CLASSES: Final = bytes(ord("t" if _IS_SIGN.match(bytes([byte])) else " ") for byte in range(256))
_LONG_TEXT: Final = b"t" * SHORTEST
_REST: Final = re.compile(rb"t*+")
_UTF8: Final = re.compile(
    rb"(?:[%b]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){%d,}+"
    % (_SIGNS, SHORTEST)
)

# What a token can consist of under any stack of text encodings: letters and digits, the signs of both base64
# alphabets, and what escapes are made of. Quotes, colons, commas, spaces and round brackets end a run.
DENSE: Final = rb"[0-9A-Za-z+/_=%\\&#;.~\[-]"
# A line break of a terminal, a mail or a YAML block, with the indentation and the quotation marks of the next line.
BREAK_SIGNS: Final = b" \t\r\n\v\f>|"
_BREAK: Final = rb"[ \t]*+(?:\r\n?|[\n\v\f])[ \t>|]*+"
_RUN: Final = re.compile(
    rb"(?<!%b)(?:%b{%d,}+|%b++(?=%b))(?:%b%b++)*+" % (DENSE, DENSE, SHORTEST, DENSE, _BREAK, _BREAK, DENSE)
)
_BREAK_BYTES: Final = re.compile(b"[%b]+" % BREAK_SIGNS)

_BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
# Terminal control sequences (ECMA-48): concealed text, as Jenkins' annotations are; CSI with its parameters; and OSC up
# to BEL or ST.
_CONTROL: Final = re.compile(
    rb"\x1b(?:\[8m[^\x1b]{0,65536}+\x1b\[0m|\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1024}(?:\x07|\x1b\\)|[()][0-9A-Z])"
)
# What is not seen, in UTF-8: soft hyphen, zero-width space and joiners, marks of direction, word joiner, byte order
# mark; and where a page may break a word.
_INVISIBLE: Final = re.compile(
    rb"\xc2\xad|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf|<(?:wbr|WBR) ?/?>"
    rb"|&(?:shy|ZeroWidthSpace|zwnj|zwj|NoBreak|#173|#82(?:0[3-7]|88)|#[xX](?:[aA][dD]|200[b-fB-F]|2060));"
)
_INVISIBLE_SIGNS: Final = (b"\xc2\xad", b"\xe2\x80", b"\xe2\x81", b"\xef\xbb\xbf", b"<wbr", b"<WBR", b"&")
# A tag inside a word, as search results and coloured listings have it.
_TAG: Final = rb"</?[A-Za-z][^<>\r\n]{0,200}>"
_TAG_IN_WORD: Final = re.compile(rb"[0-9A-Za-z_;](?:%b)+[0-9A-Za-z_&]" % _TAG)
_ANY_TAG: Final = re.compile(_TAG)


@dataclass(frozen=True, slots=True)
class Run:
    """Text without spaces, which may go over several lines: as it stands, on one line, and where both come from."""

    text: bytes
    joined: bytes
    source: Origin
    origin: Origin


def normalized(data: bytes) -> Iterator[bytes]:
    """Yield *data*, and again without what only a terminal, a page or a wider character set has put in.

    UTF-16 and UTF-32 of a token are its characters with NUL bytes between them, in either byte order.
    """
    yield data
    bare = data[2:] if data.startswith(_BYTE_ORDER_MARKS) else data
    if b"\0" in bare:
        bare = bare.replace(b"\0", b"")
    if any(sign in bare for sign in _INVISIBLE_SIGNS):
        bare = _INVISIBLE.sub(b"", bare)
    if b"\x1b" in bare:
        bare = _CONTROL.sub(b"", bare)
    if bare != data:
        yield bare
    if b"<" in bare and _TAG_IN_WORD.search(bare):
        yield _ANY_TAG.sub(b"", bare)


def texts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each text in *data* that is long enough for a token, and where it begins."""
    if len(data) < SHORTEST:
        return
    classes = data.translate(_CLASSES)
    begin = classes.find(_LONG_TEXT)
    while begin >= 0:
        rest = _REST.match(classes, begin)
        end = rest.end() if rest else begin
        text = data[begin:end]
        if text.isascii():
            yield begin, text
        else:
            for part in _UTF8.finditer(text):
                yield begin + part.start(), part[0]
        begin = classes.find(_LONG_TEXT, end)


def line_breaks(data: bytes) -> list[int]:
    """Return the positions of all line breaks."""
    return [match.start() for match in re.finditer(rb"\n", data)]


def runs(data: bytes) -> Iterator[Run]:
    """Yield each run of characters that could hold a token, plain or encoded."""
    for match in _RUN.finditer(data):
        text = match[0]
        if len(text) >= SHORTEST:
            start = match.start()
            origin = shifted(Edits(_BREAK_BYTES, nothing, text), start)
            yield Run(text, text.translate(None, BREAK_SIGNS), shifted(int, start), origin)
