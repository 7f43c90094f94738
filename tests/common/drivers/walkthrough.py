"""Pages of `docs/` whose commands a test types, from the first to the last, and whose shown answers it compares.

A page is written by these rules:

- What is in a block ```` ```sh ```` is typed, in one shell for the whole page.
- A block ```` ```text ```` right below it is what is printed then, where `…` stands for anything.
- A page that needs another beginning says below its title which test follows it, section by section (`Runbook`):
  `<!-- followed by tests/integration/moving/test_guides.py::test_moving_out_as_the_page_says -->`.
- A page that shows what a terminal shows says below its title how wide that is: everything on it is typed there, and
  nothing that is printed is wider: `<!-- typed on a terminal of 80 columns -->`.
- What cannot be typed here (a container engine, a node) says which test does it instead, in a line above the block:
  `<!-- tested by tests/docs/test_readme.py::test_the_demo_ends_without_interaction -->`.
"""

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.repository import ROOT
from controlplane.waiting import patient

DOCS: Final = ROOT / "docs"
TEST: Final = re.compile(r"(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)")
"""How pages name a test."""
_BLOCK: Final = re.compile(
    r"(?:^<!-- tested by (?P<elsewhere>\S+) -->\n)?"
    r"^```sh\n(?P<typed>.*?)^```$"
    r"(?:\n+```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_FOLLOWED: Final = re.compile(r"^<!-- followed by (\S+) -->$", re.MULTILINE)
_TERMINAL: Final = re.compile(r"^<!-- typed on a terminal of (\d+) columns -->$", re.MULTILINE)
# What a line of progress is removed with, before the line that stays is printed.
_LINE_ERASED: Final = "\r\x1b[K"
_ANY_SHELL: Final = re.compile(r"^[ >]*```\s*(?:sh|bash|shell|console)\b", re.MULTILINE)
_SHELL: Final = ("bash", "-euo", "pipefail", "-c")
_END_OF_BLOCK: Final = "--- the end of a block ---"
_ANYTHING: Final = "…"
_LINES: Final = "(?:[^\n]*\n)*"
# `kubectl wait` on these pages gives up on its own; this one is for a server that hangs.
_SECONDS: Final = 150


@dataclass(frozen=True)
class Block:
    """What is to be typed, what is printed then if the page says so, and which test types it if not this one."""

    typed: str
    shown: str = ""
    elsewhere: str = ""


def pages() -> list[Path]:
    """Return every page that has something to type, except those that another test follows, and for runbooks.

    Each section of those has its own beginning.
    """
    found = [page for page in sorted(DOCS.glob("**/*.md")) if _ANY_SHELL.search(page.read_text())]
    return [page for page in found if page.parent.name != "runbooks" and not followed_by(page)]


def followed_by(page: Path) -> str:
    """Return the name of the test that follows *page*, or nothing when it is typed from its beginning to its end."""
    match = _FOLLOWED.search(page.read_text())
    return match[1] if match else ""


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page.

    Raises:
        ValueError: there is a block that these rules do not see, such as an indented one.
    """
    found = [
        Block(match["typed"], match["shown"] or "", match["elsewhere"] or "")
        for match in _BLOCK.finditer(text)
    ]
    if len(found) != len(_ANY_SHELL.findall(text)):
        message = "a block of commands begins in another way than ```sh at the beginning of a line"
        raise ValueError(message)
    return found


def is_written(name: str) -> bool:
    """Say whether `tests/...py::test_...` is the name of a test."""
    match = TEST.fullmatch(name)
    if match is None or not (ROOT / match["file"]).is_file():
        return False
    text = (ROOT / match["file"]).read_text()
    return re.search(rf"^(?:async )?def {match['name']}\(", text, re.MULTILINE) is not None


def walk(page: Path, directory: Path, environment: Mapping[str, str]) -> list[tuple[Block, str]]:
    """Type what *page* says, and return its blocks with what was printed."""
    typed = [block for block in blocks(page.read_text()) if not block.elsewhere]
    script = "".join(f"{block.typed}echo '{_END_OF_BLOCK}'\n" for block in typed)
    columns = columns_of(page)
    if columns:
        code, output = _on_terminal(script, columns, directory, environment)
    else:
        done = subprocess.run(
            [*_SHELL, script],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patient(_SECONDS),
            check=False,
        )
        code, output = done.returncode, done.stdout
    assert code == 0, output
    printed = output.split(f"{_END_OF_BLOCK}\n")[:-1]
    return list(zip(typed, printed, strict=True))


def columns_of(page: Path) -> int:
    """Return how wide the terminal is that *page* is typed on; 0 is no terminal."""
    match = _TERMINAL.search(page.read_text())
    return int(match[1]) if match else 0


def _on_terminal(
    script: str, columns: int, directory: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run *script* where its output is a terminal; return its exit code, and what is to be seen at the end."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with subprocess.Popen(
        [*_SHELL, script],
        cwd=directory,
        env={**environment, "TERM": "xterm", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            output = _read_until(ours, time.monotonic() + patient(_SECONDS))
            code = process.wait(patient(_SECONDS))
        finally:
            os.close(ours)
            process.kill()
    lines = output.decode().replace("\r\n", "\n").split("\n")
    return code, "\n".join(line.rpartition(_LINE_ERASED)[2] for line in lines)


def _read_until(terminal: int, deadline: float) -> bytes:
    """Read what is written to a terminal until no process has it open any more, or until *deadline*."""
    found = b""
    while select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
        try:
            found += os.read(terminal, 65536)
        except OSError:
            # The last one who could write has ended.
            break
    return found


def agrees(shown: str, printed: str) -> bool:
    """Say whether *printed* is what a page shows. How far apart columns are does not matter.

    `…` is anything in a line; a line that is nothing else stands for any lines.
    """
    lines = "".join(_LINES if line == _ANYTHING else _pattern(line) for line in _narrow(shown))
    return re.fullmatch(lines, "".join(f"{line}\n" for line in _narrow(printed))) is not None


def _pattern(line: str) -> str:
    return "[^\n]*".join(re.escape(part) for part in line.split(_ANYTHING)) + "\n"


def _narrow(text: str) -> list[str]:
    return [re.sub(r"[ \t]+", " ", line).strip() for line in text.strip().splitlines()]
