"""Questions before a change, and how they end."""

import asyncio
import os
import signal

import click
import pytest

from servicetokens.cli import changes


class Interrupted:
    """A terminal on which Ctrl-C is pressed before the answer."""

    def isatty(self) -> bool:
        """See `io.IOBase`."""
        return True

    def readline(self) -> str:
        """See `io.IOBase`."""
        os.kill(os.getpid(), signal.SIGINT)
        return "y\n"


def test_ctrl_c_at_a_question_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Immediately, and as a no: the command asks while its event loop runs."""
    before = signal.getsignal(signal.SIGINT)
    confirmed = False

    async def ask() -> None:
        nonlocal confirmed
        changes.confirm("Revoke 2 tokens?", yes=False)
        confirmed = True

    monkeypatch.setattr("sys.stdin", Interrupted())
    with pytest.raises(click.Abort):
        asyncio.run(ask())
    assert not confirmed
    assert signal.getsignal(signal.SIGINT) is before
