"""What people see: lines with a few colours on a terminal, plain lines in a pipe. Nothing is ever cut.

Only styles of our own act on the terminal: control characters in what is printed are escaped. That is the second net;
the first is where objects are read (`views.text`), since only there a line break is foreign.
"""

import itertools
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, TextIO

from servicetokens.runtime.terminal import escape_controls

# Of kubectl's tables (k8s.io/cli-runtime, printers/tabwriter.go): a cell has six columns with its padding of three.
_PADDING: Final = 3
_NARROWEST: Final = 3
# Less room than this for a sentence is worse than a line that the terminal breaks.
_LEAST_WRAPPED: Final = 20
# A paragraph that goes on in the next line, not a word of its own.
_FOLDED: Final = "MESSAGE"
_STYLES: Final[Mapping[str, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
# Where the locale has no symbols: a question mark for each would make "yes" and "no" look alike.
_SYMBOLS: Final = {"✓": "+", "✗": "x", "└": "`", "├": "|", "─": "-", "│": "|", "…": "..."}
_PLAIN: Final = str.maketrans(_SYMBOLS)
_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_RESET: Final = "\x1b[0m"
_WIDE: Final = frozenset({"W", "F"})


@dataclass(frozen=True, slots=True)
class Styled:
    """A text in one of the styles that there are; an empty *style* is none."""

    text: str
    style: str = ""

    def __str__(self) -> str:
        return self.text


Cell = str | Styled
Line = Cell | tuple[Cell, ...]


class Screen:
    """Writes lines to *stream*. *width* is in columns; None means unlimited, as in a pipe."""

    def __init__(self, stream: TextIO, *, width: int | None = None, coloured: bool = False) -> None:
        self.stream = stream
        self.width = width
        self.coloured = coloured

    @classmethod
    def on(cls, stream: TextIO, environment: Mapping[str, str] = os.environ) -> "Screen":
        """Return the screen for *stream*: colours on a terminal (unless `$NO_COLOR`), plain text elsewhere."""
        if not stream.isatty():
            return cls(stream)
        coloured = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        return cls(stream, width=shutil.get_terminal_size().columns, coloured=coloured)

    @property
    def _knows_symbols(self) -> bool:
        try:
            "".join(_SYMBOLS).encode(getattr(self.stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking."""
        return self.stream.isatty()

    def print(self, line: Line = "", style: str = "") -> None:
        """Print a line; a plain text is printed in *style*."""
        parts = line if isinstance(line, tuple) else (line,)
        shown = "".join(self._shown(part, style) for part in parts)
        self._write(shown)

    def paragraph(self, text: str, *, indent: str = "", style: str = "", head: Line = "") -> None:
        """Print *text* behind *head*; what does not fit in the line goes on below it, behind *indent*."""
        parts = head if isinstance(head, tuple) else (head,)
        more = max(0, sum(width_of(str(part)) for part in parts) - width_of(indent))
        lines = self._wrapped(escape_controls(text, keep="\n"), width_of(indent), more)
        for number, line in enumerate(lines):
            self.print((*parts, Styled(line, style)) if number == 0 else (indent, Styled(line, style)))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Print a table whose columns are as wide as what is in them; without *columns* it has no head.

        The last column is folded if it holds sentences, and a terminal has room for it.
        """
        cells = [[_escaped(cell) for cell in row] for row in rows]
        if columns:
            cells.insert(0, [Styled(column, "bold") for column in columns])
        if not cells:
            return
        widths = [
            max(_NARROWEST, *(width_of(row[at].text) for row in cells)) + _PADDING
            for at in range(len(cells[0]))
        ]
        before = sum(widths[:-1])
        folds = not columns or columns[-1] == _FOLDED
        for row in cells:
            head = tuple(
                part
                for cell, width in zip(row[:-1], widths, strict=False)
                for part in (cell, " " * (width - width_of(cell.text)))
            )
            last = row[-1]
            lines = self._wrapped(last.text, before) if folds else [last.text]
            for number, line in enumerate(lines):
                start = head if number == 0 else (" " * before,)
                self.print((*start, Styled(line, last.style)))

    def _wrapped(self, text: str, indent: int, first: int = 0) -> list[str]:
        """Fold *text* behind *indent* columns; the first line has *first* columns less."""
        lines = text.split("\n")
        if self.width is None or self.width - indent < _LEAST_WRAPPED:
            return lines
        return [
            part.removeprefix(start)
            for start, line in zip(itertools.chain([" " * first], itertools.repeat("")), lines, strict=False)
            for part in textwrap.wrap(
                line,
                self.width - indent,
                initial_indent=start,
                break_long_words=False,
                break_on_hyphens=False,
                drop_whitespace=True,
            )
            or [""]
        ]

    def _shown(self, part: Cell, style: str) -> str:
        text = escape_controls(str(part), keep="\n")
        wanted = part.style if isinstance(part, Styled) else style
        codes = [_STYLES[word] for word in wanted.split()]
        return f"\x1b[{';'.join(codes)}m{text}{_RESET}" if codes and text and self.coloured else text

    def _write(self, shown: str) -> None:
        # No spaces before the end of a line, also not those of an empty last cell.
        text = re.sub(r" +(?=\n|$)", "", shown) + "\n"
        self.stream.write(text if self._knows_symbols else text.translate(_PLAIN))
        self.stream.flush()


class Progress:
    """On a terminal, one line that says how much of what is waited for is done; it goes away at the end."""

    def __init__(self, out: Screen, total: int) -> None:
        self._out = out
        self._total = total
        self._turns = itertools.cycle(_SPINNER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._write("")

    def show(self, done: int, what: str) -> None:
        """Say that *done* of all are done, and *what* is waited for."""
        text = f"{next(self._turns)} {done}/{self._total} {escape_controls(what)}"
        # A longer line would wrap, and its beginning could not be erased.
        self._write(text[: max(0, (self._out.width or 0) - 1)])

    def _write(self, text: str) -> None:
        if self._out.is_terminal:
            self._out.stream.write(f"\r\x1b[K{text}")
            self._out.stream.flush()


def screen(*, stderr: bool = False) -> Screen:
    """Return where to write now."""
    return Screen.on(sys.stderr if stderr else sys.stdout)


def width_of(text: str) -> int:
    """Return how many columns *text* takes: letters of East Asia take two, marks above a letter none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in _WIDE else 1
        for one in text
    )


def _escaped(cell: Cell) -> Styled:
    styled = cell if isinstance(cell, Styled) else Styled(cell)
    return Styled(escape_controls(styled.text), styled.style)
