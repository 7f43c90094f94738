"""Every command on a page works, in the order in which it stands there, and prints what the page shows."""

import os
import re
from pathlib import Path

import pytest

from common.drivers.walkthrough import (
    DOCS,
    Block,
    agrees,
    blocks,
    columns_of,
    followed_by,
    is_written,
    pages,
    walk,
)
from docs.conftest import Place

# The reader of this page makes by hand what the other pages find there.
FROM_NOTHING = "tutorial.md"
TOKEN = re.compile(r"svt_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_can_be_followed(place: Place, page: Path, tmp_path: Path) -> None:
    """From its first command to its last; it shows no token, and answers as the page says."""
    place.begin(with_examples=page.name != FROM_NOTHING)
    followed = walk(page, tmp_path, place.environment(tmp_path))
    wrong = [
        (block.shown, printed)
        for block, printed in followed
        if block.shown and not agrees(block.shown, printed)
    ]
    assert wrong == []
    assert not TOKEN.search("".join(printed for _, printed in followed))


def test_what_is_tested_elsewhere_is_tested() -> None:
    """A block that cannot be typed here names a test that exists."""
    named = {block.elsewhere for page in pages() for block in blocks(page.read_text()) if block.elsewhere}
    named |= {name for page in DOCS.glob("**/*.md") if (name := followed_by(page))}
    assert named
    assert [name for name in sorted(named) if not is_written(name)] == []


def test_blocks_and_answers_are_found() -> None:
    """What is typed, what is shown below it, and what another test types."""
    page = (
        "```sh\nls\n```\n\n```text\na  b\n```\n\n"
        "<!-- tested by tests/x.py::test_x -->\n```sh\nkind\n```\n\n```yaml\na: b\n```\n"
    )
    assert blocks(page) == [
        Block("ls\n", "a  b\n"),
        Block("kind\n", elsewhere="tests/x.py::test_x"),
    ]


@pytest.mark.parametrize("block", ["  ```sh\n  ls\n  ```\n", "```bash\nls\n```\n", "> ```sh\n> ls\n> ```\n"])
def test_a_block_that_no_reader_would_type_is_noticed(block: str) -> None:
    """An indented one, or one in another language's name, would be left out in silence."""
    with pytest.raises(ValueError, match="begins in another way"):
        blocks(block)


def test_a_page_may_be_typed_on_a_terminal(tmp_path: Path) -> None:
    """As wide as the page says; lines of progress that were erased are not part of what is seen."""
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- typed on a terminal of 72 columns -->\n\n```sh\nstty size <&1\n```\n\n"
        "```sh\nprintf '1/2\\r\\033[Kdone\\n'\n```\n"
    )
    followed = walk(page, tmp_path, {"PATH": os.environ["PATH"]})
    assert [printed for _, printed in followed] == ["24 72\n", "done\n"]


def test_the_session_shows_the_commands_of_the_plugin_on_a_terminal() -> None:
    """Ten of them, each with its answer, at 80 columns."""
    page = DOCS / "guides" / "kubectl.md"
    shown = [
        match[1]
        for block in blocks(page.read_text())
        if block.shown and (match := re.search(r"kubectl servicetoken (\w+)", block.typed))
    ]
    assert columns_of(page) == 80
    assert len(set(shown)) == 10


@pytest.mark.parametrize(
    ("shown", "printed", "holds"),
    [
        ("200\n", "200\n", True),
        ("200\n", "401\n", False),
        ("NAME   AGE\nci     …\n", "NAME AGE\nci 12s\n", True),
        ("NAME   AGE\nci     …\n", "NAME AGE\nother 12s\n", False),
        ("200\n", "200\n200\n", False),
        ("…\nx\n", "a\nb\nx\n", True),
        ("a …\n", "a b\nc\n", False),
    ],
)
def test_answers_are_compared_except_for_omitted_parts(shown: str, printed: str, holds: bool) -> None:
    """`…` is anything; the width of columns is nothing."""
    assert agrees(shown, printed) is holds
