"""Texts that people read: standard words, lines of at most 100 columns, an introduction, and no paths of tests."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Final

import click
import pytest

from common.repository import ROOT
from pages import commands
from unit.docs import wording

WIDTH: Final = 100
PAGES: Final = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "charts/**/*.md")
    for path in ROOT.glob(pattern)
    if "decisions" not in path.parts
)
DECISIONS: Final = sorted((ROOT / "docs" / "decisions").glob("*.md"))
# Written by a program, with lines as long as its texts are.
LONG: Final = {"docs/concepts/benchmarks.md", "docs/concepts/scale.md"}


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


def shown(page: Path) -> str:
    """Return what a reader sees as prose: no code and no comments."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES + DECISIONS, ids=name_of)
def test_a_page_uses_words_that_readers_know(page: Path) -> None:
    """None that the guide of this project replaces by a standard term."""
    assert wording.odd(shown(page)) == []


def test_the_product_uses_words_that_readers_know() -> None:
    """In messages, conditions, log events, `--help`, CRDs, metrics, alerts, policies, chart values, OpenAPI, demo."""
    texts = list(wording.product_texts())
    assert len(texts) > 1000
    assert {where: found for where, text in texts if (found := wording.odd(text))} == {}


@pytest.mark.parametrize("folder", ["operator/servicetokens", "hack", "tests"])
def test_the_code_uses_words_that_maintainers_know(folder: str) -> None:
    """In docstrings and comments: the same list as for users."""
    found = {where: words for where, text in wording.comments(ROOT / folder) if (words := wording.odd(text))}
    assert found == {}


@pytest.mark.parametrize("folder", ["operator/servicetokens", "hack"])
def test_names_in_the_code_are_terms_that_maintainers_know(folder: str) -> None:
    """Of modules, classes and functions: a reader looks for the parts of a controller under the names of Kubernetes."""
    assert list(wording.odd_names(ROOT / folder)) == []


def test_a_word_is_found_in_every_form_of_a_name(tmp_path: Path) -> None:
    """In a module, a class, a function; as one word among several, and not as a part of one."""
    (tmp_path / "verdicts.py").write_text(
        "class RequestGate:\n    def _judge_it(self): ...\ndef delegate(): ...\n"
    )
    found = ["verdicts.py: verdicts", "verdicts.py: RequestGate", "verdicts.py: _judge_it"]
    assert list(wording.odd_names(tmp_path)) == found


def test_names_of_tests_use_words_that_maintainers_know() -> None:
    """They state behaviour, and a failure shows them without their docstrings."""
    found = {
        name: words
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"def test_(\w+)", path.read_text())
        if (words := wording.odd(name.replace("_", " ")))
    }
    assert found == {}


def test_comments_on_several_lines_are_read_together(tmp_path: Path) -> None:
    """So that a phrase across the end of a line is found; names between asterisks and in backticks are code."""
    (tmp_path / "one.py").write_text('x = 1  # It is\n# gone.\n\n# *judge* and `nobody`\n"""Refused."""\n')
    found = [words for _, text in wording.comments(tmp_path) if (words := wording.odd(text))]
    assert found == [["refused"], ["is gone"]]


@pytest.mark.parametrize(
    "text",
    [
        "Nobody has asked for it.",
        "The token is refused at once.",
        "It is taken\naway by itself.",
        "Reachable by HTTP, in the clear.",
        "The account has not the role.",
        "You may not list pods.",
        "The Secret is gone.",
    ],
)
def test_odd_words_are_found(text: str) -> None:
    """In any case, at the beginning of a sentence, and across the end of a line; names in code do not count."""
    assert wording.odd(text) != []
    assert wording.odd(f"`{text}`") == []


def test_every_listed_word_has_a_replacement() -> None:
    """The list is for people who write, too: about a hundred words, each with what to write instead."""
    assert sum(words.count("|") + 1 for words in wording.INSTEAD) > 100
    assert all(wording.INSTEAD.values())


def test_every_option_has_a_help_text() -> None:
    """Each begins with a capital letter and is more than one word; options of click without a help do not exist."""
    for page in commands.pages_of_commands():
        for option in page.command.params:
            if isinstance(option, click.Option):
                assert option.help, (page.name, option.name)
                assert len(option.help.split()) > 1, (page.name, option.help)


def test_a_switch_says_what_it_does_without_it() -> None:
    """`--wait / --no-wait` alone leaves open whether a command waits."""
    for page in commands.pages_of_commands():
        for option in page.command.params:
            if isinstance(option, click.Option) and option.secondary_opts:
                _, text = option.get_help_record(page.context) or ("", "")
                assert "[default: " in text, (page.name, option.opts)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_not_wider_than_a_hundred_columns(page: Path) -> None:
    """Except tables, code, pictures and comments, which cannot be wrapped."""
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


@pytest.mark.parametrize("page", PAGES + DECISIONS, ids=name_of)
def test_every_column_of_a_table_has_a_heading(page: Path) -> None:
    """Also the first one, so that a reader, and a screen reader, knows what the cells below it are."""
    lines = shown(page).splitlines()
    headings = [above for above, below in pairwise(lines) if re.fullmatch(r"\|[-| :]+\|", below)]
    assert [heading for heading in headings if re.search(r"\|\s*\|", heading)] == []


@pytest.mark.parametrize("page", PAGES + DECISIONS, ids=name_of)
def test_no_table_is_empty(page: Path) -> None:
    """A heading without rows looks as if something were missing."""
    lines = [*shown(page).splitlines(), ""]
    rules = [number for number, line in enumerate(lines) if re.fullmatch(r"\|[-| :]+\|", line)]
    assert [lines[number - 1] for number in rules if not lines[number + 1].startswith("|")] == []


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
