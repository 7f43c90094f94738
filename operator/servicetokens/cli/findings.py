"""What a check found: in one word for programs, in a sentence for people, and how it is shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rich.console import Console
from rich.text import Text

from servicetokens.cli.output import print_lines, table
from servicetokens.runtime.terminal import escape_controls


class Level(StrEnum):
    """How good or bad it is."""

    OK = "ok"
    #: It works, and may not go on working, or may surprise somebody.
    WARNING = "warning"
    BAD = "bad"
    #: It could not be looked at; mostly a right is missing.
    UNKNOWN = "unknown"


_MARKS: Final = {
    Level.OK: ("✓", "green"),
    Level.WARNING: ("!", "yellow"),
    Level.BAD: ("✗", "red"),
    Level.UNKNOWN: ("?", "dim"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """About *topic*."""

    level: Level
    topic: str
    message: str


def show(out: Console, findings: Iterable[Finding]) -> None:
    """Print *findings*, a line each."""
    made = table("", "CHECK", "MESSAGE")
    made.show_header = False
    for one in findings:
        mark, style = _MARKS[one.level]
        made.add_row(
            Text(mark, style=style), Text(one.topic, style="bold"), Text(escape_controls(one.message))
        )
    print_lines(out, made)


def is_bad(findings: Iterable[Finding]) -> bool:
    """Say whether something is wrong."""
    return any(one.level is Level.BAD for one in findings)
