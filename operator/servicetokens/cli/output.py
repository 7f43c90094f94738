"""`-o table|wide|json|yaml|name`, as kubectl has it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click
import yaml
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from servicetokens.api import names
from servicetokens.cli.views import Raw
from servicetokens.runtime.terminal import escape_controls

_STYLES: Final = {"Active": "green", "Pending": "yellow", "Suspended": "yellow", "AccountSuspended": "yellow"}
_PLURALS: Final = {
    names.KIND_TOKEN: names.PLURAL_TOKENS,
    names.KIND_ACCOUNT: names.PLURAL_ACCOUNTS,
    names.KIND_ROLE: names.PLURAL_ROLES,
}


def state(word: str) -> Text:
    """Return the state of an object in its colour."""
    return Text(word, style=_STYLES.get(word, "red"))


def table(*columns: str) -> Table:
    """Return a table without lines, as kubectl's are: it can be cut and searched with the usual tools."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(
            column, overflow="fold" if column == "MESSAGE" else "ignore", no_wrap=column != "MESSAGE"
        )
    return made


def print_rows(out: Console, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table; without *columns* it has no head."""
    made = table(*columns)
    made.show_header = bool(columns)
    for row in rows:
        made.add_row(*(one if isinstance(one, Text) else Text(escape_controls(one)) for one in row))
    print_lines(out, made)


def print_lines(out: Console, shown: RenderableType) -> None:
    """Print something that has lines, without the spaces that fill them up."""
    with out.capture() as captured:
        out.print(shown)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), color=True)


def print_objects(objects: Sequence[Raw], form: str, *, single: bool = False) -> None:
    """Print objects for programs: `json`, `yaml` or `name`; a *single* one is no List."""
    if form == "name":
        for one in objects:
            click.echo(f"{_PLURALS[one['kind']]}.{names.GROUP}/{one['metadata']['name']}")
        return
    cleaned = [_without_managers(one) for one in objects]
    body = cleaned[0] if single else {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": cleaned}
    if form == "json":
        click.echo(json.dumps(body, indent=2))
    else:
        click.echo(_yaml(body), nl=False)


def _yaml(body: Any) -> str:
    shown = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
    if escape_controls(shown, keep="\n") == shown:
        return shown
    # YAML takes some characters for printable that turn the direction of a line around.
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=False)


def _without_managers(one: Raw) -> Raw:
    # As kubectl does: they are long, and about who wrote, not about what is.
    meta = {key: value for key, value in one.get("metadata", {}).items() if key != "managedFields"}
    return {**one, "metadata": meta}
