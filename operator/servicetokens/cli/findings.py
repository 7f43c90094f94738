"""What a check found: in one word for programs, in a sentence for people, and how it is shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from servicetokens.cli.screen import Screen, Styled


class Level(StrEnum):
    """How good or bad it is."""

    OK = "ok"
    #: It works, but may stop working, or may be unexpected.
    WARNING = "warning"
    BAD = "bad"
    #: It could not be checked; usually a permission is missing.
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


def show(out: Screen, findings: Iterable[Finding]) -> None:
    """Print *findings*, a line each."""
    out.table((), [(Styled(*_MARKS[one.level]), Styled(one.topic, "bold"), one.message) for one in findings])


def is_bad(findings: Iterable[Finding]) -> bool:
    """Say whether something is wrong."""
    return any(one.level is Level.BAD for one in findings)
