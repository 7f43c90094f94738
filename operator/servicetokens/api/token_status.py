"""The status of a ServiceToken: written by the operator, and the basis of the validator's decisions."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field

from servicetokens.api.conditions import Conditions
from servicetokens.api.fields import MAX_INTEGER, ListType, RecordedTime, Serial, Text
from servicetokens.api.meta import Model, StatusModel
from servicetokens.api.origin import Origin, origin_of

# Half of what the API server stores. Counting never reaches a greater number, so it must have been written by
# hand; and no serial could follow the greatest number that the API server stores.
MAX_SERIAL: Final = MAX_INTEGER // 2


class Verifier(Model):
    """A keyed hash that the token can be checked against, and that is useless without the key."""

    algorithm: Annotated[Text, Field(max_length=32)] = Field(description="Algorithm of `value`: HMACSHA256.")
    key_id: Annotated[Text, Field(min_length=1, max_length=63)] = Field(
        description="Id of the operator's key that `value` was computed with.",
    )
    value: Annotated[Text, Field(min_length=1, max_length=128)] = Field(
        description="The keyed hash, in hexadecimal."
    )


class Credential(Model):
    """One minted credential that may still be accepted."""

    serial: Serial = Field(description="Number of this mint, counted per object.")
    id: Annotated[Text, Field(min_length=1, max_length=32)] = Field(
        description="Public id of this credential; that of an imported value starts with `imp-`."
    )
    mint_time: RecordedTime = Field(
        description="Time of the mint, or of the delivery if that was later. The lifetime is counted from here."
    )
    expiration_time: RecordedTime | None = Field(
        default=None,
        description=(
            "Expiration time; for the older of two credentials, the end of its overlap. Absent if it "
            "never expires."
        ),
    )
    verifier: Verifier = Field(description="Keyed hash of the token, useless without the operator's key.")
    delivery: Literal["Pending", "Delivered"] | None = Field(
        default=None,
        description=(
            "Pending until the Secret holds this credential; absent afterwards. The previous credential "
            "keeps its own expiration until then: the overlap starts at the delivery."
        ),
    )

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return origin_of(self.id)

    @property
    def is_pending(self) -> bool:
        """Whether status lists the credential before its Secret has it."""
        return self.delivery == "Pending"


class ServiceTokenStatus(StatusModel):
    """The observed state of a ServiceToken; `last_used_time` alone is written by the validator."""

    token_id: Annotated[Text, Field(max_length=32)] | None = Field(
        default=None,
        description="Public id of the current credential, as shown in logs, Events and audit. Not secret.",
    )
    secret_name: Annotated[Text, Field(max_length=253)] | None = Field(
        default=None,
        description="Name of the Secret that holds the token.",
    )
    account_uid: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None,
        description=(
            "UID of the account that the token was minted for. The token becomes invalid when that object "
            "is deleted, even if an account of the same name is created."
        ),
    )
    rotation_id: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None,
        description="Value of `spec.rotation.id` whose rotation was delivered.",
    )
    serial: Serial | None = Field(
        default=None,
        description=(
            "Number of the latest mint. It belongs to the current credential, unless that mint is not "
            "delivered yet."
        ),
    )
    mint_time: RecordedTime | None = Field(
        default=None,
        description="Time when the current credential was minted; after it has expired, of the last one.",
    )
    expiration_time: RecordedTime | None = Field(
        default=None,
        description="Expiration time of the current credential; absent if it never expires.",
    )
    next_rotation_time: RecordedTime | None = Field(
        default=None,
        description="Time of the next automatic rotation.",
    )
    last_used_time: RecordedTime | None = Field(
        default=None,
        description="Time when the token was last accepted, to the hour. Written by the validator.",
    )
    revocation_time: RecordedTime | None = Field(default=None, description="Time of the last revocation.")
    restoration_time: RecordedTime | None = Field(
        default=None,
        description="Time of the last restoration after a revocation.",
    )
    unused_since_time: RecordedTime | None = Field(
        default=None,
        description="Time of the last use of a token that is flagged as unused.",
    )
    suspension_time: RecordedTime | None = Field(
        default=None,
        description=(
            "Time of the suspension of an unused token. The token is rejected while this is set, unless "
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
            "Credentials that may be accepted: the current one and, during an overlap, the previous one; "
            "during a rotation the next one, `Pending` until it is delivered."
        ),
    )
    conditions: Conditions = Field(
        default=(),
        description=(
            "Conditions Ready, Active, SecretSynced, RolesAccepted, ExpiringSoon, Enforced; "
            "ImportEndingSoon, Unused, Reconciling and Stalled only while true."
        ),
    )

    def is_undelivered(self, credential: Credential) -> bool:
        """Return whether *credential* waits for its delivery.

        The one that `tokenID` names was delivered, also where a user has marked it as pending since.
        """
        return credential.is_pending and credential.id != self.token_id

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> Self:
        """See `StatusModel.read`. A serial beyond the maximum counts as absent, and so does its credential."""
        status = super().read(raw)
        changes: dict[str, Any] = {}
        if status.serial is not None and status.serial > MAX_SERIAL:
            changes["serial"] = None
        if any(credential.serial > MAX_SERIAL for credential in status.credentials):
            changes["credentials"] = tuple(one for one in status.credentials if one.serial <= MAX_SERIAL)
        return status.model_copy(update=changes) if changes else status
