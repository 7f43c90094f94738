"""What others wrote into objects, on the screen of anyone who looks at them."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from servicetokens.cli import findings, listing, output
from servicetokens.cli.exits import Failure
from servicetokens.cli.findings import Finding, Level
from servicetokens.cli.reporting.markup import text as as_markup
from servicetokens.cli.screen import Cell, Screen, Styled
from servicetokens.cli.story import timeline
from servicetokens.cli.views import AccountView, TokenView
from servicetokens.cli.workloads import users_of

# The title of a terminal, its clipboard, a C1 control, a turned line, and a line that looks like one of ours.
HOSTILE = "\x1b]0;t\x07\x1b]52;c;ZQ==\x1b\\\x9b2K\u202ea\nState:        Active"
CREATED = "2026-11-01T00:00:00Z"


def hostile_token() -> TokenView:
    """Return a token every text of which is hostile."""
    condition = {"type": "Ready", "status": "True", "reason": HOSTILE, "message": HOSTILE}
    meta = {
        "name": HOSTILE,
        "namespace": HOSTILE,
        "creationTimestamp": CREATED,
        "annotations": {"argocd.argoproj.io/tracking-id": HOSTILE},
    }
    spec = {"accountRef": {"name": HOSTILE}, "description": HOSTILE, "secret": {"name": HOSTILE}}
    credential = {"id": HOSTILE, "serial": 1, "mintTime": CREATED}
    status = {"tokenID": HOSTILE, "conditions": [condition], "credentials": [credential]}
    return TokenView({"metadata": meta, "spec": spec, "status": status})


def pod(**metadata: Any) -> dict[str, Any]:
    """Return a pod that uses the Secret `s`."""
    owner = {"kind": HOSTILE, "name": HOSTILE, "controller": True}
    volumes = [{"secret": {"secretName": "s"}}]
    return {"metadata": {"name": "p", "ownerReferences": [owner], **metadata}, "spec": {"volumes": volumes}}


def shown_row() -> str:
    """Return the widest row of `get`."""
    return "".join(str(cell) for cell in listing.token_row(hostile_token(), 0, wide=True))


def shown_story() -> str:
    """Return a timeline with a hostile Event in it."""
    event = {"eventTime": CREATED, "reason": HOSTILE, "note": HOSTILE}
    return "".join(one.what for one in timeline(hostile_token(), [event]))


def shown_account() -> str:
    """Return the widest row of `get accounts`."""
    account = AccountView({"metadata": {"name": "a"}, "spec": {"description": HOSTILE, "roles": [HOSTILE]}})
    return "".join(str(cell) for cell in listing.account_row(account, 0, wide=True))


def printed(show: Callable[[Screen], None]) -> str:
    """Return what *show* prints."""
    stream = io.StringIO()
    show(Screen(stream))
    return stream.getvalue()


@pytest.mark.parametrize(
    "shown",
    [
        shown_row,
        shown_story,
        shown_account,
        lambda: hostile_token().from_git,
        lambda: "".join(map(str, users_of("s", [pod(), pod(ownerReferences=None, name=HOSTILE)]))),
    ],
    ids=["get", "timeline", "accounts", "warning of Git", "workloads"],
)
def test_what_is_read_of_an_object_has_one_line_and_no_controls(shown: Callable[[], str]) -> None:
    """Whichever field it is: what cannot be seen is an escape that can."""
    text = shown()
    assert r"\x1b]0;t\x07" in text
    assert text.isprintable()


@pytest.mark.parametrize(
    "foreign", [HOSTILE, Styled(HOSTILE), Styled(f"a {HOSTILE}", "red")], ids=["text", "styled", "both"]
)
def test_a_console_acts_on_its_own_styles_only(foreign: Cell) -> None:
    """Also for what was not read by us, such as the API server's sentences."""
    text = printed(lambda console: console.print(foreign, style="red"))
    assert r"\x1b]52;c;ZQ==" in text
    assert text.replace("\n", "").isprintable()


def test_cells_and_findings_cannot_begin_a_line() -> None:
    """A table has as many lines as rows."""
    rows = [("x", HOSTILE), (HOSTILE, "y")]
    lines = printed(lambda screen: output.print_rows(screen, ("A", "MESSAGE"), rows)).splitlines()
    lines += printed(lambda screen: findings.show(screen, [Finding(Level.BAD, "t", HOSTILE)])).splitlines()
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


def test_an_error_is_shown_without_controls() -> None:
    """The API server quotes what others wrote."""
    stream = io.StringIO()
    Failure(HOSTILE).show(stream)
    assert stream.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_output_for_programs_is_exact_and_has_no_controls(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says the same text, in the escapes of its format."""
    output.print_objects([{"kind": "X", "metadata": {"name": "größe"}, "spec": HOSTILE}], form, single=True)
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert yaml.safe_load(shown)["spec"] == HOSTILE


def test_yaml_without_controls_is_not_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """People read it."""
    output.print_objects([{"metadata": {"name": "größe"}}], "yaml", single=True)
    assert "größe" in capsys.readouterr().out


def test_a_page_has_no_controls() -> None:
    """But it may contain line breaks: it is HTML, in which no line can be forged."""
    assert as_markup(HOSTILE).replace("\n", "").isprintable()
