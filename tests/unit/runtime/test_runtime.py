"""Clock, entropy and logs: the three things that everything else is given."""

import json
import logging
import time

import pytest

from servicetokens.runtime.clock import SystemClock
from servicetokens.runtime.entropy import os_entropy
from servicetokens.runtime.logs import configure, get_logger, redact

TOKEN = "svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"
REDACTED = "svt_0123456789AB_…"


def test_the_clock_says_the_time_in_whole_seconds() -> None:
    """And the monotonic one goes on."""
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 2
    assert clock.monotonic() <= clock.monotonic()


def test_the_clock_never_runs_backwards_nor_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose time is set back keeps what has expired expired, and goes on half as fast until it fits again."""
    monkeypatch.setattr(time, "monotonic", lambda: 50.0)
    clock = SystemClock()
    for passed, machine, expected in (
        (50.0, 1000.9, 1000),
        (51.0, 1001.9, 1001),
        (51.0, 400.0, 1001),
        (61.0, 410.0, 1006),
        (71.0, 420.0, 1011),
        (72.0, 1011.0, 1012),
        (73.0, 1013.0, 1013),
    ):
        monkeypatch.setattr(time, "time", lambda machine=machine: machine)
        monkeypatch.setattr(time, "monotonic", lambda passed=passed: passed)
        assert clock.now() == expected


def test_entropy_is_as_long_as_asked_and_never_the_same() -> None:
    """From the kernel."""
    assert len(os_entropy(32)) == 32
    assert os_entropy(32) != os_entropy(32)


def test_a_token_in_any_text_is_cut_to_its_public_id() -> None:
    """The second net under a type that does not print itself; other text stays."""
    assert redact(f"a {TOKEN}, b") == f"a {REDACTED}, b"
    for before in ("Bearer%20", "Authorization%3A", "_", "Bearer", "\\n", "7"):
        assert TOKEN[17:] not in redact(f"{before}{TOKEN}")
    assert redact("servicetokens_operator_health") == "servicetokens_operator_health"


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logging of the test run itself is restored afterwards."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)


def fail(words: str) -> None:
    """Raise an error that says *words*."""
    raise ValueError(words)


def test_log_lines_are_json_with_every_value_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    """Also those of libraries, of objects, and of exceptions."""
    configure("info", "json")
    get_logger("ours").info("presented", token=TOKEN, parts=[TOKEN, {"t": TOKEN}], count=3)
    logging.getLogger("library").warning("got %s", TOKEN)
    try:
        fail(TOKEN)
    except ValueError:
        get_logger("ours").exception("failed")
    text = capsys.readouterr().err
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["presented", f"got {REDACTED}", "failed"]
    assert lines[0]["token"] == REDACTED
    assert lines[0]["count"] == 3
    assert lines[0]["parts"] == [REDACTED, {"t": REDACTED}], (
        "a list is a list in JSON, not Python's text of it"
    )
    assert TOKEN not in text


def test_text_is_for_people_and_debug_is_off_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the level nothing is written; kopf is quiet, and its failures take one line."""
    configure("info", "text")
    get_logger("ours").debug("unseen")
    logging.getLogger("kopf.activities").info("unseen")
    try:
        fail("404")
    except ValueError:
        logging.getLogger("kopf.reactor").exception("a watcher failed")
    text = capsys.readouterr().err
    assert "a watcher failed" in text
    assert "Traceback" not in text
    assert "unseen" not in text


def test_lines_for_people_act_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What an API server quotes could forge a line or turn it around; a traceback keeps its lines."""
    configure("info", "text")
    try:
        fail("\x1b[2K")
    except ValueError:
        get_logger("ours").exception("failed\n\x9b", reason="\x1b]0;t\x07\nforged \u202e", path="\x1b]0;t")
    text = capsys.readouterr().err
    assert "x1b]0;t" in text
    assert "Traceback" in text
    assert text.replace("\n", "").isprintable()
