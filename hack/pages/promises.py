"""docs/reference/tests.md: how each promise is tested.

A page says so in a comment right behind the promise, which no reader sees:
`No request is lost <!-- tested: tests/proxies/test_rolling_restart.py::test_no_request_is_lost -->.`
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.repository import ROOT

DOCS: Final = ROOT / "docs"
PAGE: Final = DOCS / "reference" / "tests.md"
MARK: Final = re.compile(r"\s*<!-- tested: (?P<tests>[^>]+?) -->")
_HEAD: Final = """# How each promise is tested

<!-- Written by `make generate`. -->

This page is for contributors and for those who evaluate the project. It names the tests behind the
promises of the other pages; each of them fails if its promise does not hold. Commands on the pages are
run by tests as well, in the order in which they are shown.

"""
_SENTENCE: Final = re.compile(r"(?<=[.:])\s+(?=[A-Z`])")
_CELLS: Final = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Promise:
    """What a page says, and the tests of it."""

    page: Path
    text: str
    tests: tuple[str, ...]


def promises(page: Path) -> Iterator[Promise]:
    """Return what *page* promises, in its order."""
    for block in _blocks(page.read_text()):
        done = 0
        for mark in MARK.finditer(block):
            before = MARK.sub("", block[done : mark.start()] if not block.startswith("|") else block)
            yield Promise(page, _statement(before), tuple(mark["tests"].split(", ")))
            done = mark.end()


def render() -> str:
    """Return the page."""
    parts = [_HEAD]
    for page in sorted(DOCS.glob("**/*.md")):
        found = [] if page == PAGE else list(promises(page))
        if found:
            name = page.relative_to(DOCS).as_posix()
            link = posixpath.relpath(name, PAGE.parent.relative_to(DOCS).as_posix())
            parts.append(f"\n## [{_title(page)}]({link})\n\n| promise | tests |\n|---|---|\n")
            parts += [
                f"| {_moved(one)} | {'<br>'.join(f'`{test}`' for test in one.tests)} |\n" for one in found
            ]
    return "".join(parts)


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")


def _blocks(text: str) -> Iterator[str]:
    """Give paragraphs as one line each, and every row of a table."""
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        if block.startswith("|"):
            yield from lines
        else:
            yield from re.split(r"\s(?=- )", " ".join(line.strip() for line in lines))


def _statement(before: str) -> str:
    if before.startswith("|"):
        cells = [cell.strip() for cell in _CELLS.split(before)[1:-1]]
        return " · ".join(cell for cell in cells if cell and not cell.startswith("tested"))
    return _SENTENCE.split(before.lstrip(". ").removeprefix("- "))[-1].strip()


def _moved(promise: Promise) -> str:
    """Return the text with its links as this page has to write them, and free of what would end a cell."""
    folder = promise.page.parent.relative_to(DOCS).as_posix()
    here = PAGE.parent.relative_to(DOCS).as_posix()

    def replace(match: re.Match[str]) -> str:
        path, hash_mark, anchor = match[1].partition("#")
        place = posixpath.normpath(posixpath.join(folder, path)) if path else _name(promise.page)
        return f"]({posixpath.relpath(place, here)}{hash_mark}{anchor})"

    return re.sub(r"\]\((?!https?:)([^)]+)\)", replace, promise.text)


def _name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()
