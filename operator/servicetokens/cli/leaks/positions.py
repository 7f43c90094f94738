"""Where decoded bytes come from: a position in what was decoded leads back to a position in the data."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, TypeAlias


class Origin(Protocol):
    """Tells where in the data a position in what was decoded from it comes from."""

    def __call__(self, position: int, /) -> int:
        """Return the position in the data."""
        ...


Decoded: TypeAlias = tuple[bytes, Origin]
Value: TypeAlias = Callable[[re.Match[bytes]], bytes]


def replaced(pattern: re.Pattern[bytes], value: Value, data: bytes) -> bytes:
    """Return what `pattern.sub` does, without a list of all pieces: that takes thirty times the memory of the data."""
    out = bytearray()
    end = 0
    for match in pattern.finditer(data):
        out += data[end : match.start()]
        out += value(match)
        end = match.end()
    out += data[end:]
    return bytes(out)


class Edits:
    """Where a position in `replaced(pattern, value, data)` comes from. Computed at the first use."""

    def __init__(self, pattern: re.Pattern[bytes], value: Value, data: bytes) -> None:
        self._pattern, self._value, self._data = pattern, value, data
        self._after: array[int] | None = None
        self._from = array("q")

    def __call__(self, position: int, /) -> int:
        """See `Origin`."""
        if self._after is None:
            self._after = array("q")
            grown = 0
            for match in self._pattern.finditer(self._data):
                grown += len(self._value(match)) - len(match[0])
                self._after.append(match.end() + grown)
                self._from.append(match.end())
        at = bisect_right(self._after, position) - 1
        return position if at < 0 else self._from[at] + position - self._after[at]


class Pieces:
    """Where a position in `separator.join(pieces)` comes from; *starts* are those of the pieces in the data."""

    def __init__(self, starts: Sequence[int], pieces: Sequence[bytes], separator: int = 0) -> None:
        self._starts, self._pieces, self._separator = starts, pieces, separator
        self._ends: list[int] = []

    def __call__(self, position: int, /) -> int:
        """See `Origin`."""
        if not self._ends:
            self._ends = list(accumulate(len(piece) + self._separator for piece in self._pieces))
        number = min(bisect_right(self._ends, position), len(self._starts) - 1)
        return self._starts[number] + position - (self._ends[number - 1] if number else 0)


@dataclass(frozen=True, slots=True)
class Scaled:
    """From *begin* on, *factor* signs stand for one byte; the first byte is number *skipped*."""

    begin: int
    skipped: int
    factor: float

    def __call__(self, position: int, /) -> int:
        """See `Origin`."""
        return self.begin + int((self.skipped + position) * self.factor)


def shifted(inner: Origin, start: int) -> Origin:
    """Return *inner* for data that begins at *start*."""
    return lambda position: start + inner(position)


def chained(inner: Origin, outer: Origin) -> Origin:
    """Return *inner* for data that was itself decoded, as *outer* tells."""
    return lambda position: outer(inner(position))


def at(start: int) -> Origin:
    """Return *start* for every position: what was decoded has no lines of the data."""
    return lambda _position: start


def nothing(_match: re.Match[bytes]) -> bytes:
    """Replace a match by nothing."""
    return b""
