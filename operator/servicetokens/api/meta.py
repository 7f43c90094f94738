"""What all kinds share: base models, object metadata, and validation errors as sentences for people."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from servicetokens.api.fields import DnsLabel, ObservedGeneration, RecordedTime, SignedInteger, Text
from servicetokens.api.rules import RULES_KEYWORD, Rule
from servicetokens.api.wording import sentence

# Kubernetes writes acronyms in upper case, except where they begin the name (`id`, `tokenID`).
_ACRONYMS: Final = {"id": "ID", "uid": "UID", "cidrs": "CIDRs"}
# Long enough for the first few mistakes in one spec; a condition's message is read in a terminal.
MAX_DESCRIPTION_LENGTH: Final = 1000


def wire_name(attribute: str) -> str:
    """Return the name on the wire of a Python *attribute*: `allowed_cidrs` is `allowedCIDRs`."""
    first, *others = attribute.split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in others)


class Model(BaseModel):
    """Base of all API models: immutable; fields that only a newer CRD has are ignored.

    Unknown fields are rejected by the API server, where users see it; an operator that is older than the CRD
    must continue.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, alias_generator=wire_name)


class RuledModel(Model):
    """A model with rules across its fields. All of them are checked, and reported together."""

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obeys_rules(self) -> Self:
        broken = [rule for rule in self.RULES if rule.holds is not None and not rule.holds(self)]
        if broken:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [rule.error_details(self) for rule in broken],
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the CEL form of the rules."""
        reference = handler(schema)
        json_schema = handler.resolve_ref_schema(reference)
        json_schema[RULES_KEYWORD] = [rule.to_schema() for rule in cls.RULES]
        return reference


class OwnerReference(Model):
    """The owner of an object; garbage collection follows it."""

    api_version: Text
    kind: Text
    name: Text
    uid: Text
    controller: bool = False


class ObjectMeta(Model):
    """The part of an object's metadata that decisions depend on; names of our kinds are DNS labels."""

    name: DnsLabel
    namespace: Text = ""
    uid: Text = ""
    resource_version: Text = ""
    generation: SignedInteger = 0
    deletion_timestamp: RecordedTime | None = None
    labels: dict[Text, Text] = Field(default_factory=dict)
    annotations: dict[Text, Text] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()


class StatusModel(Model):
    """Base of the three statuses: reading never fails, writing gives JSON."""

    observed_generation: ObservedGeneration = Field(
        default=-1,
        description=(
            "Generation of the spec that this status describes; -1 until the operator has seen the object."
        ),
    )

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> Self:
        """Return the status in *raw*; unreadable fields count as absent. Never raises.

        A status may have been edited by hand, or written by a newer operator. The next reconciliation writes
        lost fields again; a credential that is lost is rejected.
        """
        remaining: dict[str, Any] = dict(raw) if isinstance(raw, Mapping) else {}
        while remaining:
            try:
                return cls.model_validate(remaining)
            except ValidationError as error:
                remaining = _without_unreadable(remaining, error)
        return cls()

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form: names and times as in the API, without absent values and empty lists."""
        wire: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {name: value for name, value in wire.items() if value != []}


def describe_errors(error: ValidationError, root: str = "spec") -> str:
    """Return the errors in *error* as one line, as in `spec.rotation.every: must be shorter than ...`.

    *root* is the path of the validated part in its object. The values themselves are left out, and the line
    is at most 1,000 characters.
    """
    lines = error.errors(include_url=False, include_input=False)
    text = "; ".join(
        f"{_path(root, line)}: {sentence(line)}" for line in lines if not _is_an_echo(line, lines)
    )
    return text if len(text) <= MAX_DESCRIPTION_LENGTH else text[: MAX_DESCRIPTION_LENGTH - 1] + "…"


def _is_an_echo(line: ErrorDetails, lines: Sequence[ErrorDetails]) -> bool:
    """Whether *line* only says that a list is too short because pydantic left out items that it rejected."""
    if line["type"] != "too_short":
        return False
    depth = len(line["loc"])
    return any(len(other["loc"]) > depth and other["loc"][:depth] == line["loc"] for other in lines)


def _path(root: str, line: ErrorDetails) -> str:
    path = root
    for part in line["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".")


def _without_unreadable(status: Mapping[str, Any], error: ValidationError) -> dict[str, Any]:
    """Return *status* without the fields, or the items of its lists, that *error* is about.

    The result is always smaller than *status*, so that repetition terminates; empty when the error has no
    path.
    """
    fields: set[object] = set()
    items: dict[object, set[object]] = {}
    for line in error.errors(include_url=False, include_context=False, include_input=False):
        match line["loc"]:
            case (field, int(index), *_):
                items.setdefault(field, set()).add(index)
            case (field, *_):
                fields.add(field)
    kept = {
        name: [item for index, item in enumerate(value) if index not in items[name]]
        if name in items
        else value
        for name, value in status.items()
        if name not in fields
    }
    return kept if kept != status else {}
