"""Lines that a terminal broke at its width, put together again, also where each of them has a prefix or spaces.

    Nov 30 10:29:30 node-1 app[4711]: 00000000: 7376 745f 3031 3233 3435 3637 3839 4
    142  svt_0123456789AB
    Nov 30 10:29:31 node-1 app[4712]: 00000010: 5f30 3061 556c 544a 4337 746a 6c43 5

Words without spaces are joined anyway (text, lines); a dump has to be put together first.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from servicetokens.cli.leaks.positions import Decoded, Pieces
from servicetokens.cli.leaks.text import SHORTEST

# Terminals are so wide.
_WIDTHS: Final = range(40, 501)
# So many lines around the broken ones are read with them.
_AROUND: Final = 3
# A line in more pieces than this is a text without line breaks of its own, which is read in other ways.
_MOST_PIECES: Final = 64
_LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# How two lines are compared: so many signs, any digit like another one.
_COMPARED: Final = 6
_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")


def unfolded(data: bytes) -> Iterator[Decoded]:
    """Yield the parts of *data* that a terminal seems to have broken, with the broken lines joined."""
    lines = _LONE_RETURN.sub(b"\n", data).split(b"\n")
    width = max(map(len, lines))
    if width not in _WIDTHS:
        return
    full = [number for number, line in enumerate(lines[:-1]) if len(line) == width]
    if not full or _are_own_lines(lines, full):
        return
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for first, last in _groups(full):
        begin, end = max(first - _AROUND, 0), min(last + 1 + _AROUND, len(lines))
        joined = _joined(lines[begin:end], width)
        # In compressed data, a carriage return is no line break.
        if joined is not None and len(b"".join(joined)) >= SHORTEST and not _CONTROL.search(b"".join(joined)):
            yield b"".join(joined), Pieces(starts[begin:end], joined)


def _are_own_lines(lines: Sequence[bytes], full: Sequence[int]) -> bool:
    """Say whether most lines behind those of full width begin as these do: then they are lines of a log."""
    alike = sum(
        lines[number][:_COMPARED].translate(_ALIKE) == lines[number + 1][:_COMPARED].translate(_ALIKE)
        for number in full
    )
    return 2 * alike > len(full)


def _groups(full: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of the lines of full width that are near each other."""
    first = before = full[0]
    for number in full[1:]:
        if number > before + 2 * _AROUND:
            yield first, before
            first = number
        before = number
    yield first, before


def _joined(lines: Sequence[bytes], width: int) -> list[bytes] | None:
    """Return *lines* with a break behind each that is not of full *width*; None if one has too many pieces."""
    pieces = 0
    joined = []
    for line in lines:
        pieces = pieces + 1 if len(line) == width else 0
        if pieces > _MOST_PIECES:
            return None
        joined.append(line if len(line) == width else line + b"\n")
    return joined
