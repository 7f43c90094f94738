"""From pydantic's JSON Schema to a structural one."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from servicetokens.api.rules import Rule
from servicetokens.crdgen.structural import NotStructural, in_order, structural


class Inner(BaseModel):
    """A docstring for people who read the code."""

    size: int


class Outer(BaseModel):
    """The docstring of the root is kept."""

    inner: Inner | None = Field(default=None, description="For people who read the schema.")
    plain: Inner
    many: tuple[Inner, ...] = ()
    texts: dict[str, Annotated[str, Field(max_length=3)]] = Field(default_factory=dict)
    state: Annotated[Literal["On", "Off"], Rule("true", "must be", reason="FieldValueForbidden")] | None = (
        None
    )


def test_everything_is_written_out() -> None:
    """References are inlined; null, titles, defaults and inner docstrings are removed; keys are in order."""
    inner = {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}}

    schema = structural(Outer.model_json_schema())

    assert schema == {
        "type": "object",
        "description": "The docstring of the root is kept.",
        "required": ["plain"],
        "properties": {
            "inner": {**inner, "description": "For people who read the schema."},
            "plain": inner,
            "many": {"type": "array", "items": inner},
            "texts": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 3}},
            "state": {
                "type": "string",
                "enum": ["On", "Off"],
                "x-kubernetes-validations": [
                    {"rule": "true", "message": "must be", "reason": "FieldValueForbidden"},
                ],
            },
        },
    }
    assert list(schema) == ["type", "description", "required", "properties"]
    assert list(schema["properties"]["inner"]) == ["type", "description", "required", "properties"]
    assert list(schema["properties"]["state"]["x-kubernetes-validations"][0]) == ["rule", "message", "reason"]


def test_a_choice_of_types_is_rejected() -> None:
    """A CRD field has one type; a model that offers two is a mistake in the model."""

    class Choice(BaseModel):
        """Either of two."""

        either: int | str

    with pytest.raises(NotStructural, match="one type or absent"):
        structural(Choice.model_json_schema())


def test_an_unknown_keyword_is_rejected() -> None:
    """A keyword that the API server would ignore is noticed here, not when it fails to restrict."""
    with pytest.raises(NotStructural, match="'exclusiveMinimum'"):
        in_order({"type": "integer", "exclusiveMinimum": 0})
