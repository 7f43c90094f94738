"""Escapes of text: percent signs, backslashes, HTML entities, quoted-printable and the encoded words of mail headers.

Equal escapes that follow each other are decoded in one step: data of nothing else would cost seconds for a megabyte.
"""

import binascii
import html
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from servicetokens.cli.leaks.positions import Decoded, Edits, Value, at, chained, nothing, replaced, shifted
from servicetokens.cli.leaks.text import Run, texts

_PERCENT: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")
_BACKSLASH: Final = re.compile(
    rb"((?:\\u00[0-9A-Fa-f]{2})++)|((?:\\x[0-9A-Fa-f]{2})++)|((?:\\[abefnrtv!-/:-@\[-`{-~])++)"
    rb"|\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|([0-3][0-7]{2})|(?:\r\n?|\n)[ \t]*)"
)
_SIMPLE: Final = bytes.maketrans(b"abefnrtv", b"\a\b\x1b\f\n\r\t\v")
_ENTITY: Final = re.compile(rb"(?:&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,20});)++")
# Entities as every tool writes them: replaced one kind after the other, the ampersand last.
_ENTITIES: Final = ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&#39;", b"'"), (b"&amp;", b"&"))
_SOFT_BREAK: Final = re.compile(rb"[^=]=[ \t]*(?:\r\n?|\n)")
_QUOTED: Final = re.compile(rb"(?:=[0-9A-Fa-f]{2})++|==|=[ \t]*(?:\r\n?|\n)(?:> ?)*")
# Two equals signs are the padding of base64: a log has thousands of digests, and none of them is quoted-printable.
_QUOTED_PROOF: Final = re.compile(rb"(?<!=)=(?:[0-9A-Fa-f]{2}|[ \t]*[\r\n])")
# The same below each other in a block with an indentation, as YAML and Markdown have it.
_INDENTED_BREAK: Final = re.compile(rb"[^=]=[ \t]*(?:\r\n?|\n)[ \t]")
_INDENTED: Final = re.compile(rb"(?:=[0-9A-Fa-f]{2})++|==|=[ \t]*(?:\r\n?|\n)[ \t]*(?:> ?)*")
_BLANK_BREAK: Final = re.compile(rb"=[ \t]+(?:\r\n?|\n)(?:> ?)*")
# The most frequent of those, without a step for each: a break, the quotation marks behind it, and then itself.
_QUOTES: Final = ((b"=\n> ", b"=\n"),) * 3 + ((b"=\n>", b"=\n"), (b"=\n> ", b"=\n")) * 2
_SOFT_BREAKS: Final = ((b"=\r\n", b"=\n"), *_QUOTES, (b"=\n", b""))

_LONG_WORD: Final = rb"[0-9A-Za-z+/=_-]{22}"
_SPACED_STRING: Final = re.compile(
    rb"\\n(?:\\t|[ \t])*(?:[>|]|(?:0x)?[0-9A-Fa-f]{4,16}:?[ \t]|[0-9]{2,3},)"
    rb"|=(?:\\r)?\\n|\?=(?:\\r)?\\n"
    # The same behind a prefix on each line, and long words.
    rb"|\\[nr](?:[^\n\\]|\\[t\"]){0,80}?(?:%b|(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{6,16}:?(?:[ \t]|\\t)"
    rb"|(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{1,3},? ){4})|\\[nr](?<=%b\\[nr])" % (_LONG_WORD, _LONG_WORD)
)

# RFC 2047: a long header consists of several words, between which white space does not count.
_WORD: Final = rb"=\?[^?\s]{1,40}\?([BbQq])\?([^?\s]{0,2000})\?="
_WORDS: Final = re.compile(
    rb"%b(?:(?:\s{1,8}|[^\n?]{0,8}\n[^\n?]{0,100}?)%b)*+" % (_WORD, _WORD.replace(b"(", b"(?:"))
)
_ONE_WORD: Final = re.compile(_WORD)


def unquoted(data: bytes) -> Iterator[Decoded]:
    """Yield *data* without the soft line breaks and escapes of quoted-printable (RFC 2045), if it has such breaks.

    They may stand anywhere, also between words, so all of the text around is decoded and not one run.
    """
    yield from _in_texts(data, _SOFT_BREAK, _QUOTED_KIND)
    yield from _in_texts(data, _INDENTED_BREAK, _INDENTED_KIND)


def spaced_strings(data: bytes) -> Iterator[Decoded]:
    """Yield *data* without backslash escapes if a string in it seems to hold encoded lines that have spaces.

    Those are lines of a hex dump, of a quoted mail, with a prefix, and soft line breaks. Other strings are decoded run
    by run.
    """
    for begin, end in _lines_with(data, _SPACED_STRING):
        for decoded, origin in _in_texts(data[begin:end], _SPACED_STRING, _BACKSLASH_KIND):
            yield decoded, shifted(origin, begin)


def encoded_words(data: bytes) -> Iterator[Decoded]:
    """Yield what the encoded words of mail headers (RFC 2047) mean; neighbours make one text."""
    if b"=?" in data:
        for match in _WORDS.finditer(data):
            pieces = (_word(found) for found in _ONE_WORD.finditer(match[0]))
            yield b"".join(pieces), at(match.start())


def unescaped(run: Run) -> Iterator[Decoded]:
    """Yield *run* with each kind of escape taken out that it has, one kind at a time; also on one line.

    A terminal may break an escape in two.
    """
    for kind in _KINDS:
        if kind.sign not in run.text or not kind.is_in(run.text):
            continue
        for text, origin in ((run.text, run.source), (run.joined, run.origin)):
            decoded = kind.decode(text)
            if decoded != text:
                yield decoded, chained(Edits(kind.pattern, kind.value, text), origin)
            if run.joined == run.text:
                break


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of escape: a sign that all of them have, what they look like, and what a match means."""

    sign: bytes
    pattern: re.Pattern[bytes]
    value: Value
    #: A quicker function that means the same.
    quick: Callable[[bytes], bytes] | None = None
    #: What a text has that is worth decoding; None if the sign is enough.
    proof: re.Pattern[bytes] | None = None

    def is_in(self, data: bytes) -> bool:
        """Say whether *data*, which has the sign, is worth decoding."""
        return self.proof is None or self.proof.search(data) is not None

    def decode(self, data: bytes) -> bytes:
        """Return *data* without these escapes."""
        return self.quick(data) if self.quick else replaced(self.pattern, self.value, data)


def _in_texts(data: bytes, sign: re.Pattern[bytes], kind: _Kind) -> Iterator[Decoded]:
    """Decode each text in *data* that has *sign*. Random bytes have any sign, and no text."""
    if sign.search(data):
        for start, text in texts(data):
            if sign.search(text):
                yield kind.decode(text), shifted(Edits(kind.pattern, kind.value, text), start)


def _lines_with(data: bytes, sign: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of the lines of *data* that have *sign*; neighbours together."""
    region: tuple[int, int] | None = None
    match = sign.search(data)
    while match:
        begin = data.rfind(b"\n", 0, match.start()) + 1
        end = data.find(b"\n", match.end()) + 1 or len(data)
        if region and begin <= region[1]:
            begin = region[0]
        elif region:
            yield region
        region = begin, end
        match = sign.search(data, end)
    if region:
        yield region


def _percent(match: re.Match[bytes]) -> bytes:
    return binascii.a2b_hex(match[0].replace(b"%", b""))


def _backslash(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return binascii.a2b_hex(match[1].replace(b"\\u00", b""))
    if match[2]:
        return binascii.a2b_hex(match[2].replace(b"\\x", b""))
    if match[3]:
        # Before punctuation it stands for that, as in Markdown.
        return match[3][1::2].translate(_SIMPLE)
    if match[6]:
        return bytes([int(match[6], 8)])
    point = match[4] or match[5]
    # Before a line break it joins two lines.
    return _utf8(int(point, 16)) if point else b""


def _utf8(point: int) -> bytes:
    return chr(point).encode("utf-8", "replace") if point <= sys.maxunicode else b"?"


def _entity(match: re.Match[bytes]) -> bytes:
    return html.unescape(match[0].decode("ascii")).encode("utf-8", "replace")


def _quoted(match: re.Match[bytes]) -> bytes:
    digits = match[0].replace(b"=", b"")
    if not digits:
        return b"="
    return b"" if digits[:1] in b" \t\r\n" else binascii.a2b_hex(digits)


def _unquoted(data: bytes) -> bytes:
    for old, new in _SOFT_BREAKS:
        data = data.replace(old, new)
    return binascii.a2b_qp(replaced(_BLANK_BREAK, nothing, data))


def _unreferenced(data: bytes) -> bytes:
    for old, new in _ENTITIES:
        data = data.replace(old, new)
    return replaced(_ENTITY, _entity, data)


def _word(match: re.Match[bytes]) -> bytes:
    if match[1] in b"Qq":
        return _QUOTED_KIND.decode(match[2].replace(b"_", b" "))
    try:
        return binascii.a2b_base64(match[2] + b"==")
    except binascii.Error:
        return b""


_BACKSLASH_KIND: Final = _Kind(b"\\", _BACKSLASH, _backslash)
_QUOTED_KIND: Final = _Kind(b"=", _QUOTED, _quoted, _unquoted, _QUOTED_PROOF)
_INDENTED_KIND: Final = _Kind(b"=", _INDENTED, _quoted)
_KINDS: Final = (
    _Kind(b"%", _PERCENT, _percent),
    _BACKSLASH_KIND,
    _Kind(b"&", _ENTITY, _entity, _unreferenced),
    _QUOTED_KIND,
)
