"""All accounts and tokens as a report sees them: decoded, sorted into states, and counted. No I/O.

The Secrets are not read, and of a token's status not the verifiers: what is not here cannot be printed. Objects are
read by their views, one after another, and only rows of the report are held: a whole cluster fits into memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.cli.views import AccountView, ConditionView, TokenView, View, moment, text, written

_WAITING: Final = "Waiting for the operator"

V = TypeVar("V", bound=View)


_objects: Final = msgspec.json.Decoder(dict[str, Any])


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
        view = self._read(raw, TokenView)
        if view is not None:
            self._tokens.append(_token(view, self.now))

    def add_account(self, raw: bytes | msgspec.Raw) -> None:
        """Add a ServiceAccount, in the same way."""
        view = self._read(raw, AccountView)
        if view is not None:
            self._accounts[view.namespace, view.name] = Account(
                view.namespace,
                view.name,
                written(view.spec.get("displayName")),
                written(view.spec.get("description")),
                tuple(view.roles),
                is_suspended=view.spec.get("state") == "Suspended",
            )

    def _read(self, raw: bytes | msgspec.Raw, kind: type[V]) -> V | None:
        """Return the view of an object; None, and count it, when it has no name or is no JSON object."""
        try:
            view = kind(_objects.decode(raw))
        except msgspec.MsgspecError:
            view = None
        if view is None or not view.name:
            self.unreadable += 1
            return None
        return view

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


def _token(view: TokenView, now: int) -> Token:
    active, ready = view.condition(ConditionType.ACTIVE), view.condition(ConditionType.READY)
    state = active.reason if active is not None and active.reason else _WAITING
    if state == Reason.VALID and view.end is not None and view.end <= now:
        state = Reason.EXPIRED
    if state == Reason.NOT_MINTED and ready is not None and ready.reason:
        # It says why.
        state = ready.reason
    trouble = _true(view.condition(ConditionType.STALLED))
    waits = "" if trouble else _true(view.condition(ConditionType.RECONCILING))
    return Token(
        namespace=view.namespace,
        name=view.name,
        account=view.account,
        description=written(view.spec.get("description")),
        token_id=view.id,
        state=str(state),
        expires=view.end,
        rotates=view.next_rotation if text(view.rotation.get("every")) else None,
        overlap_ends=_overlap(view, now),
        minted=moment(view.status.get("mintTime")),
        used=view.last_used,
        revoked=moment(view.status.get("revocationTime")) if state == Reason.REVOKED else None,
        revocation_reason=written(view.spec.get("revocationReason")),
        trouble=trouble,
        waits=waits,
        is_fixed=bool(text(view.spec.get("expirationTime"))),
    )


def _true(condition: ConditionView | None) -> str:
    return condition.message if condition is not None and condition.status == "True" else ""


def _overlap(view: TokenView, now: int) -> int | None:
    """Return when the credential before the current one ends, while it is still accepted.

    There is no overlap while the next one waits for its delivery: then the current one has its own end.
    """
    delivered = [credential for credential in view.credentials if not credential.is_pending]
    ends = [credential.end for credential in delivered[:-1]]
    return max((end for end in ends if end is not None and end > now), default=None)
