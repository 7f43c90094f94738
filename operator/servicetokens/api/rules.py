"""A rule in two forms, CEL for the API server and Python for our own processes, with one message for both.

Both are written together, on the field or model they constrain, and a test runs the same table of manifests
against both. CEL in a CRD has neither variables nor `cel.bind`, and its cost is estimated from declared
bounds before it may be installed; the builders below are the forms that pass that estimate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from servicetokens.api.values import UNIT_SECONDS, explain

RULES_KEYWORD: Final = "x-kubernetes-validations"

_UNIT_TABLE: Final = "{" + ", ".join(f"'{unit}': {seconds}" for unit, seconds in UNIT_SECONDS.items()) + "}"
# The seconds in the duration `e`. `substring` and a map literal: chains of `replace` exceed the cost limit.
_SECONDS: Final = f"int(e.substring(0, size(e) - 1)) * {_UNIT_TABLE}[e.substring(size(e) - 1)]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule on a field (as an annotation of its type) or on a model (in its `RULES`).

    `holds` is called with a value of the right type. None where Python needs no second check: the field's parser
    rejects the same values, or the rule compares with the old object, which only the server has. `path` is the field
    that errors name, relative to the model, as in `.rotation.every`. A rule with `at_creation` is not checked when
    existing objects are updated.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    path: str = ""
    reason: Literal["FieldValueForbidden", "FieldValueRequired"] | None = None
    at_creation: bool = False

    def to_schema(self) -> dict[str, str | bool]:
        """Return the entry for `x-kubernetes-validations`."""
        entry: dict[str, str | bool] = {"rule": self.cel, "message": self.message}
        if self.at_creation:
            entry |= {"rule": f"oldSelf.hasValue() || {self.cel}", "optionalOldSelf": True}
        if self.path:
            entry["fieldPath"] = self.path
        if self.reason:
            entry["reason"] = self.reason
        return entry

    def error(self) -> PydanticCustomError:
        """Return the error that pydantic reports for a value that violates this rule."""
        return sentence_error("rule", self.message)

    def error_details(self, value: object) -> InitErrorDetails:
        """Return the same as a line of a `ValidationError` for the field *path*."""
        return InitErrorDetails(type=self.error(), loc=tuple(self.path.split(".")[1:]), input=value)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the value after everything written before this annotation."""
        schema = handler(source)
        if self.holds is None:
            return schema
        return core_schema.no_info_after_validator_function(self._checked, schema)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the CEL form to the field's schema."""
        json_schema = handler(schema)
        return {**json_schema, RULES_KEYWORD: [*json_schema.get(RULES_KEYWORD, []), self.to_schema()]}

    def _checked(self, value: Any) -> Any:
        if self.holds is not None and not self.holds(value):
            raise self.error()
        return value


@dataclass(frozen=True, slots=True)
class Shape:
    """Annotation: the pattern of a text, and the message for a text that does not match it.

    A CEL rule instead of the keyword `pattern`, for which the API server would show the regular expression to
    users. `mistakes` are pairs of a pattern that finds a common mistake and its message; the first match is
    reported.
    """

    pattern: str
    message: str
    mistakes: tuple[tuple[str, str], ...] = ()

    def to_schema(self) -> dict[str, str]:
        """Return the entry for `x-kubernetes-validations`."""
        entry = {"rule": cel_matches("self", self.pattern), "message": self.message}
        if self.mistakes:
            choices = [
                f"{cel_matches('self', pattern)} ? {cel_text(message)} : "
                for pattern, message in self.mistakes
            ]
            entry["messageExpression"] = "".join(choices) + cel_text(self.message)
        return entry

    def explain(self, text: str) -> str:
        """Return what is wrong with *text*, which does not match."""
        return explain(text, self.mistakes, self.message)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the value after everything written before this annotation."""
        # By the engine in Rust, whose time is linear in the text, and whose `$` matches only at the end of
        # the text, as in the API server.
        matching = core_schema.str_schema(pattern=self.pattern)
        return core_schema.chain_schema(
            [handler(source), core_schema.no_info_wrap_validator_function(self._checked, matching)]
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the CEL form to the field's schema."""
        json_schema = handler(schema)
        return {**json_schema, RULES_KEYWORD: [*json_schema.get(RULES_KEYWORD, []), self.to_schema()]}

    def _checked(self, value: str, matching: Callable[[str], str]) -> str:
        try:
            return matching(value)
        except ValueError:
            kind, sentence = "shape", self.explain(value)
            raise sentence_error(kind, sentence) from None


def cannot_be_removed(field: str, advice: str) -> Rule:
    """Return the rule of a model that *field*, once it is set, can be changed and not removed. *advice* says why.

    For what restricts: a line that is lost in an editor, or a template that renders nothing, must not allow more.
    """
    return Rule(
        f"!has(oldSelf.{field}) || has(self.{field})",
        f"cannot be removed: {advice}",
        path=f".{field}",
        reason="FieldValueForbidden",
    )


def sentence_error(kind: str, sentence: str) -> PydanticCustomError:
    """Return an error whose message is exactly *sentence*, without pydantic's "Value error, " before it."""
    return PydanticCustomError(kind, "{sentence}", {"sentence": sentence})


def cel_text(text: str) -> str:
    """Return *text* as a CEL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def cel_matches(operand: str, pattern: str) -> str:
    """Return the CEL for "*operand* matches *pattern*"."""
    return f"{operand}.matches({cel_text(pattern)})"


def cel_seconds(operands: Sequence[str], condition: str) -> str:
    """Return the CEL for *condition* over the list `v` of the seconds in *operands*, which are durations.

    A list of one list under `all` is how CRD CEL expresses "let". The operands have to be matched against
    their pattern first: a failed `pattern` keyword does not stop CEL, and `int('90 day')` would add a
    confusing error.
    """
    return f"[[{', '.join(operands)}].map(e, {_SECONDS})].all(v, {condition})"
