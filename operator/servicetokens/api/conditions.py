"""Conditions and their types. They are an API: scripts wait for them, and dashboards count them.

`lastTransitionTime` changes only when `status` changes; `observedGeneration` follows every change of the
spec, because `kubectl wait` would hang otherwise. A type is never renamed or given another meaning; new ones
may be added. Reasons are in `reasons`.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from servicetokens.api.fields import Generation, ListType, RecordedTime, Text
from servicetokens.api.meta import Model
from servicetokens.api.rules import Shape

# The maximum of the Kubernetes API conventions; the CRD rejects the whole status write beyond it.
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
    #: Every requested role exists and is granted to this namespace.
    ROLES_ACCEPTED = "RolesAccepted"
    #: No rotation is declared and the token expires soon: 30, 7 and 1 days before, for short lifetimes a
    #: third and a tenth of the lifetime before.
    EXPIRING_SOON = "ExpiringSoon"
    #: The cut-over of an imported value is near. Present only while true.
    IMPORT_ENDING_SOON = "ImportEndingSoon"
    #: The token was not used for as long as the account's policy says. Present only while true.
    UNUSED = "Unused"
    #: Every live validator has applied this generation of the spec.
    ENFORCED = "Enforced"
    #: The operator is still working on this generation. Present only while true (kstatus).
    RECONCILING = "Reconciling"
    #: The operator cannot continue until a person changes something. Present only while true (kstatus).
    STALLED = "Stalled"


def _shorten(value: object) -> object:
    """Shorten a message that is too long, so that a long sentence cannot fail the status write that contains it."""
    if isinstance(value, str) and len(value) > MAX_MESSAGE_LENGTH:
        return value[: MAX_MESSAGE_LENGTH - 1] + _ELLIPSIS
    return value


class Condition(Model):
    """One condition, in the form that every Kubernetes tool knows (metav1.Condition)."""

    type: Annotated[
        Text, Field(min_length=1, max_length=316, description="Type of the condition, as in Ready.")
    ]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="True, False or Unknown.")]
    observed_generation: Annotated[
        Generation | None,
        Field(description="Generation of the spec that this condition describes."),
    ] = None
    last_transition_time: Annotated[RecordedTime, Field(description="Time when `status` last changed.")]
    reason: Annotated[
        Text,
        Field(
            max_length=1024,
            description="Reason as one word, for programs.",
        ),
        Shape(
            "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            "must be one word of letters, digits, '_', ',' and ':' that starts with a letter, as in 'Minted'",
        ),
    ]
    message: Annotated[
        Text,
        BeforeValidator(_shorten),
        Field(max_length=MAX_MESSAGE_LENGTH, description="Message for people."),
    ]


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), ListType("map", keys=("type",))]
