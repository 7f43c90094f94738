"""The table of values in the chart's README, from the comments in values.yaml."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from common.drivers.helm import CHART
from common.repository import ROOT

FILES: Final = CHART / "files"
README: Final = CHART / "README.md"
PAGE: Final = ROOT / "docs" / "reference" / "chart.md"
BEGIN: Final = "<!-- Values, written by `make generate`. -->\n"
END: Final = "<!-- The end of the values. -->\n"

_KEY: Final = re.compile(r"^( *)([A-Za-z]+):")
_TEXT: Final = re.compile(r"^ *# -- (.*)$")
_MORE: Final = re.compile(r"^ *# (?!--)(.*)$")
_INDENT: Final = 2


@dataclass(frozen=True)
class Row:
    """One value: where it is, what it is unless changed, and what it means."""

    path: str
    default: Any
    text: str


def rows() -> list[Row]:
    """Return a row for every value that has a comment of its own."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    return [Row(path, _at(values, path), words) for path, words in _described(text)]


def render() -> str:
    """Return the README with the table in it."""
    before, _, rest = README.read_text().partition(BEGIN)
    table = "".join(f"| `{row.path}` | `{json.dumps(row.default)}` | {row.text} |\n" for row in rows())
    return f"{before}{BEGIN}\n| value | default | meaning |\n|---|---|---|\n{table}\n{END}{rest.partition(END)[2]}"


def page() -> str:
    """Return the README as a page of the site, whose folder is as deep."""
    return render().replace("# servicetokens\n", "# Helm chart\n", 1)


def _described(text: str) -> Iterator[tuple[str, str]]:
    above: list[str] = []
    words = ""
    for line in text.splitlines():
        if match := _TEXT.match(line):
            words = match[1]
        elif words and (match := _MORE.match(line)):
            words = f"{words} {match[1]}"
        elif match := _KEY.match(line):
            depth = len(match[1]) // _INDENT
            above = [*above[:depth], match[2]]
            if words:
                yield ".".join(above), words
            words = ""


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values
