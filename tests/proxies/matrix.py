"""The page that shows what clients of each proxy see."""

from collections.abc import Sequence
from typing import Final

_HEAD: Final = """\
# What a client sees, behind each proxy

Written by `make matrix` from what was seen with the configurations of these pages, and compared by every run of the
tests. "passed" means that the request reached the service; everywhere else it did not. "with challenge" means that the
client was shown our `WWW-Authenticate`.
"""


def render(names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the page: a row for each case, a column for each proxy."""
    lines = [_HEAD, "| the client sends | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1)]
    lines += [f"| {title} | " + " | ".join(cells) + " |" for title, cells in rows]
    return "\n".join(lines) + "\n"
