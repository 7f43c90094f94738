"""Text that was broken into lines to each of which something was added, in front or behind: a log, a diff, a comment.

    web-1  | dG9rZW46IHN2dF8wMTIzNDU2Nzg5QUJfMDAzYVVsVEpDN3RqbENUUWoydU5VM01GYWdDWEc5
    web-1  | TFJLUmN3R2tCSURsZjJwdkJHcg==

What was added is not known: it is a name, a time, a mark of a diff. But it has the same number of words on each line,
or its words are shorter than what was broken. So in neighbouring lines the words of the same number are joined, for
each number that has a long word, and the first long ones. A wrong guess costs a little time: the checksum decides.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from servicetokens.cli.leaks.positions import Pieces
from servicetokens.cli.leaks.text import DENSE, SHORTEST, Run

# The narrowest column that is worth a look.
_NARROWEST: Final = 22
# More words than this are before nothing that matters.
_MOST_WORDS: Final = 32
# So many lines are joined together. The last ones before are repeated: a token in base64 has at most five such lines.
_MOST_LINES: Final = 5000
_REPEATED: Final = 8
# So many columns are joined over all lines; the others where they have long words.
_MOST_COLUMNS: Final = 4

_IS_DENSE: Final = re.compile(DENSE)
_CLASSES: Final = bytes(
    ord("\n" if byte == ord("\n") else "d" if _IS_DENSE.match(bytes([byte])) else " ") for byte in range(256)
)
_WORD: Final = re.compile(rb"d+")
# What `text.runs` alone takes for a line break.
_PLAIN_MARGIN: Final = b" \t>|"
# What a diff or a comment puts directly before the text.
_MARKS: Final = b"+-#;%&~"

_Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that has a long word: where it begins and ends, and where the first long word begins."""

    begin: int
    end: int
    word: int


# The last part of a token whose beginning is in the line before, and the beginning of one that ends in the next line.
_TAIL: Final = re.compile(rb"_[0-9A-Za-z]{49}(?![0-9A-Za-z])")
_BEFORE_TAIL: Final = re.compile(rb"(?:[0-9A-Za-z]{0,10}_)?[0-9A-Za-z]{0,12}$")
_HEAD: Final = re.compile(rb"_[0-9A-Za-z]{12}_([0-9A-Za-z]{0,48})(?![0-9A-Za-z])")
_LONGEST_PREFIX: Final = 10
_LONGEST_TAIL: Final = 24
_PLAIN_WORD: Final = re.compile(rb"[0-9A-Za-z_]+")
# Quotation marks, spaces, operators and indentation between two strings.
_CLOSE_BEFORE: Final = re.compile(rb"([0-9A-Za-z_]+)[^0-9A-Za-z_]{1,16}$")
_CLOSE_BEHIND: Final = re.compile(rb"[^0-9A-Za-z_]{1,16}+([0-9A-Za-z]{1,49}+)")
# How far from the line break the other part of a token is looked for.
_REACH: Final = 400


def columns(data: bytes) -> Iterator[Run]:
    """Yield what long words of neighbouring lines are when they are joined."""
    classes = data.translate(_CLASSES)
    long = b"d" * _NARROWEST
    block: list[_Line] = []
    at = classes.find(long)
    while at >= 0:
        begin = classes.rfind(b"\n", 0, at) + 1
        end = _line_end(classes, at)
        if block and (begin != block[-1].end + 1 or len(block) == _MOST_LINES):
            yield from _joined(data, classes, block)
            block = block[-_REPEATED:] if begin == block[-1].end + 1 else []
        block.append(_Line(begin, end, at))
        at = classes.find(long, end)
    if block:
        yield from _joined(data, classes, block)


def broken_tokens(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield where a token may begin that was broken in two, its text, and how much of that is of the first part.

    The parts stand on neighbouring lines, or close to each other: `"svt_0123" + "4567"`.
    """
    for match in _TAIL.finditer(data):
        start = match.start()
        before = _BEFORE_TAIL.search(data, max(0, start - _LONGEST_TAIL), start)
        text = (before[0] if before else b"") + match[0]
        edge = start - len(text) + len(match[0])
        if (close := _CLOSE_BEFORE.search(data, max(0, edge - 2 * _LONGEST_TAIL), edge)) is not None:
            yield close.start(), close[1] + text, len(close[1])
        # Longer lines are not searched for their end: a text of one line would be, for each match.
        line = data.rfind(b"\n", max(0, start - _REACH), start)
        if line >= 0:
            begin = data.rfind(b"\n", max(0, line - _REACH), line) + 1
            for word in list(_PLAIN_WORD.finditer(data, max(begin, line - _REACH), line))[-_MOST_WORDS:]:
                yield word.start(), word[0] + text, len(word[0])
    for match in _HEAD.finditer(data):
        start = max(0, match.start() - _LONGEST_PREFIX)
        head = data[start : match.end()]
        missing = 49 - len(match[1])
        if len(rest := _close_behind(data, match.end(), missing)) == missing:
            yield start, head + rest, len(head)
        begin = data.find(b"\n", match.end(), match.end() + _REACH) + 1
        for word in _PLAIN_WORD.finditer(data, begin, begin + _REACH) if begin else ():
            if len(word[0]) >= missing:
                yield start, head + word[0][:missing], len(head)


def _close_behind(data: bytes, position: int, length: int) -> bytes:
    """Return the next *length* letters and digits behind *position*, in words that are close to each other."""
    rest = b""
    while len(rest) < length and (word := _CLOSE_BEHIND.match(data, position)) is not None:
        rest += word[1]
        position = word.end()
    return rest[:length]


def _joined(data: bytes, classes: bytes, block: Sequence[_Line]) -> Iterator[Run]:
    """Yield the words of the same number in *block*, with the line before and the one behind, and the long words."""
    if not _is_worth_it(classes, block):
        return
    done: list[list[_Span]] = []
    numbers = _numbers(classes, block)
    frequent = sorted(numbers, key=lambda number: len(numbers[number]), reverse=True)[:_MOST_COLUMNS]
    for number, lines in numbers.items():
        for first, last in [(0, len(block) - 1)] if number in frequent else _together(lines):
            spans = _column(classes, block[max(first - 1, 0)], block[min(last + 1, len(block) - 1)], number)
            yield from _runs(data, spans)
            done.append(spans)
    # What is before and behind is taken from the last column.
    before = [span for span in done[-1][:1] if span[1] < block[0].begin]
    behind = [span for span in done[-1][-1:] if span[0] > block[-1].end]
    spans = [*before, *(_span(classes, line.word) for line in block), *behind]
    if spans not in done:
        yield from _runs(data, spans)


def _column(classes: bytes, first: _Line, last: _Line, number: int) -> list[_Span]:
    """Return where the word with *number* is in each line, from the one before *first* to the one behind *last*."""
    begin = classes.rfind(b"\n", 0, max(first.begin - 1, 0)) + 1
    end = _line_end(classes, min(last.end + 1, len(classes)))
    return [match.span(1) for match in _numbered(number).finditer(classes, begin, end)]


def _is_worth_it(classes: bytes, block: Sequence[_Line]) -> bool:
    """Say whether the words of *block*, with a shorter one before and behind, can be as long as a token."""
    if len(block) * _NARROWEST >= SHORTEST:
        return True
    begin = classes.rfind(b"\n", 0, max(block[0].begin - 1, 0)) + 1
    end = _line_end(classes, min(block[-1].end + 1, len(classes)))
    return sum(max(map(len, line.split(b" "))) for line in classes[begin:end].split(b"\n")) >= SHORTEST


def _line_end(classes: bytes, position: int) -> int:
    at = classes.find(b"\n", position)
    return len(classes) if at < 0 else at


def _span(classes: bytes, position: int) -> _Span:
    match = _WORD.match(classes, position)
    return match.span() if match else (position, position)


def _numbers(classes: bytes, block: Sequence[_Line]) -> Mapping[int, Sequence[int]]:
    """Return for each number of a word in which lines of *block* it is a long one."""
    long = b"d" * _NARROWEST
    numbers = defaultdict[int, list[int]](list)
    for index, line in enumerate(block):
        at = line.word
        for _ in range(_MOST_COLUMNS):
            number = len(classes[line.begin : at].split())
            numbers[min(number, _MOST_WORDS)].append(index)
            at = classes.find(long, _span(classes, at)[1], line.end)
            if at < 0:
                break
    return numbers


def _together(lines: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of *lines* that follow each other with at most one line between them."""
    first = before = lines[0]
    for line in lines[1:]:
        if line > before + 2:
            yield first, before
            first = line
        before = line
    yield first, before


@cache
def _numbered(number: int) -> re.Pattern[bytes]:
    """Return what finds the word with *number* in each line, or its last one if it has fewer."""
    return re.compile(rb"(?m)^[^d\n]*(?:d++[^d\n]++){0,%d}(d++)" % number)


def _runs(data: bytes, spans: Sequence[_Span]) -> Iterator[Run]:
    """Yield the words at *spans* joined, and again without marks in front of them."""
    pieces = [data[begin:end] for begin, end in spans]
    if sum(map(len, pieces)) < SHORTEST:
        return
    starts = [begin for begin, _ in spans]
    if any(not _is_bare(data, span) for span in spans):
        yield _run(starts, pieces)
    # The line before and the line behind may be anything.
    if 2 * sum(piece[0] in _MARKS for piece in pieces) >= max(len(pieces) - 2, 1):
        # As many as the others have, because base64 may begin with `+` itself.
        marked = [len(piece) - len(piece.lstrip(piece[:1])) for piece in pieces if piece[0] in _MARKS]
        number = min(marked)
        bare = [piece[number:] if piece[0] in _MARKS else piece for piece in pieces]
        yield _run(starts, bare)


def _run(starts: Sequence[int], pieces: Sequence[bytes]) -> Run:
    return Run(b"\n".join(pieces), b"".join(pieces), Pieces(starts, pieces, 1), Pieces(starts, pieces))


def _is_bare(data: bytes, span: _Span) -> bool:
    """Say whether nothing is on the line but the word at *span* and what `text.runs` overlooks anyway."""
    begin, end = span
    line = data.rfind(b"\n", 0, begin) + 1
    after = data.find(b"\n", end)
    behind = data[end : len(data) if after < 0 else after]
    return not data[line:begin].strip(_PLAIN_MARGIN) and not behind.strip()
