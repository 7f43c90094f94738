"""Conditions, their types and their reasons. They are an API: scripts wait for them, dashboards count them.

`lastTransitionTime` moves only when `status` flips; `observedGeneration` follows every change of the spec, or
`kubectl wait` hangs. A type or reason is never renamed or given another meaning; new ones are added.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from servicetokens.api.fields import Generation, ListType, RecordedTime, Text
from servicetokens.api.meta import Model
from servicetokens.api.rules import Shape

# The greatest that the Kubernetes API conventions allow; the CRD refuses the whole status write beyond it.
MAX_MESSAGE_LENGTH: Final = 32768
_ELLIPSIS: Final = "…"


class ConditionType(StrEnum):
    """What a condition is about."""

    #: What the spec asks for is in place, also when it asks for Revoked. `False` alone means "in progress".
    READY = "Ready"
    #: The token would be accepted now; for an account: its tokens would be.
    ACTIVE = "Active"
    #: The Secret holds the current credential, and no newer one waits to be written to it.
    SECRET_SYNCED = "SecretSynced"
    #: Every role asked for exists and is granted to this namespace.
    ROLES_ACCEPTED = "RolesAccepted"
    #: No rotation is declared and the end is near: 30, 7 and 1 days before it, for short lives a third and a
    #: tenth.
    EXPIRING_SOON = "ExpiringSoon"
    #: The cut-over of an imported value is near. Present only while true.
    IMPORT_ENDING_SOON = "ImportEndingSoon"
    #: The token was not used for as long as the account's policy says. Present only while true.
    UNUSED = "Unused"
    #: Every live validator answers by this generation of the spec.
    ENFORCED = "Enforced"
    #: The operator is still working on this generation. Present only while true (kstatus).
    RECONCILING = "Reconciling"
    #: The operator cannot go on until a person changes something. Present only while true (kstatus).
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why a condition has its status, in one word for programs."""

    #: Ready: the credential exists and has been delivered.
    MINTED = "Minted"
    #: Active: accepted now.
    VALID = "Valid"
    #: Ready, Active: `state: Revoked` is asked for and in force.
    REVOKED = "Revoked"
    #: Ready, Active: the credential's end has passed; the message says what mints a fresh one.
    EXPIRED = "Expired"
    #: Ready, Active: the fixed end had passed before anything was minted.
    ALREADY_EXPIRED = "AlreadyExpired"
    #: Ready, Active: this object is being deleted, and its token is rejected.
    DELETING = "Deleting"
    #: Active: no credential has been minted yet.
    NOT_MINTED = "NotMinted"
    #: Ready, Active: no ServiceAccount of that name exists in the namespace (yet, or any more).
    ACCOUNT_NOT_FOUND = "AccountNotFound"
    #: Ready, Active: the account was deleted and created anew; the credential belonged to the old one.
    ACCOUNT_REPLACED = "AccountReplaced"
    #: Active: the account says `state: Suspended`.
    ACCOUNT_SUSPENDED = "AccountSuspended"
    #: Unused: flagged. Active: suspended for it.
    UNUSED_FOR_LONG = "UnusedForLong"
    #: Active of an account: it says `state: Suspended`.
    SUSPENDED = "Suspended"
    #: Ready, Active: the stored spec breaks today's rules (it is older than they are).
    INVALID_SPEC = "InvalidSpec"
    #: Ready: the lifetime asked for is longer than the account's policy or a role allows.
    LIFETIME_TOO_LONG = "LifetimeTooLong"
    #: Ready, Active: the key that signs or verifies the credential is gone; nothing is minted until it is
    #: back.
    KEY_MISSING = "KeyMissing"
    #: Ready: the value to be imported must not be, or not for so long; nothing is minted until that is corrected.
    IMPORT_REFUSED = "ImportRefused"
    #: Ready: the Secret that holds the value to be imported is not there.
    IMPORT_SECRET_MISSING = "ImportSecretMissing"
    #: SecretSynced: the Secret holds the current credential.
    SYNCED = "Synced"
    #: Ready, SecretSynced: there is no Secret, or somebody keeps changing or deleting it.
    SECRET_MISSING = "SecretMissing"
    #: Ready, SecretSynced: the new token is being written to the Secret, and the one before it is rejected already.
    DELIVERING = "Delivering"
    #: Ready, SecretSynced: the API server refuses to have the Secret written; the operator keeps trying.
    DELIVERY_FAILED = "DeliveryFailed"
    #: Ready, SecretSynced: the Secret's name is taken by something that is not ours to touch.
    SECRET_CONFLICT = "SecretConflict"
    #: RolesAccepted: every role exists and lists this namespace.
    ALL_GRANTED = "AllGranted"
    #: RolesAccepted: there is no role to grant, so proxies reject every request made with the token.
    NO_ROLES = "NoRoles"
    #: Ready, RolesAccepted: a role exists but is not granted to this namespace or account.
    ROLE_NOT_GRANTED = "RoleNotGranted"
    #: Ready, RolesAccepted: there is no ServiceRole of that name.
    ROLE_NOT_FOUND = "RoleNotFound"
    #: Ready of an account or role: its spec has been read and holds.
    ACCEPTED = "Accepted"
    #: ExpiringSoon is false: the end is further away than its first threshold, or there is none.
    NOT_EXPIRING_SOON = "NotExpiringSoon"
    #: ExpiringSoon: thirty days are left, or fewer.
    EXPIRES_WITHIN_30_DAYS = "ExpiresWithin30Days"
    #: ExpiringSoon: seven days are left, or fewer.
    EXPIRES_WITHIN_7_DAYS = "ExpiresWithin7Days"
    #: ExpiringSoon: one day is left, or less.
    EXPIRES_WITHIN_1_DAY = "ExpiresWithin1Day"
    #: ExpiringSoon, for a short life: a third of it is left, or less.
    EXPIRES_WITHIN_A_THIRD = "ExpiresWithinAThird"
    #: ExpiringSoon, for a short life: a tenth of it is left, or less.
    EXPIRES_WITHIN_A_TENTH = "ExpiresWithinATenth"
    #: ImportEndingSoon: a week is left before the cut-over, or a tenth of the time that was given.
    CUT_OVER_NEAR = "CutOverNear"
    #: Enforced: every live validator has this generation.
    ALL_VALIDATORS = "AllValidators"
    #: Enforced: at least one live validator has yet to see this generation.
    WAITING = "Waiting"
    #: Enforced: no validator is alive, so nothing is accepted anywhere.
    NO_VALIDATORS = "NoValidators"


def _shorten(value: object) -> object:
    """Cut a message that is too long: a long sentence must not cost the status write that carries it."""
    if isinstance(value, str) and len(value) > MAX_MESSAGE_LENGTH:
        return value[: MAX_MESSAGE_LENGTH - 1] + _ELLIPSIS
    return value


class Condition(Model):
    """One condition, in the form that every Kubernetes tool knows (metav1.Condition)."""

    type: Annotated[
        Text, Field(min_length=1, max_length=316, description="The question it answers, as in Ready.")
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="The answer.")]
    observed_generation: Annotated[
        Generation | None,
        Field(description="The generation of the spec that was judged."),
    ] = None
    last_transition_time: Annotated[RecordedTime, Field(description="When `status` last flipped.")]
    reason: Annotated[
        Text,
        Field(
            max_length=1024,
            description="The cause, as one word that programs can compare.",
        ),
        Shape(
            "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            "must be one word of letters, digits, '_', ',' and ':' that starts with a letter, as in 'Minted'",
        ),
    ]
    message: Annotated[
        Text,
        BeforeValidator(_shorten),
        Field(max_length=MAX_MESSAGE_LENGTH, description="The cause, as a sentence for people."),
    ]


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), ListType("map", keys=("type",))]
