"""A group of commands that imports only the one that runs, so that `--help` answers immediately."""

import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click


class LazyGroup(click.Group):
    """Knows its commands by name: where each is (`module`, which has a `command`, or `module:name`), and a line."""

    def __init__(self, *args: Any, modules: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """See `click.Group`; a standard stream that is closed, full or of few letters costs no traceback."""
        _make_streams_sound()
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                sys.stdout.flush()
        except OSError as error:
            # What is still to be written would fail again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if error.errno != errno.EPIPE:
                click.echo(f"error: the output could not be written: {error.strerror}", err=True)
            sys.exit(1)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(self._modules)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        if cmd_name not in self._modules:
            return None
        module, _, name = self._modules[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group`; a command that does not exist is answered with those that sound like it."""
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in self._modules and not ctx.resilient_parsing:
            self._refuse(ctx, word)
        return super().resolve_command(ctx, args)

    def _refuse(self, ctx: click.Context, word: str) -> NoReturn:
        import difflib  # noqa: PLC0415 - only where a word is wrong

        close = difflib.get_close_matches(word, list(self._modules), n=3, cutoff=0.7)
        hint = f" Did you mean {' or '.join(f'`{one}`' for one in close)}?" if close else ""
        message = f"There is no command '{word}'.{hint}"
        raise click.UsageError(message, ctx)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._modules.items()])


def _make_streams_sound() -> None:
    """Have a file for each standard stream, and letters that it does not know replaced by question marks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by whoever started us, as by `>&-`.
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
