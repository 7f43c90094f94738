"""docs/reference/cli: one page per command with its flags and their environment variables, from click itself."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from common.repository import ROOT
from servicetokens.__main__ import main as program
from servicetokens.cli.main import command as plugin

FOLDER: Final = ROOT / "docs" / "reference" / "cli"
_NOTE: Final = "<!-- Written by `make generate`. -->\n"
# `kubectl` is the plugin under another name, which has pages of its own.
_ALIAS: Final = "kubectl"
_EXTRA: Final = re.compile(r"\s*\[(?P<words>(?:default|required|x[<>]|\d+<=)[^\]]*)\]$")
_INTRODUCTION: Final = f"""# Commands and flags

{_NOTE}
Every command with its flags, defaults and environment variables, as `--help` shows them. `kubectl
servicetoken` is the plugin that people use ([guide](../../guides/kubectl.md)); `servicetokens` is
the program of the container image. `servicetokens kubectl` runs the plugin's commands.

"""


@dataclass(frozen=True)
class Page:
    """A command with its page."""

    name: str
    command: click.Command
    context: click.Context

    @property
    def path(self) -> Path:
        """Where it is described."""
        return FOLDER / f"{self.name.replace(' ', '-')}.md"


def pages() -> Mapping[Path, str]:
    """Return each page, and the list of all."""
    found = pages_of_commands()
    lines = [_INTRODUCTION, "| command | what it does |\n|---|---|\n"]
    lines += [f"| [{one.name}]({one.path.name}) | {_cell(_summary(one.command))} |\n" for one in found]
    return {FOLDER / "index.md": "".join(lines), **{one.path: _render(one) for one in found}}


def pages_of_commands() -> list[Page]:
    """Return every command of the program and of the plugin."""
    return [*_below("servicetokens", program), *_below("kubectl servicetoken", plugin)]


def _below(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[Page]:
    context = click.Context(command, parent=parent, info_name=name, **command.context_settings)
    if not isinstance(command, click.Group):
        yield Page(context.command_path, command, context)
        return
    for word in command.list_commands(context):
        inner = command.get_command(context, word)
        assert inner is not None
        if not (inner is plugin and word == _ALIAS):
            yield from _below(word, inner, context)


def _render(page: Page) -> str:
    command, context = page.command, page.context
    usage = " ".join([page.name, *command.collect_usage_pieces(context)]).rstrip()
    text = _prose(command.help or "")
    parts = [f"# {page.name}\n\n{_NOTE}\n{text}\n\n```text\n{usage}\n```\n"]
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    if not options:
        return "".join(parts)
    has_variables = context.auto_envvar_prefix is not None
    parts.append("\n## Flags\n\n")
    if has_variables:
        parts.append(
            "A flag wins over its environment variable. The values of a repeatable flag are separated by spaces\n"
            "in its variable.\n\n"
        )
    columns = ["flag", "what it is", "default", *(["environment variable"] if has_variables else [])]
    parts.append(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n")
    parts += [_row(option, context, has_variables=has_variables) for option in options]
    return "".join(parts)


def _row(option: click.Option, context: click.Context, *, has_variables: bool) -> str:
    record = option.get_help_record(context)
    assert record is not None, option.name
    flag, text = record
    default = ""
    while match := _EXTRA.search(text):
        text = text[: match.start()]
        for word in match["words"].split("; "):
            name, colon, value = word.partition(": ")
            default = f"`{value}`" if colon and name == "default" else default or word
    cells = [f"`{flag}`", text, default]
    if has_variables:
        variable = f"{context.auto_envvar_prefix}_{(option.name or '').upper()}"
        cells.append(f"`{variable}`")
    return f"| {' | '.join(_cell(cell) for cell in cells)} |\n"


def _summary(command: click.Command) -> str:
    return _prose(command.help or "").partition("\n\n")[0]


def _prose(text: str) -> str:
    return inspect.cleandoc(text).replace("\b\n", "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;" if "`" not in text else "<")
