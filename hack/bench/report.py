"""The results: one row per goal, printed as a table and written as a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import Machine


@dataclass(frozen=True)
class Row:
    """One measurement and its goal."""

    what: str
    measured: str
    goal: str
    """What is aimed at; empty for a number that only explains another."""
    met: bool | None = None

    @property
    def mark(self) -> str:
        """Whether the goal was met, in a word."""
        return {True: "yes", False: "**no**", None: ""}[self.met]


@dataclass
class Section:
    """Rows that were measured together, and how."""

    title: str
    method: str
    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, measured: str, goal: str = "", *, met: bool | None = None) -> None:
        """Add a row."""
        self.rows.append(Row(what, measured, goal, met))


HEADER = ("What", "Measured", "Goal", "Met")


def text(sections: Sequence[Section]) -> str:
    """Return the tables for a terminal."""
    lines: list[str] = []
    for section in sections:
        cells = [HEADER] + [
            (row.what, row.measured, row.goal, row.mark.replace("*", "")) for row in section.rows
        ]
        widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
        lines += ["", section.title, ""]
        lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join(lines)


def write_page(
    path: Path,
    machine: Machine,
    sections: Sequence[Section],
    remarks: str,
    *,
    title: str = "Benchmarks",
    command: str = "make bench ARGS=--write",
) -> None:
    """Write a page of `docs/`."""
    lines = [
        f"# {title}",
        "",
        f"Written by `{command}`; one run on one machine, to be compared with itself only.",
        "",
        *(f"- {name}: {value}" for name, value in machine.facts),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", section.method, ""]
        lines += ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
        lines += [f"| {row.what} | {row.measured} | {row.goal} | {row.mark} |" for row in section.rows]
    lines += ["", "## Remarks", "", remarks] if remarks else [""]
    path.write_text("\n".join(lines), encoding="utf-8")
