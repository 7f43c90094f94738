"""How the plugin ends. Scripts compare these numbers, so none ever gets another meaning (docs/guides/kubectl.md)."""

from enum import IntEnum
from typing import IO, Any

import click

from servicetokens.runtime.terminal import escape_controls


class Exit(IntEnum):
    """What the exit code says; 0 is that everything asked for was done, or found to be in order."""

    #: The API server rejected the request, could not be reached, or the object does not exist.
    FAILED = 1
    #: The command line is wrong; click's own number.
    USAGE = 2
    #: The question was answered, and the answer is bad: a token that is not valid, a leak, a finding of `doctor`.
    NOT_GOOD = 3
    #: It was done, but what was waited for did not happen in time.
    TIMED_OUT = 4


class Failure(click.ClickException):
    """Ends the command with a sentence on stderr and the exit code *code*."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """See `click.ClickException`."""
        return int(self.code)

    def show(self, file: IO[Any] | None = None) -> None:
        """See `click.ClickException`."""
        # The API server's messages quote foreign text.
        shown = escape_controls(self.format_message(), keep="\n")
        click.echo(f"error: {shown}", file=file, err=file is None)
