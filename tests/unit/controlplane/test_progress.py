"""A build of minutes shows its progress."""

import io

import pytest

from controlplane import build, progress
from controlplane.progress import Progress, estimate_left
from controlplane.waiting import wait_until


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_a_terminal_shows_a_counter_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is rewritten in place, cut to the terminal's width, and replaced by how long it took."""
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    with Progress(stream).step("etcd") as step:
        step.note("go: downloading example.test/module v1.0.0")
        for _ in range(30):
            step.note("example.test/a/package/whose/name/is/long/enough/to/be/cut")
        wait_until(lambda: "30 packages" in stream.getvalue(), what="the counter to move")
    shown = stream.getvalue().split("\r\x1b[K")
    full = "  etcd  0 s  30 packages compiled  example.test/a/package/whose/name"
    assert full[:59] in shown
    assert shown[-1] == "  etcd  built in 0 s\n"


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal there are whole lines and no control characters."""
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.01)
    stream = io.StringIO()
    with Progress(stream).step("etcd") as step:
        step.note("example.test/a")
        wait_until(lambda: "1 packages" in stream.getvalue(), what="a sign of life")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "  etcd ..."
    assert "  etcd  0 s  1 packages compiled  example.test/a" in lines
    assert lines[-1] == "  etcd  built in 0 s"
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_a_failed_step_does_not_claim_success() -> None:
    """When the step fails, no line says that it was built."""
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Progress(stream).step("etcd"):
        raise RuntimeError
    assert "built in" not in stream.getvalue()


@pytest.mark.parametrize(
    ("elapsed", "done", "expected", "left"),
    [
        (60, 500, 2000, 180),
        (60, 2000, 2000, 0),
        (60, 50, 2000, None),
        (60, 2001, 2000, None),
        (60, 500, 0, None),
        (0, 0, 0, None),
    ],
)
def test_the_time_left_is_estimated_from_packages(
    elapsed: float, done: int, expected: int, left: int | None
) -> None:
    """By the rate so far; nothing is said where it would be a guess."""
    assert estimate_left(elapsed, done, expected) == left


def test_a_terminal_shows_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """As part of the line that moves."""
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with Progress(stream).step("etcd", 100) as step:
        for _ in range(50):
            step.note("example.test/a/package")
        wait_until(lambda: "50 packages" in stream.getvalue(), what="the counter to move")
    assert "about 0 s left" in stream.getvalue()


def test_every_binary_of_the_control_plane_has_an_estimate() -> None:
    """In the order in which they are built."""
    assert list(build.COMPILED) == list(build.PACKAGES)
