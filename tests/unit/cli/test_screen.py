"""What people see: nothing is cut, columns are as wide as what is in them, sentences keep their indent."""

import io
import itertools

import pytest

from servicetokens.cli.screen import Progress, Screen, Styled, width_of

NAMES = ["ci-staging", "a-very-long-name-of-a-token-that-somebody-has-chosen", "x"]


class Terminal(io.StringIO):
    """A stream that says that a person is looking."""

    def isatty(self) -> bool:
        """See `io.IOBase`."""
        return True


def shown(screen: Screen) -> list[str]:
    """Return the lines on the screen."""
    assert isinstance(screen.stream, io.StringIO)
    return screen.stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 80, 200, None])
def test_a_table_never_cuts_a_cell(width: int | None) -> None:
    """On a narrow terminal, neither; a column is as wide as its widest cell and three, as kubectl's is."""
    screen = Screen(io.StringIO(), width=width)
    columns = ("NAME", "ACCOUNT", "LAST USED", "AGE")
    screen.table(columns, [(name, name, "never", "1 day") for name in NAMES])
    head, *rows = shown(screen)
    assert head.split("   ")[0] == "NAME"
    for name, row in zip(NAMES, rows, strict=True):
        assert row.split() == [name, name, "never", "1", "day"]
    starts = {row.index("never") for row in rows} | {head.index("LAST USED")}
    assert len(starts) == 1
    assert rows[1].index("never") == 2 * (len(NAMES[1]) + 3)


def test_sentences_are_folded_behind_the_columns_before_them() -> None:
    """In a terminal; words, ids and links stay whole, and a pipe has one line."""
    sentence = (
        "the token is revoked (KeyCompromise), see https://example.com/a/long/address/that/nobody/breaks now"
    )
    for width, lines in ((60, 3), (None, 1)):
        screen = Screen(io.StringIO(), width=width)
        screen.table(("TYPE", "MESSAGE"), [("Active", sentence)])
        _, *rows = shown(screen)
        assert len(rows) == lines
        assert " ".join(row.strip() for row in rows).split()[1:] == sentence.split()
        assert all(row.startswith("         ") for row in rows[1:])


def test_a_paragraph_keeps_its_indent() -> None:
    """Its label stands before the first line only."""
    screen = Screen(io.StringIO(), width=40)
    screen.paragraph("one two three four five six seven eight nine ten", indent="      ", head="Head: ")
    assert shown(screen) == ["Head: one two three four five six seven", "      eight nine ten"]


def test_the_first_line_of_a_paragraph_has_room_for_a_long_head() -> None:
    """A state in front of a sentence takes its columns; no line is wider than the terminal."""
    screen = Screen(io.StringIO(), width=40)
    head = ("State: ", Styled("AccountNotFound", "red"), "  ")
    screen.paragraph("validators reject the token\nof this account", indent="       ", head=head)
    first, *others = shown(screen)
    assert first == "State: AccountNotFound  validators"
    assert others == ["       reject the token", "       of this account"]


@pytest.mark.parametrize(("encoding", "marks"), [("ascii", "+ x |-- ..."), ("utf-8", "✓ ✗ ├── …")])
def test_yes_and_no_differ_where_the_locale_has_no_symbols(encoding: str, marks: str) -> None:
    """Characters that mean something have another form; only the others become question marks."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace")
    Screen(stream).print("✓ ✗ ├── …")
    assert raw.getvalue().decode(encoding) == marks + "\n"
    narrow = Screen(io.StringIO(), width=20)
    narrow.paragraph("one two three four five", indent="      ", head="Head: ")
    assert shown(narrow) == ["Head: one two three four five"]


def test_wide_letters_are_measured() -> None:
    """Those of East Asia take two columns, marks none."""
    assert [width_of(text) for text in ("abc", "日本", "e\u0301", "größe")] == [3, 4, 1, 5]


def test_colours_are_for_terminals_without_no_color() -> None:
    """And for none that is dumb."""

    def seen(stream: io.StringIO, **environment: str) -> str:
        Screen.on(stream, environment).print(("a ", Styled("b", "bold red")))
        return stream.getvalue()

    assert seen(Terminal(), TERM="xterm") == "a \x1b[1;31mb\x1b[0m\n"
    assert seen(Terminal(), TERM="xterm", NO_COLOR="1") == "a b\n"
    assert seen(Terminal(), TERM="dumb") == "a b\n"
    assert seen(io.StringIO(), TERM="xterm") == "a b\n"


def test_progress_is_one_line_of_a_terminal_and_nothing_elsewhere() -> None:
    """It fits into the line, or its beginning could not be withdrawn."""
    for stream in (Terminal(), io.StringIO()):
        screen = Screen(stream, width=30)
        with Progress(screen, 2) as progress:
            for _ in itertools.repeat(None, 3):
                progress.show(1, "token 'ci': waiting for something that takes long")
        lines = stream.getvalue().split("\r\x1b[K")
        assert lines[-1] == ""
        assert all(len(line) < 30 and "1/2 token" in line for line in lines[1:-1])
        assert stream.isatty() or lines == [""]
