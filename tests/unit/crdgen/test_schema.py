"""What holds for every field of the three schemas."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS, Kind

Node = dict[str, Any]


def fields(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every named field below *node* with its path."""
    for name, field in node.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            yield from fields(node[keyword], path)


def schema(kind: Kind) -> Node:
    """Return the schema of a kind."""
    root: Node = custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


OURS = [
    pytest.param(field, id=f"{kind.short_name}{path}")
    for kind in KINDS
    for path, field in fields(schema(kind))
    if path.startswith((".spec", ".status"))
]


@pytest.mark.parametrize("field", OURS)
def test_every_field_is_described(field: Node) -> None:
    """`kubectl explain` has a sentence or two for every field, from a capital to a full stop."""
    description = field["description"]

    assert description[0].isupper() or description[0].isdigit()
    assert description.endswith(".")
    assert len(description) <= 300


@pytest.mark.parametrize("field", OURS)
def test_every_field_is_bounded(field: Node) -> None:
    """Nothing that is stored may grow without end: texts, lists and maps have a limit."""
    limit = {"string": "maxLength", "array": "maxItems", "object": "properties"}
    for node in (field, field.get("items", {}), field.get("additionalProperties", {})):
        if node.get("type") in limit and "enum" not in node:
            assert limit[node["type"]] in node or "maxProperties" in node


@pytest.mark.parametrize("field", OURS)
def test_every_rule_has_a_message(field: Node) -> None:
    """A rule that fails says what to write, never the CEL that was not satisfied."""
    for node in (field, field.get("items", {}), field.get("additionalProperties", {})):
        for rule in node.get("x-kubernetes-validations", []):
            assert rule["message"]
            assert not re.search(r"\b(self|oldSelf)\b", rule["message"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_only_the_status_has_a_default(kind: Kind) -> None:
    """Nothing is written into what people apply; a new object's status says that no operator has seen it."""
    defaults = {path: field["default"] for path, field in fields(schema(kind)) if "default" in field}

    assert defaults == {".status": {"observedGeneration": -1}}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_list_says_how_it_is_merged(kind: Kind) -> None:
    """Server-side apply has to know whether two people's lists are joined or replace each other."""
    lists = [field for _, field in fields(schema(kind)) if field["type"] == "array"]

    assert lists
    assert all(field["x-kubernetes-list-type"] in {"set", "map", "atomic"} for field in lists)
