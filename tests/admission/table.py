"""The tables of accepted and rejected manifests in `tables/`, as objects.

They are YAML, since that is what people write and get wrong. They are read as kubectl reads it: a time without
quotation marks stays a text. Tags keep the long ones short: `!repeat [a, 63]` is a text, `!numbered ["role-{}", 17]`
and `!copies [{a: b}, 17]` are lists, `!numbered_keys ["key-{}", 17]` is a map.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servicetokens.api import names

TABLES = Path(__file__).parent / "tables"
KINDS = {
    names.KIND_TOKEN: names.PLURAL_TOKENS,
    names.KIND_ACCOUNT: names.PLURAL_ACCOUNTS,
    names.KIND_ROLE: names.PLURAL_ROLES,
}
DEFAULT_NAME = "ci-prod"

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One row. `before` is the object that the manifest changes; None for a new one."""

    name: str
    manifest: Manifest
    before: Manifest | None


@dataclass(frozen=True)
class Rejection(Case):
    """A row that is rejected: the field that is blamed, and a part of what is said about it."""

    field: str
    says: str
    unseen_by_models: str


@dataclass(frozen=True)
class Table:
    """All rows of one kind."""

    kind: str
    accepted: tuple[Case, ...]
    refused: tuple[Rejection, ...]


@functools.cache
def table(kind: str) -> Table:
    """Return the table of *kind*."""
    raw = yaml.load((TABLES / f"{KINDS[kind]}.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    base = raw["base"]
    return Table(
        kind=kind,
        accepted=tuple(
            Case(name=row["name"], manifest=_manifest(kind, base, row), before=_before(kind, base, row))
            for row in raw["accepted"]
        ),
        refused=tuple(
            Rejection(
                name=row["name"],
                manifest=_manifest(kind, base, row),
                before=_before(kind, base, row),
                field=row["field"],
                says=row["says"],
                unseen_by_models=row.get("unseen_by_models", ""),
            )
            for row in raw["refused"]
        ),
    )


def accepted() -> list[Case]:
    """Return the accepted rows of all kinds."""
    return [case for kind in KINDS for case in table(kind).accepted]


def refused() -> list[Rejection]:
    """Return the rejected rows of all kinds."""
    return [case for kind in KINDS for case in table(kind).refused]


def title(case: Case) -> str:
    """Return the id of a row in pytest's output."""
    return f"{case.manifest['kind']}: {case.name}"


def _manifest(kind: str, base: Mapping[str, Any], row: Mapping[str, Any]) -> Manifest:
    spec = {**base, **row.get("spec", {})}
    for field in row.get("without", ()):
        spec.pop(field, None)
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"name": DEFAULT_NAME, **row.get("metadata", {})},
        "spec": spec,
        **row.get("manifest", {}),
    }


def _before(kind: str, base: Mapping[str, Any], row: Mapping[str, Any]) -> Manifest | None:
    return _manifest(kind, base, {"spec": row["before"]}) if "before" in row else None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # in C where it is there
    """YAML as kubectl reads it, with our tags."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _repeat(loader: _Loader, node: yaml.SequenceNode) -> str:
    parts = loader.construct_sequence(node)
    return "".join(text * count for text, count in zip(parts[::2], parts[1::2], strict=True))


def _numbered(loader: _Loader, node: yaml.SequenceNode) -> list[str]:
    pattern, count = loader.construct_sequence(node)
    return [pattern.format(number) for number in range(count)]


def _numbered_keys(loader: _Loader, node: yaml.SequenceNode) -> dict[str, str]:
    return dict.fromkeys(_numbered(loader, node), "x")


def _copies(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    item, count = loader.construct_sequence(node, deep=True)
    return [item] * count


_Loader.add_constructor("!copies", _copies)
_Loader.add_constructor("!repeat", _repeat)
_Loader.add_constructor("!numbered", _numbered)
_Loader.add_constructor("!numbered_keys", _numbered_keys)
