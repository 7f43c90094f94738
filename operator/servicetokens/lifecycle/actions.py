"""The actions of a plan. Imperative and complete: their execution makes no decisions about tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.lifecycle.content import Subject
from servicetokens.tokens import verifier


class MintCause(StrEnum):
    """Why a new credential is needed."""

    #: There has been none yet.
    FIRST = "First"
    #: `rotation.every` has passed since the last mint.
    ROTATION_DUE = "RotationDue"
    #: `rotation.id` has a value that has not been processed.
    ROTATION_REQUESTED = "RotationRequested"
    #: The Secret was deleted, or its value is not the minted one.
    SECRET_LOST = "SecretLost"
    #: The account's `tokensNotBeforeTime` has passed.
    NOT_BEFORE = "NotBefore"
    #: The account is another object than the one of the last credential.
    ACCOUNT_REPLACED = "AccountReplaced"
    #: It had expired, and its expiration was moved to the future.
    RENEWED = "Renewed"


@dataclass(frozen=True, slots=True)
class Mint:
    """A credential that is needed, and why. Times are Unix seconds; an expiration of None is never."""

    serial: int
    key_id: str
    cause: MintCause
    mint_time: int
    expiration_time: int | None

    def credential(self, token_id: str, value: str) -> Credential:
        """Return the credential whose token has the public id *token_id* and the verifier *value*."""
        return Credential(
            serial=self.serial,
            id=token_id,
            mint_time=self.mint_time,
            expiration_time=self.expiration_time,
            verifier=Verifier(algorithm=verifier.ALGORITHM, key_id=self.key_id, value=value),
        )


Minter = Callable[[Mint], Credential]
"""Draws a token and returns its credential. The caller of `plan` keeps the plaintext until it is delivered."""


class SecretWrite(StrEnum):
    """How the Secret is to be written."""

    #: It does not exist: POST.
    CREATE = "Create"
    #: It is ours, or may be adopted: overwrite what we own, with its resourceVersion as a precondition.
    REPLACE = "Replace"
    #: It is immutable: delete exactly that object, then POST.
    RECREATE = "Recreate"


@dataclass(frozen=True, slots=True)
class SecretUpdate:
    """Write *subject* to the Secret, with the content that `content.desired_content` gives for it.

    *resource_version* and *uid* are those of the Secret that was seen, empty for CREATE. With *keeps_value*
    the token in it stays and only what surrounds it is repaired; it is read for that, and verified once more
    against *holds* (None: it has expired, there is nothing to verify against and nothing to lose).
    """

    subject: Subject
    write: SecretWrite
    resource_version: str = ""
    uid: str = ""
    keeps_value: bool = False
    holds: Credential | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A k8s Event, to be sent after the writes have succeeded."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done for one token, in this order: *ahead*, Secret, *status*, Events.

    *ahead* is a status that has to be written before the Secret: it lists the next credential of a rotation as
    pending, so that validators know the new value before any client can read it, or corrects what is no longer true
    of a token that is replaced. *status* is true once the Secret is written, and None when it is right as it is.
    *mint* is the credential that was minted for this plan. *arrives* says why the credential that *status* adds as
    delivered was minted, in this pass or in an earlier one. *owes* says that a Secret has to be written, now or later:
    without it a write that failed is not wanted any more. *requeue_at* is the Unix second at which time alone will
    change the answer, always later than the `now` that the plan was made for; None is never.
    """

    ahead: ServiceTokenStatus | None = None
    status: ServiceTokenStatus | None = None
    mint: Mint | None = None
    deliver: SecretUpdate | None = None
    owes: bool = False
    arrives: MintCause | None = None
    events: tuple[Event, ...] = ()
    requeue_at: int | None = None
