"""Convert JSON Schema from pydantic into the structural schema that a CRD requires.

pydantic emits `$defs` and `$ref`, `anyOf` with null for optional values, titles and defaults. A structural schema has
none of them: every node is written out and typed, and an absent value is left out.
"""

from collections.abc import Mapping
from typing import Any, Final

from servicetokens.api.rules import RULES_KEYWORD

Schema = dict[str, Any]

_REFERENCE_PREFIX: Final = "#/$defs/"
# Titles repeat the name. A default would be stored in applied objects: `-o yaml` would show fields that the user did
# not write.
_DROPPED: Final = frozenset({"title", "default", "$defs"})
# The most important keywords first; `properties` last, since it is the longest. Unlisted keywords are rejected, so that
# one which the API server would ignore cannot slip in with a new version of pydantic.
_ORDER: Final = (
    "type",
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "maxProperties",
    "default",
    "description",
    "required",
    RULES_KEYWORD,
    "properties",
    "items",
    "additionalProperties",
)
_RULE_ORDER: Final = ("rule", "message", "messageExpression", "fieldPath", "reason", "optionalOldSelf")


class NotStructural(ValueError):
    """A model uses a feature that has no counterpart in a structural schema."""


def structural(schema: Mapping[str, Any]) -> Schema:
    """Return *schema*, the output of `model_json_schema`, as a structural schema in reading order.

    Raises `NotStructural` for what cannot be expressed.
    """
    return _convert(schema, schema.get("$defs", {}))


def in_order(schema: Mapping[str, Any]) -> Schema:
    """Return *schema* with its keywords in reading order; raise `NotStructural` for one that is unknown."""
    unknown = sorted(set(schema) - set(_ORDER))
    if unknown:
        message = f"no structural schema has the keyword {unknown[0]!r}: {dict(schema)!r}"
        raise NotStructural(message)
    return {keyword: schema[keyword] for keyword in _ORDER if keyword in schema}


def _convert(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    resolved = _resolved(schema, definitions)
    node = {keyword: value for keyword, value in resolved.items() if keyword not in _DROPPED}
    if "properties" in node:
        fields = node["properties"].items()
        node["properties"] = {name: _convert(field, definitions) for name, field in fields}
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            node[keyword] = _convert(node[keyword], definitions)
    if RULES_KEYWORD in node:
        node[RULES_KEYWORD] = [_rule_in_order(rule) for rule in node[RULES_KEYWORD]]
    return in_order(node)


def _rule_in_order(rule: Mapping[str, str]) -> dict[str, str]:
    return {part: rule[part] for part in _RULE_ORDER if part in rule}


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Replace a reference, or a choice between something and null, by its target.

    Keywords next to it win: they were written for this field. The target's description is dropped: it is the docstring
    of a class, for people who read the code.
    """
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE_PREFIX)
        target = {keyword: value for keyword, value in definitions[name].items() if keyword != "description"}
    elif "anyOf" in schema:
        target = _only_choice(schema)
    else:
        return dict(schema)
    beside = {keyword: value for keyword, value in schema.items() if keyword not in {"$ref", "anyOf"}}
    return {**_resolved(target, definitions), **beside}


def _only_choice(schema: Mapping[str, Any]) -> Schema:
    choices: list[Schema] = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    if len(choices) != 1:
        message = f"a field is either of one type or absent, not one of several: {schema['anyOf']!r}"
        raise NotStructural(message)
    return choices[0]
