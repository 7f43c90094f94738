"""Texts that people read: standard words, lines of at most 100 columns, an introduction, and no paths of tests."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
import yaml

from common.world import ROOT
from pages import commands, metrics
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS

WIDTH: Final = 100
# Words of which a reader has to think twice, and what to write instead.
INSTEAD: Final = {
    r"nobody|somebody|anybody|everybody|whoever|whom|he|she|him|his": "you, they, or the role of the person",
    r"shall": "must, should",
    r"by itself|by themselves": "automatically",
    r"at once": "immediately",
    r"for ever": "never expires",
    r"(?:take|takes|took|taken|taking) (?:it |them |a \w+ )?back": "revoke, undo",
    r"(?:bring|brings|brought|bringing) (?:it |them )?back": "restore",
    r"no good|good token|token is good|are good": "valid, invalid",
    r"refuse|refuses|refused|refusal": "reject",
    r"by (?:TLS|HTTP|gRPC)": "over TLS, HTTP, gRPC",
    r"in the clear": "without TLS",
    r"verdict|verdicts": "decision",
    r"beside|besides": "alongside, in addition",
    r"has not the|have not the": "does not have",
    r"in so many words|without a word|all the same|as ever": "plainly",
}
# Names of the product, of programs and of standards, and headings that other pages and tests refer to.
ALLOWED: Final = (
    r"token refused",
    r"tokens? refused",
    r"ImportRefused",
    r"Refuse it at once",
    r"What to wake somebody for",
    r"verdict +valid",
    r"connection refused",
    r"What nothing stands against",
)
# Not rewritten yet. A page that is clean is taken out of the list: the test says so.
OLD: Final = {
    "CHANGELOG.md",
    "docs/guides/kubectl.md",
    "docs/guides/proxies/matrix.md",
    "docs/concepts/benchmarks.md",
    "docs/reference/events.md",
}
WORDS: Final = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)
PAGES: Final = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "charts/**/*.md")
    for path in ROOT.glob(pattern)
    if "decisions" not in path.parts
)
# Written by a program as one line for each paragraph or by others' tools.
LONG: Final = {
    "CHANGELOG.md",
    "docs/guides/kubectl.md",
    "docs/concepts/benchmarks.md",
    "docs/concepts/scale.md",
}


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


def shown(page: Path) -> str:
    """Return what a reader sees as prose: no code and no comments."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def odd(text: str) -> list[str]:
    """Return the words in *text* that readers do not expect."""
    for phrase in ALLOWED:
        text = re.sub(phrase, "", text)
    without_code = re.sub(r"`[^`]*`", "", text)
    return sorted({match[0].lower() for match in WORDS.finditer(without_code)})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_uses_words_that_readers_know(page: Path) -> None:
    """None that the guide of this project replaces by a standard term; old pages are listed, and no clean one is."""
    found = odd(shown(page))
    if name_of(page) in OLD:
        assert found, f"{name_of(page)} is clean: take it out of OLD"
    else:
        assert found == []


def product_texts() -> Iterator[tuple[str, str]]:
    """Give every text of the product that its users read outside of pages, with where it is."""
    for path, text in commands.pages().items():
        yield path.stem, text
    for metric in (*metrics.of_operator(), *metrics.of_validator()):
        yield metric.name, metric.help
    for kind in KINDS:
        crd = custom_resource_definition(kind)
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        yield from descriptions(schema, kind.kind)
    alerts = yaml.safe_load((ROOT / "charts/servicetokens/files/alerts.yaml").read_text())
    for group in alerts["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert", ""), " ".join(rule.get("annotations", {}).values())
    yield "NOTES.txt", (ROOT / "charts/servicetokens/templates/NOTES.txt").read_text()


def descriptions(schema: object, path: str) -> Iterator[tuple[str, str]]:
    """Give the descriptions of all fields below a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            yield path, schema["description"]
        for name, inner in schema.items():
            yield from descriptions(inner, f"{path}.{name}")


def test_the_product_uses_words_that_readers_know() -> None:
    """In `--help`, descriptions of the CRDs, help of metrics, alerts, and the notes of the chart."""
    texts = list(product_texts())
    assert len(texts) > 100
    assert {where: found for where, text in texts if (found := odd(text))} == {}


def test_a_help_text_is_no_riddle() -> None:
    """Each begins with a capital letter and is more than one word; options of click without a help do not exist."""
    for page in commands.pages_of_commands():
        for option in page.command.params:
            if isinstance(option, click.Option):
                assert option.help, (page.name, option.name)
                assert len(option.help.split()) > 1, (page.name, option.help)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_not_wider_than_a_hundred_columns(page: Path) -> None:
    """But for tables, code, pictures and comments, which cannot be wrapped."""
    if name_of(page) in LONG or "Written by `make" in page.read_text():
        return
    lines = [line for line in shown(page).splitlines() if not line.startswith(("|", "    ", "![", "#"))]
    whole = page.read_text()
    wide = [
        line
        for line in lines
        if len(line) > WIDTH and " " in line.strip() and line in whole and "](" not in line
    ]
    assert wide == [], f"wrap these lines of {name_of(page)} at {WIDTH} columns"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_shows_no_path_of_a_test(page: Path) -> None:
    """They are in comments, of which one page is made; contributors have others."""
    if name_of(page) in {"CONTRIBUTING.md", "CHANGELOG.md", "docs/reference/tests.md"}:
        return
    assert re.findall(r"tests/[\w/]+\.py", shown(page)) == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*/**/*.md")), ids=name_of)
def test_a_page_begins_with_a_paragraph(page: Path) -> None:
    """That says what it is for, before the first heading, table or command."""
    if "decisions" in page.parts:
        return
    _, _, text = page.read_text().partition("\n")
    first = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).strip().partition("\n\n")[0]
    assert first
    assert not first.startswith(("#", "|", "```", "    ", "- "))
