"""What objects, keys and time say about a token, independent of the request that it came with.

In this order, from the cheapest and most certain:

    shape, or import → id known → keyed hash → not being deleted → account there and the same → token and account state
    → not before, expiry → roles

An acceptance stays valid until one of them changes; `decision_cache` keeps it for that long.
"""

from hashlib import sha256
from typing import Final, Protocol

import msgspec

from servicetokens.api.reasons import Reason
from servicetokens.authn import imports
from servicetokens.authn.decision import Accepted, Rejected, Unavailable
from servicetokens.authn.index import Index
from servicetokens.authn.records import (
    STATES,
    Account,
    Credential,
    Restrictions,
    Role,
    TokenRecord,
    pack_mint,
)
from servicetokens.authn.roles import asks_for_roles, effective_roles, permissions_of
from servicetokens.policy.acceptance import Facts, find_rejection
from servicetokens.runtime.clock import Clock
from servicetokens.tokens.format import find_id
from servicetokens.tokens.verifier import FIRST_KEY, KeyRing

_MALFORMED: Final = Rejected(Reason.MALFORMED)
_UNKNOWN: Final = Rejected(Reason.UNKNOWN)
_UNKNOWN_KEY: Final = Rejected(Reason.UNKNOWN_KEY)
_WRONG_SECRET: Final = Rejected(Reason.WRONG_SECRET)
_TOO_MANY_CLAIMANTS: Final = Unavailable(("too many objects claim the id of one token",))

# A presented token costs one keyed hash, or as many as there are objects that claim its id. That many are always
# computed: 50 us.
_MOST_FREE: Final = 16
# What more of them may cost together in each second: about a tenth of one core. A right token for an id that is claimed
# so often is accepted unless an attacker makes us spend all of that, and from then on it needs one hash only.
_HASHES_PER_SECOND: Final = 25_000
# Later than any time in a year of four digits.
_FOREVER: Final = 2**53
# Subsets of roles that requests to different services single out; there are as many as the rules distinguish.
_MOST_NARROWED: Final = 8


class Evaluation(msgspec.Struct, gc=False, eq=False):
    """A token that is accepted as far as it does not depend on the request.

    Attributes:
        accepted: the decision, with all effective roles.
        until: Unix second from which time alone may turn it into a rejection.
        restricted: whether it depends on the HTTP request which roles there are.
        unconditional: whether it depends on nothing but the roles that the request requires.
    """

    accepted: Accepted
    until: int
    restricted: bool
    unconditional: bool
    _narrowed: dict[tuple[Role, ...], Accepted] | None = None

    def narrow(self, roles: tuple[Role, ...]) -> Accepted:
        """Return the same decision with fewer roles; the same object each time for the most common subsets."""
        if len(roles) == len(self.accepted.roles):
            return self.accepted
        if self._narrowed is None:
            self._narrowed = {}
        narrowed = self._narrowed.get(roles)
        if narrowed is None:
            narrowed = msgspec.structs.replace(self.accepted, roles=roles, permissions=permissions_of(roles))
            if len(self._narrowed) < _MOST_NARROWED:
                self._narrowed[roles] = narrowed
        return narrowed


class Evaluator(Protocol):
    """Says what objects, keys and time say about a token."""

    def evaluate(self, token: str, keys: KeyRing) -> Evaluation | Rejected | Unavailable:
        """Verify *token* with *keys*, and decide about it as far as that does not depend on the request."""
        ...


class _HashBudget:
    """So many keyed hashes in each second."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = -1
        self._left = 0

    def take(self, count: int, now: float) -> bool:
        """Take *count* of them; False when there are none left. One token may cost more than a second allows."""
        if int(now) != self._second:
            self._second, self._left = int(now), self._per_second
        if self._left <= 0:
            return False
        self._left -= count
        return True


class TokenEvaluator:
    """Evaluates tokens by the index and the clock."""

    def __init__(self, index: Index, clock: Clock, *, prefix: str, allow_without_roles: bool = False) -> None:
        """Work in memory only: no call here blocks.

        Args:
            index: what is known.
            clock: decides what has expired.
            prefix: with which tokens of this installation begin.
            allow_without_roles: let a token that asks for no role at all pass where an HTTP request is authorized.
                Then removing the last role of an account can allow more than before.
        """
        self._index = index
        self._clock = clock
        self._prefix = prefix
        self._allow_without_roles = allow_without_roles
        self._dummies = (_make_dummy(),)
        self._hash_budget = _HashBudget(_HASHES_PER_SECOND)

    def evaluate(self, token: str, keys: KeyRing) -> Evaluation | Rejected | Unavailable:
        """See `Evaluator`."""
        token_id = find_id(token, self._prefix)
        if token_id is None:
            return self._evaluate_foreign(token, keys)
        found = self._find(token, token_id, keys)
        return self._decide(*found) if isinstance(found, tuple) else found

    def _evaluate_foreign(self, token: str, keys: KeyRing) -> Evaluation | Rejected:
        """Decide on a value that does not have our format: it may have been imported. `imports` says what it costs."""
        answer = _MALFORMED
        for handle in imports.handles(token, self._index, keys):
            found = imports.find_imported(token, handle, self._index, keys)
            if found is not None:
                return self._decide(*found)
            if handle in self._index.by_id:
                answer = _WRONG_SECRET
        return answer

    def _decide(self, record: TokenRecord, credential: Credential) -> Evaluation | Rejected:
        """Decide by objects and time on a token that was verified."""
        now = self._clock.now()
        reason = find_rejection(_facts(record, credential), now)
        if reason is not None:
            return Rejected(reason, record, credential.id)
        roles = effective_roles(record, credential, self._index.roles)
        accepted = Accepted(
            record=record,
            token_id=credential.id,
            end=credential.end,
            roles=roles,
            permissions=permissions_of(roles),
        )
        restricted = any(role.http is not None for role in roles) or not (
            roles or (self._allow_without_roles and not asks_for_roles(record))
        )
        restrictions = record.restrictions
        return Evaluation(
            accepted,
            until=_valid_until(accepted, credential),
            restricted=restricted,
            unconditional=not (restricted or restrictions.audiences or restrictions.networks),
        )

    def _find(
        self, token: str, token_id: str, keys: KeyRing
    ) -> tuple[TokenRecord, Credential] | Rejected | Unavailable:
        """Find the object whose token this is, among all that claim its id.

        An id that no object claims is verified, too, against a credential that nothing fits: it takes as long.
        """
        claims = self._index.claims
        claimants = claims.claimants(token_id) or self._dummies
        if len(claimants) > _MOST_FREE and not self._hash_budget.take(
            len(claimants), self._clock.monotonic()
        ):
            return _TOO_MANY_CLAIMANTS
        is_verifiable = True
        for record in claimants:
            for credential in record.credentials:
                if credential.id != token_id and record is not self._dummies[0]:
                    continue
                verifier = credential.verifier.hex()
                if keys.verify(verifier, credential.key_id, record.uid, credential.serial, token):
                    claims.prove(token_id, record, credential)
                    return record, credential
                is_verifiable = is_verifiable and credential.key_id in keys.ids
        not_claimed = self._find_ended(token_id)
        if claimants is self._dummies:
            return not_claimed
        if is_verifiable:
            return _WRONG_SECRET
        self._index.on_unknown_key()
        return _UNKNOWN_KEY

    def _find_ended(self, token_id: str) -> Rejected:
        """Say why an id is not claimed by any object: it is unknown, or its credential has ended."""
        ended = self._index.claims.find_ended(token_id)
        if ended is None:
            return _UNKNOWN
        if ended.is_deleted:
            reason = Reason.DELETED
        elif ended.end is not None and ended.end <= self._clock.now():
            reason = Reason.EXPIRED
        else:
            reason = Reason.REPLACED
        return Rejected(reason, token_id=token_id, ended=ended)


def _make_dummy() -> TokenRecord:
    """Return an object with a credential that no token fits, for ids that no object claims."""
    account = Account("", "")
    minted = pack_mint(0, bytes(sha256().digest_size))
    return TokenRecord(
        compact_uid=0,
        name="",
        account=account,
        account_uid="",
        restrictions=Restrictions(roles=None, audiences=(), networks=()),
        state=STATES[False, False, False, False],
        current=Credential(id="", serial=0, key_id=FIRST_KEY, minted=minted, life=0),
    )


def _valid_until(accepted: Accepted, credential: Credential) -> int:
    """Return the Unix second from which time alone may turn a yes into a no."""
    end = _FOREVER if credential.end is None else credential.end
    not_before = accepted.record.account.not_before
    if not_before is not None and credential.mint_time <= not_before:
        return min(end, not_before)
    return end


def _facts(record: TokenRecord, credential: Credential) -> Facts:
    """Return what `find_rejection` asks for."""
    account, state = record.account, record.state
    return Facts(
        deleting=state.deleting,
        account_uid=account.uid,
        minted_for=record.account_uid,
        revoked=state.revoked,
        account_suspended=account.suspended,
        suspended=state.suspended,
        readable=state.readable and account.readable,
        mint_time=credential.mint_time,
        end=credential.end,
        not_before=account.not_before,
    )
