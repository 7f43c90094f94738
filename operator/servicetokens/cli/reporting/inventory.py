"""All accounts and tokens as a report sees them: decoded, sorted into states, and counted. No I/O.

The Secrets are not read, and of a token's status not the verifiers: what is not here cannot be printed.
This shape of a token is a row: a whole cluster fits into memory without its objects.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.values import parse_recorded_time

_WAITING: Final = "Waiting for the operator"


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    creation_timestamp: str | None = None


class _Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _Reference(msgspec.Struct):
    name: str = ""


class _Rotation(msgspec.Struct):
    every: str | None = None


class _TokenSpec(msgspec.Struct, rename="camel"):
    account_ref: _Reference = msgspec.field(default_factory=_Reference)
    description: str = ""
    revocation_reason: str = ""
    rotation: _Rotation | None = None
    expiration_time: str | None = None


class _Credential(msgspec.Struct, rename="camel"):
    serial: int
    expiration_time: str | None = None


class _TokenStatus(msgspec.Struct, rename="camel"):
    token_id: str = msgspec.field(name="tokenID", default="")
    serial: int | None = None
    mint_time: str | None = None
    expiration_time: str | None = None
    next_rotation_time: str | None = None
    last_used_time: str | None = None
    revocation_time: str | None = None
    credentials: list[_Credential] | None = None
    conditions: list[_Condition] | None = None


class _Token(msgspec.Struct):
    metadata: _Metadata
    spec: _TokenSpec
    status: _TokenStatus | None = None


class _AccountSpec(msgspec.Struct, rename="camel"):
    display_name: str = ""
    description: str = ""
    state: str = "Active"
    roles: list[str] | None = None


class _Account(msgspec.Struct):
    metadata: _Metadata
    spec: _AccountSpec = msgspec.field(default_factory=_AccountSpec)


_tokens: Final = msgspec.json.Decoder(_Token)
_accounts: Final = msgspec.json.Decoder(_Account)


@dataclass(frozen=True, slots=True)
class Token:
    """One ServiceToken. Times are Unix seconds.

    Attributes:
        state: the reason of its condition Active, such as `Valid` or `Revoked`; `Expired` also when the operator has
            not said so yet.
        expires: None when it never does, or when nothing is minted.
        is_fixed: rotations do not move the expiration, since `spec.expirationTime` is set.
        trouble: why the operator cannot go on, as it says it; empty when it can.
        waits: for what it waits, as it says it: a role, an import's Secret, an account; empty when for nothing.
    """

    namespace: str
    name: str
    account: str
    description: str
    token_id: str
    state: str
    expires: int | None
    rotates: int | None
    overlap_ends: int | None
    minted: int | None
    used: int | None
    revoked: int | None
    revocation_reason: str
    trouble: str
    waits: str = ""
    is_fixed: bool = False

    @property
    def is_valid(self) -> bool:
        """Say whether it is accepted now."""
        return self.state == Reason.VALID

    @property
    def is_suspended(self) -> bool:
        """Say whether it is rejected because it was not used for as long as its account's policy says."""
        return self.state == Reason.UNUSED_FOR_LONG

    @property
    def idle_since(self) -> int | None:
        """Return when it was last accepted; for one that never was, when it was minted."""
        return self.used if self.used is not None else self.minted

    def ends_by(self, moment: int) -> bool:
        """Say whether it expires at *moment* or earlier and is not replaced."""
        return self.ends is not None and self.ends <= moment

    @property
    def ends(self) -> int | None:
        """Return when a valid token expires without being replaced; None if that is not foreseeable."""
        return self.expires if self.is_valid and (self.rotates is None or self.is_fixed) else None


@dataclass(slots=True)
class Account:
    """One ServiceAccount with its tokens; *is_missing* when only they name it."""

    namespace: str
    name: str
    display_name: str = ""
    description: str = ""
    roles: Sequence[str] = ()
    is_suspended: bool = False
    is_missing: bool = False
    tokens: list[Token] = field(default_factory=list)


class Inventory:
    """Takes objects one by one, as they are listed, so that no list of raw objects is held."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.unreadable = 0
        self._accounts: dict[tuple[str, str], Account] = {}
        self._tokens: list[Token] = []

    def add_token(self, raw: bytes | msgspec.Raw) -> None:
        """Add a ServiceToken; one that makes no sense is counted, and costs the others nothing."""
        try:
            self._tokens.append(_token(_tokens.decode(raw), self.now))
        except msgspec.MsgspecError:
            self.unreadable += 1

    def add_account(self, raw: bytes | msgspec.Raw) -> None:
        """Add a ServiceAccount, in the same way."""
        try:
            found = _accounts.decode(raw)
        except msgspec.MsgspecError:
            self.unreadable += 1
            return
        account = Account(
            found.metadata.namespace,
            found.metadata.name,
            found.spec.display_name,
            found.spec.description,
            tuple(found.spec.roles or ()),
            is_suspended=found.spec.state == "Suspended",
        )
        self._accounts[account.namespace, account.name] = account

    @property
    def tokens(self) -> Sequence[Token]:
        """All tokens, by namespace and name."""
        return sorted(self._tokens, key=lambda token: (token.namespace, token.name))

    def accounts(self) -> Sequence[Account]:
        """Return all accounts with their tokens, by namespace and name; also those that only tokens name."""
        found = {
            key: Account(
                one.namespace, one.name, one.display_name, one.description, one.roles, one.is_suspended
            )
            for key, one in self._accounts.items()
        }
        for token in self.tokens:
            key = (token.namespace, token.account)
            found.setdefault(key, Account(*key, is_missing=True)).tokens.append(token)
        return [found[key] for key in sorted(found)]


def unused(tokens: Iterable[Token], since: int) -> Sequence[Token]:
    """Return the valid ones that were not used after *since*, and the suspended; the longest idle first."""
    idle = [(one.idle_since, one) for one in tokens if one.is_valid or one.is_suspended]
    found = [(moment, one) for moment, one in idle if moment is not None]
    found.sort(key=lambda pair: pair[0])
    return [one for moment, one in found if moment < since or one.is_suspended]


def _token(found: _Token, now: int) -> Token:
    status = found.status or _TokenStatus()
    conditions = {condition.type: condition for condition in status.conditions or ()}
    expires = _time(status.expiration_time)
    active = conditions.get(ConditionType.ACTIVE)
    state = active.reason if active is not None and active.reason else _WAITING
    if state == Reason.VALID and expires is not None and expires <= now:
        state = Reason.EXPIRED
    ready = conditions.get(ConditionType.READY)
    if state == Reason.NOT_MINTED and ready is not None and ready.reason:
        # It says why.
        state = ready.reason
    trouble = _true(conditions.get(ConditionType.STALLED))
    waits = "" if trouble else _true(conditions.get(ConditionType.RECONCILING))
    rotation = found.spec.rotation
    return Token(
        namespace=found.metadata.namespace,
        name=found.metadata.name,
        account=found.spec.account_ref.name,
        description=found.spec.description,
        token_id=status.token_id,
        state=str(state),
        expires=expires,
        rotates=_time(status.next_rotation_time) if rotation is not None and rotation.every else None,
        overlap_ends=_overlap(status, now),
        minted=_time(status.mint_time),
        used=_time(status.last_used_time),
        revoked=_time(status.revocation_time) if state == Reason.REVOKED else None,
        revocation_reason=found.spec.revocation_reason,
        trouble=trouble,
        waits=waits,
        is_fixed=bool(found.spec.expiration_time),
    )


def _true(condition: _Condition | None) -> str:
    return condition.message if condition is not None and condition.status == "True" else ""


def _overlap(status: _TokenStatus, now: int) -> int | None:
    """Return when the credential before the current one ends, while it is still accepted."""
    ends = [_time(one.expiration_time) for one in status.credentials or () if one.serial != status.serial]
    return max((end for end in ends if end is not None and end > now), default=None)


def _time(text: str | None) -> int | None:
    try:
        return parse_recorded_time(text) if text else None
    except ValueError:
        return None
