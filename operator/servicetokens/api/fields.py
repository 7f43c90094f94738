"""The types of the fields: their Python values, their text form, and the conversion rules.

Each type states its pattern, its bounds and its CEL once, for the CRD and for the check in our own processes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from servicetokens.api import texts, values
from servicetokens.api.rules import (
    RULES_KEYWORD,
    Rule,
    Shape,
    cel_matches,
    cel_seconds,
    cel_text,
    sentence_error,
)

# The type of every error raised here, for readers of `ValidationError.errors()`; the message tells errors
# apart.
_BAD_VALUE: Final = "value"


# Compared and hashed by identity: `typing` hashes annotations, and a mapping has no hash.
@dataclass(frozen=True, slots=True, eq=False)
class Keywords:
    """Annotation: keywords for the CRD that have no counterpart in pydantic."""

    keywords: Mapping[str, Any]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the keywords to the field's schema."""
        return {**handler(schema), **self.keywords}


@dataclass(frozen=True, slots=True)
class ListType:
    """Annotation: how the API server merges a list; the items of a `set` must differ, in Python as well."""

    kind: Literal["set", "map", "atomic"]
    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Reject a set that holds an item twice."""
        schema = handler(source)
        if self.kind != "set":
            return schema
        return core_schema.no_info_after_validator_function(_each_once, schema)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the keywords to the field's schema."""
        json_schema = {**handler(schema), "x-kubernetes-list-type": self.kind}
        if self.keys:
            json_schema["x-kubernetes-list-map-keys"] = list(self.keys)
        return json_schema


def _each_once(items: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(items)) == len(items):
        return items
    error, title = sentence_error(_BAD_VALUE, "must not be listed twice"), "set"
    raise ValidationError.from_exception_data(
        title,
        [
            InitErrorDetails(type=error, loc=(index,), input=item)
            for index, item in enumerate(items)
            if item in items[:index]
        ],
    )


def _parsed(parse: Callable[[str], Any]) -> BeforeValidator:
    """Return the validator that parses text, and rejects every other type (a number, a boolean, a list)."""

    def convert(value: object) -> Any:
        if not isinstance(value, str):
            sentence = "must be text"
            raise sentence_error(_BAD_VALUE, sentence)
        try:
            return parse(value)
        except ValueError as error:
            raise sentence_error(_BAD_VALUE, str(error)) from None

    return BeforeValidator(convert)


def _duration_rule(pattern: str, condition: str, message: str, alternative: str = "") -> Rule:
    return Rule(
        alternative + cel_matches("self", pattern) + " && " + cel_seconds(["self"], condition), message
    )


_DURATION_SCHEMA: Final = WithJsonSchema({"type": "string", "maxLength": values.MAX_DURATION_LENGTH})

Text = Annotated[str, Strict()]
NOT_EMPTY: Final = Rule(
    "self != ''", "must not be empty: leave the field out if there is nothing to say", bool
)
DnsLabel = Annotated[
    Text,
    Field(max_length=63),
    Shape(
        texts.DNS_LABEL,
        "must consist of lowercase letters, digits and '-', and start and end with a letter or a digit, as in "
        "'ci-prod'",
    ),
]
DnsSubdomain = Annotated[
    Text,
    Field(max_length=253),
    Shape(
        texts.DNS_SUBDOMAIN,
        "must consist of lowercase letters, digits, '-' and '.', and start and end each part with a letter or a "
        "digit, as in 'ci-prod' or 'ci.prod'",
    ),
]

# JSON readers that keep numbers as doubles (jq, JavaScript) round larger numbers.
MAX_INTEGER: Final = 2**53 - 1
# `int64` for readers of the schema; the API server itself checks only the bounds.
SignedInteger = Annotated[int, Strict(), Keywords({"format": "int64"})]
# -1 means that no operator has processed the object yet.
ObservedGeneration = Annotated[SignedInteger, Field(ge=-1)]
Generation = Annotated[SignedInteger, Field(ge=0)]
Count = Annotated[int, Strict(), Keywords({"format": "int32"}), Field(ge=0)]
Serial = Annotated[SignedInteger, Field(ge=1, le=MAX_INTEGER)]

_BETWEEN: Final = f"v[0] >= {values.MIN_DURATION} && v[0] <= {values.MAX_DURATION}"

# Whole seconds, from one minute to a hundred years.
Duration = Annotated[
    int,
    _parsed(values.parse_duration),
    _DURATION_SCHEMA,
    _duration_rule(values.DURATION_PATTERN, _BETWEEN, values.DURATION_ADVICE),
]
# Whole seconds, from one day on.
UnusedPeriod = Annotated[
    Duration,
    Rule(
        f"!{cel_matches('self', values.DURATION_PATTERN)} || "
        + cel_seconds(["self"], f"v[0] >= {values.MIN_UNUSED}"),
        values.UNUSED_ADVICE,
        lambda seconds: seconds >= values.MIN_UNUSED,
    ),
]
# Whole seconds, up to a hundred years; zero is "no overlap".
Overlap = Annotated[
    int,
    _parsed(values.parse_overlap),
    _DURATION_SCHEMA,
    _duration_rule(values.OVERLAP_PATTERN, f"v[0] <= {values.MAX_DURATION}", values.OVERLAP_ADVICE),
]


def _lifetime(text: str) -> int | str:
    seconds = values.parse_lifetime(text)
    return values.NEVER if seconds is None else seconds


# Whole seconds, or the word `never`, which is not the same as leaving the field out.
Lifetime = Annotated[
    int | Literal["never"],
    _parsed(_lifetime),
    _DURATION_SCHEMA,
    _duration_rule(
        values.DURATION_PATTERN,
        _BETWEEN,
        values.LIFETIME_ADVICE,
        alternative=f"self == {cel_text(values.NEVER)} || ",
    ),
]

_TIME_SCHEMA: Final = {"type": "string", "format": "date-time", "maxLength": values.MAX_TIME_LENGTH}
TIME_SHAPE: Final = Shape(values.TIME_PATTERN, values.TIME_ADVICE, values.TIME_MISTAKES)
_SPEC_TIME: Final = WithJsonSchema(
    {"type": "string", "maxLength": values.MAX_TIME_LENGTH, RULES_KEYWORD: [TIME_SHAPE.to_schema()]}
)
_WRITTEN_TIME: Final = PlainSerializer(values.format_time, return_type=str, when_used="json")

# A Unix second that a person wrote; a fraction is cut off.
Time = Annotated[int, _parsed(values.parse_time), _SPEC_TIME, _WRITTEN_TIME]
# A Unix second that a person wrote; a fraction counts as the next second.
TimeCeil = Annotated[int, _parsed(values.parse_time_ceil), _SPEC_TIME, _WRITTEN_TIME]


def _recorded(value: object) -> int:
    """Accept a time as text, or the number that our own code sets."""
    try:
        if isinstance(value, str):
            return values.parse_recorded_time(value)
        if isinstance(value, int) and not isinstance(value, bool):
            values.format_time(value)
            return value
    except ValueError as error:
        raise sentence_error(_BAD_VALUE, str(error)) from None
    raise sentence_error(_BAD_VALUE, values.TIME_ADVICE)


# A Unix second that a program wrote, into `status` or `metadata`.
RecordedTime = Annotated[int, BeforeValidator(_recorded), WithJsonSchema(_TIME_SCHEMA), _WRITTEN_TIME]
