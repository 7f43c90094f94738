"""The tables of fields on the pages of `docs/reference/kinds/`, from the descriptions of the models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from common.repository import ROOT
from servicetokens.api.fields import TIME_SHAPE
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS, Kind

FOLDER: Final = ROOT / "docs" / "reference" / "kinds"
_BEGIN: Final = "<!-- Fields of {part}, written by `make generate`. -->\n"
_END: Final = "<!-- The end of the fields of {part}. -->\n"
_PARTS: Final = ("spec", "status")
# Every kind has the same, and docs/reference/conditions.md explains them.
_OPAQUE: Final = "status.conditions"


@dataclass(frozen=True)
class Field:
    """One field, by its path as `kubectl explain` has it."""

    path: str
    type: str
    required: bool
    text: str


def page_of(kind: Kind) -> Path:
    """Return where *kind* is described."""
    return FOLDER / f"service-{kind.kind.removeprefix('Service').lower()}.md"


def pages() -> Mapping[Path, str]:
    """Return the pages of all kinds with their tables in them."""
    return {page_of(kind): render(kind) for kind in KINDS}


def render(kind: Kind) -> str:
    """Return the page of *kind* with the tables as they have to be.

    Raises:
        ValueError: the page has no place for one.
    """
    text = page_of(kind).read_text()
    for part in _PARTS:
        begin, end = _BEGIN.format(part=part), _END.format(part=part)
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            message = (
                f"{page_of(kind)} has no place for the fields of {part}: {begin.strip()} … {end.strip()}"
            )
            raise ValueError(message)
        text = f"{before}{begin}\n{_table(kind, part)}\n{end}{after}"
    return text


def fields(kind: Kind, part: str) -> list[Field]:
    """Return all fields of `spec` or `status`, those of objects in it included."""
    crd = custom_resource_definition(kind)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return list(_below(schema, part))


def _table(kind: Kind, part: str) -> str:
    lines = ["| field | type | meaning |\n", "|---|---|---|\n"]
    for field in fields(kind, part):
        required = "**Required.** " if field.required and part == "spec" else ""
        text = field.text.replace("|", "\\|").replace("*", "\\*")
        lines.append(f"| `{field.path.removeprefix(f'{part}.')}` | {field.type} | {required}{text} |\n")
    return "".join(lines)


def _below(schema: Mapping[str, Any], path: str) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        yield Field(place, _type(one), name in required, one.get("description", ""))
        if place == _OPAQUE:
            continue
        items = one.get("items", {})
        yield from _below(items, f"{place}[]") if items else _below(one, place)


def _type(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": {"enum": values}}:
            return f"list of {', '.join(f'`{value}`' for value in values)}"
        case {"type": "array", "items": items}:
            return f"list of {_PLURALS[items['type']]}"
        case {"type": "object", "additionalProperties": _}:
            return "texts by key"
        case {"format": "date-time"}:
            return "time"
        case {"x-kubernetes-validations": [first, *_]} if first == TIME_SHAPE.to_schema():
            return "time"
        case _:
            return _WORDS[schema["type"]]


_WORDS: Final = {"string": "text", "integer": "number", "boolean": "yes or no", "object": "object"}
_PLURALS: Final = {"string": "texts", "object": "objects", "integer": "numbers"}
