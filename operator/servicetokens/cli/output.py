"""`-o table|wide|json|yaml|name`, as kubectl has it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from servicetokens.api import names
from servicetokens.cli.screen import Cell, Screen, Styled
from servicetokens.cli.views import Raw
from servicetokens.runtime.terminal import escape_controls

_STYLES: Final = {
    "Active": "green",
    "Pending": "yellow",
    "Suspended": "yellow",
    "AccountSuspended": "yellow",
}


def state(word: str) -> Styled:
    """Return the state of an object in its colour."""
    # A credential that is accepted, while the operator cannot go on: neither good nor bad.
    return Styled(word, "yellow" if word.startswith("Active,") else _STYLES.get(word, "red"))


def print_rows(out: Screen, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table; without *columns* it has no head."""
    out.table(columns, rows)


def print_objects(objects: Sequence[Raw], form: str, *, single: bool = False) -> None:
    """Print objects for programs: `json`, `yaml` or `name`; a *single* one is no List."""
    if form == "name":
        for one in objects:
            # The singular, as kubectl prints it; both forms are accepted everywhere.
            click.echo(escape_controls(f"{one['kind'].lower()}.{names.GROUP}/{one['metadata']['name']}"))
        return
    cleaned = [_without_managers(one) for one in objects]
    body = cleaned[0] if single else {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": cleaned}
    if form == "json":
        click.echo(json.dumps(body, indent=2))
    else:
        click.echo(to_yaml(body), nl=False)


def to_yaml(body: Any) -> str:
    """Return *body* in YAML, without any character that a terminal would interpret."""
    import yaml  # noqa: PLC0415 - most commands print no YAML, and the import takes a tenth of a second

    shown = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
    if escape_controls(shown, keep="\n") == shown:
        return shown
    # YAML takes some characters for printable that turn the direction of a line around.
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=False)


def _without_managers(one: Raw) -> Raw:
    # As kubectl does: they are long, and about who wrote, not about what is.
    meta = {key: value for key, value in one.get("metadata", {}).items() if key != "managedFields"}
    return {**one, "metadata": meta}
