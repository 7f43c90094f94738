"""The status of a ServiceToken: what the operator answers, and what the validator decides by."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field

from servicetokens.api.conditions import Conditions
from servicetokens.api.fields import MAX_INTEGER, ListType, RecordedTime, Serial, Text
from servicetokens.api.meta import Model, StatusModel

# Half of what the API server stores. A greater number was not counted up to but written by somebody, and from the
# greatest that it stores nobody could count on.
MAX_SERIAL: Final = MAX_INTEGER // 2


class Verifier(Model):
    """A keyed hash that the token can be checked against, and that is worth nothing without the key."""

    algorithm: Annotated[Text, Field(max_length=32)] = Field(
        description="How `value` was computed: HMACSHA256."
    )
    key_id: Annotated[Text, Field(min_length=1, max_length=63)] = Field(
        description="Which of the operator's keys it was computed with.",
    )
    value: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        description="The keyed hash, in hexadecimal."
    )


class Credential(Model):
    """One minted credential that may still be accepted."""

    serial: Serial = Field(description="The number of this mint, counted per object.")
    id: Annotated[Text, Field(min_length=1, max_length=32)] = Field(
        description="Public handle of this credential; one of a value that was imported begins with `imp-`."
    )
    mint_time: RecordedTime = Field(
        description="When it was minted; when it was delivered, where that was later. Its lifetime counts from here."
    )
    expiration_time: RecordedTime | None = Field(
        default=None,
        description="When it ends; for the older of two, when its overlap does. Absent when it never ends.",
    )
    verifier: Verifier = Field(description="A keyed hash of the token; of no use without the operator's key.")
    delivery: Literal["Pending", "Delivered"] | None = Field(
        default=None,
        description=(
            "Pending until the Secret holds it; left out afterwards. The credential before it keeps its own end until "
            "then: the overlap begins at delivery."
        ),
    )

    @property
    def is_pending(self) -> bool:
        """Say whether status lists it before its Secret does."""
        return self.delivery == "Pending"


class ServiceTokenStatus(StatusModel):
    """What the operator answers; `last_used_time` alone is the validator's."""

    token_id: Annotated[Text, Field(max_length=32)] | None = Field(
        default=None,
        description="Public handle of the current credential, as in logs, Events and audit. Not secret.",
    )
    secret_name: Annotated[Text, Field(max_length=253)] | None = Field(
        default=None,
        description="The Secret that the token is in.",
    )
    account_uid: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None,
        description="The uid of the account it was minted for; it dies with that object, not with its name.",
    )
    rotation_id: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None,
        description="The value of `spec.rotation.id` whose rotation has been delivered.",
    )
    serial: Serial | None = Field(
        default=None,
        description=(
            "The number of the latest mint. The current credential has it, unless that mint still waits to be "
            "delivered."
        ),
    )
    mint_time: RecordedTime | None = Field(
        default=None,
        description="When the current credential was minted, or the last one after it has expired.",
    )
    expiration_time: RecordedTime | None = Field(
        default=None,
        description="When the current credential ends; absent when it never does.",
    )
    next_rotation_time: RecordedTime | None = Field(
        default=None,
        description="When the clock will mint the next credential.",
    )
    last_used_time: RecordedTime | None = Field(
        default=None,
        description="When the token was last accepted, to the hour. Written by the validator.",
    )
    revocation_time: RecordedTime | None = Field(default=None, description="When it was last revoked.")
    restoration_time: RecordedTime | None = Field(
        default=None,
        description="When it was last made active again after a revocation.",
    )
    unused_since_time: RecordedTime | None = Field(
        default=None,
        description="The last sign of life of a token that is flagged as unused.",
    )
    suspension_time: RecordedTime | None = Field(
        default=None,
        description=(
            "When it was suspended because nobody used it; refused as long as this is here, unless "
            "`spec.inUseTime` is as late."
        ),
    )
    credentials: Annotated[
        tuple[Credential, ...],
        Field(max_length=2),
        ListType("map", keys=("serial",)),
    ] = Field(
        default=(),
        description=(
            "What may be accepted: the current credential and, during an overlap, the one before; during a rotation "
            "the next one, `Pending` until it is delivered."
        ),
    )
    conditions: Conditions = Field(
        default=(),
        description=(
            "Ready, Active, SecretSynced, RolesAccepted, ExpiringSoon, Enforced; ImportEndingSoon, "
            "Unused, Reconciling and Stalled only while true."
        ),
    )

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> Self:
        """See `StatusModel.read`. A serial that no mint can have counted up to is absent, and so is its credential."""
        status = super().read(raw)
        changes: dict[str, Any] = {}
        if status.serial is not None and status.serial > MAX_SERIAL:
            changes["serial"] = None
        if any(credential.serial > MAX_SERIAL for credential in status.credentials):
            changes["credentials"] = tuple(one for one in status.credentials if one.serial <= MAX_SERIAL)
        return status.model_copy(update=changes) if changes else status
