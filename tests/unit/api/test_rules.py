"""A rule gives the same message as CEL and as Python, and puts itself into the schema."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from servicetokens.api.rules import Rule, cel_matches, cel_seconds, cel_text

SHORT = Rule("size(self) < 3", "must be short {really}", lambda text: len(text) < 3)
LOWER = Rule("self == self.lowerAscii()", "must be small", str.islower, reason="FieldValueForbidden")
SERVER_ONLY = Rule("self == oldSelf", "cannot be changed", path=".name")

FIELD = TypeAdapter(Annotated[str, SHORT, LOWER, SERVER_ONLY])


def test_schema() -> None:
    """The rules stand in the schema in the order of writing, without what they do not have."""
    assert FIELD.json_schema()["x-kubernetes-validations"] == [
        {"rule": "size(self) < 3", "message": "must be short {really}"},
        {"rule": "self == self.lowerAscii()", "message": "must be small", "reason": "FieldValueForbidden"},
        {"rule": "self == oldSelf", "message": "cannot be changed", "fieldPath": ".name"},
    ]


@pytest.mark.parametrize(("value", "message"), [("abc", "must be short {really}"), ("AB", "must be small")])
def test_check(value: str, message: str) -> None:
    """A value that breaks a rule is rejected with the rule's message and nothing around it."""
    with pytest.raises(ValidationError) as caught:
        FIELD.validate_python(value)

    assert [line["msg"] for line in caught.value.errors()] == [message]


def test_a_rule_of_the_server_alone() -> None:
    """A rule that only the API server can check lets everything pass here."""
    assert FIELD.validate_python("ab") == "ab"


@pytest.mark.parametrize(
    ("text", "literal"),
    [("a", "'a'"), ("it's", r"'it\'s'"), (r"\.", r"'\\.'"), ("", "''")],
)
def test_cel_text(text: str, literal: str) -> None:
    """Quotation marks and backslashes survive the way into CEL."""
    assert cel_text(text) == literal


def test_cel_matches() -> None:
    """A pattern is quoted."""
    assert cel_matches("self", r"^\d'$") == r"self.matches('^\\d\'$')"


def test_cel_seconds() -> None:
    """The table of units is the parser's own, and the condition sees the seconds of all operands."""
    expression = cel_seconds(["self.a", "self.b"], "v[0] < v[1]")

    assert expression.startswith(
        "[[self.a, self.b].map(e, int(e.substring(0, size(e) - 1)) * {'s': 1, 'm': 60, "
    )
    assert expression.endswith("}[e.substring(size(e) - 1)])].all(v, v[0] < v[1])")
