"""A group of commands that imports only the one that runs, so that `--help` answers immediately."""

import contextlib
import errno
import importlib
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from servicetokens.cli.spelling import advice, as_click_reads
from servicetokens.runtime.terminal import escape_controls

# A token, or most of one: prefix and public id, and what must not be shown.
_TOKEN: Final = re.compile(r"([a-z][a-z0-9]{1,9}_[0-9A-Za-z]{12})_[0-9A-Za-z]+")
# Two of three letters in common, as in `gte`; fewer, and it is another word.
_SIMILAR: Final = 0.6
# What other programs call it.
_OTHER_WORDS: Final = {
    **dict.fromkeys(("list", "ls"), "get"),
    **dict.fromkeys(("show", "inspect", "info"), "describe"),
    **dict.fromkeys(("delete", "rm", "remove", "disable", "suspend", "ban"), "revoke"),
    **dict.fromkeys(("add", "new", "issue", "mint"), "create"),
    **dict.fromkeys(("renew", "regenerate", "refresh", "roll"), "rotate"),
    **dict.fromkeys(("unrevoke", "enable", "undo", "resume"), "restore"),
    **dict.fromkeys(("validate", "introspect", "test", "explain"), "verify"),
    **dict.fromkeys(("status", "health", "diagnose"), "doctor"),
    **dict.fromkeys(("scan", "search", "grep"), "leaked"),
}


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

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """See `click.Command`; an error quotes no token."""
        with _hiding_tokens():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Group`; an error quotes no token."""
        with _hiding_tokens():
            return super().invoke(ctx)

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
            self._reject(ctx, word)
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, as_click_reads(command, rest) if command is not None else rest

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group`."""
        return super().parse_args(ctx, as_click_reads(self, args))

    def _reject(self, ctx: click.Context, word: str) -> NoReturn:
        import difflib  # noqa: PLC0415 - only where a word is wrong

        lower = word.lower()
        # As kubectl's own commands do: what sounds like it, and what it is the beginning of.
        close = difflib.get_close_matches(lower, list(self._modules), n=3, cutoff=_SIMILAR)
        close += [one for one in self._modules if one.startswith(lower) and one not in close]
        if not close and _OTHER_WORDS.get(lower) in self._modules:
            close = [_OTHER_WORDS[lower]]
        hint = f" Did you mean {' or '.join(f'`{one}`' for one in close)}?" if close else ""
        message = f"There is no command '{escape_controls(word)}'.{hint}"
        raise click.UsageError(message, ctx)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._modules.items()])


@contextlib.contextmanager
def _hiding_tokens() -> Iterator[None]:
    """Leave the secret part out of what an error quotes of the command line: a token where a name was expected."""
    try:
        yield
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.ctx is not None:
            error.message += advice(error.ctx.info_name or "", error.option_name)  # type: ignore[misc]
        error.message = _TOKEN.sub(r"\1_…", error.message)  # type: ignore[misc]
        raise


def _make_streams_sound() -> None:
    """Have a file for each standard stream, and letters that it does not know replaced by question marks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by the parent process, as by `>&-`.
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
