"""The order of checks, from the cheapest and most certain to what depends on the request.

    shape, or import → id known → keyed hash → not being deleted → account there and the same → token and account state
    → not before, expiry → audience → client address → roles

What the first two lines find depends on nothing but objects, keys and time, and a yes is kept: see `kept`.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from servicetokens.api.reasons import Reason
from servicetokens.authn import imports
from servicetokens.authn.addresses import Network, find_client, is_in
from servicetokens.authn.decision import Accepted, Decision, Presented, Rejected, Unavailable
from servicetokens.authn.index import Index
from servicetokens.authn.kept import Kept, KeptDecisions
from servicetokens.authn.records import STATES, Account, Credential, Terms, TokenRecord, pack_mint
from servicetokens.authn.requests import HttpRequest
from servicetokens.authn.roles import allowing_roles, asks_for_roles, effective_roles, permissions_of
from servicetokens.policy.acceptance import Facts, find_refusal
from servicetokens.runtime.clock import Clock
from servicetokens.tokens.format import find_id, mint
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
_EFFORT_PER_SECOND: Final = 25_000


class _Effort:
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


class TokenAuthenticator:
    """Decides about presented tokens by the index and the clock."""

    def __init__(
        self,
        index: Index,
        clock: Clock,
        *,
        prefix: str,
        trusted_proxies: Sequence[Network] = (),
        allow_without_roles: bool = False,
        on_use: Callable[[Accepted, Presented], None] = lambda _accepted, _presented: None,
    ) -> None:
        """Work in memory only: no call here blocks.

        Args:
            index: what is known.
            clock: decides what has expired, and how old the index is.
            prefix: with which tokens of this installation begin.
            trusted_proxies: whose `X-Forwarded-For` is believed.
            allow_without_roles: let a token that asks for no role at all pass where an HTTP request is authorized.
                Then removing the last role of an account can allow more than before.
            on_use: called when a token was accepted, about once a minute for each that is in use.
        """
        self._index = index
        self._clock = clock
        self._prefix = prefix
        # A token of zeros shows where the parts are.
        sample = mint(prefix, bytes)
        self._length = len(sample.reveal())
        self._id_at = len(prefix) + 1
        self._id_end = self._id_at + len(sample.id)
        self._trusted = tuple(trusted_proxies)
        self._allow_without_roles = allow_without_roles
        self._on_use = on_use
        self._kept = KeptDecisions(index, clock)
        self._recall = self._kept.recall
        self._nobody = (_make_nobody(),)
        self._effort = _Effort(_EFFORT_PER_SECOND)

    def authenticate(self, presented: Presented) -> Decision:
        """Decide whether the token is accepted for this request."""
        index = self._index
        keys = index.keys
        if keys is None or self._clock.monotonic() >= index.usable_until:
            return Unavailable(index.problems(self._clock.monotonic()))
        token = presented.token
        if len(token) != self._length:
            kept: Kept | Rejected | Unavailable = self._judge_foreign(token, keys)
        else:
            token_id, encoded = token[self._id_at : self._id_end], _encoded(token)
            kept = self._recall(token_id, encoded, keys) or self._judge(token, keys)
        if not isinstance(kept, Kept):
            return kept
        found: Decision = kept.accepted
        if not kept.unconditional or presented.required_roles:
            found = self._for_occasion(kept, presented)
        if not kept.noted and isinstance(found, Accepted):
            kept.noted = True
            self._on_use(found, presented)
        return found

    def recognise(self, token: bytes) -> Accepted | None:
        """Return the decision about *token* if it was made before, still holds, and depends on no occasion.

        For the listeners' hot path: None is no decision, and `authenticate` has to be called.
        """
        index = self._index
        keys = index.keys
        if keys is None or len(token) != self._length or self._clock.monotonic() >= index.usable_until:
            return None
        token_id = token[self._id_at : self._id_end].decode("latin-1")
        kept = self._recall(token_id, token, keys)
        return kept.accepted if kept is not None and kept.unconditional and kept.noted else None

    def _judge(self, token: str, keys: KeyRing) -> Kept | Rejected | Unavailable:
        """Verify the token, and decide whether it is accepted."""
        token_id = find_id(token, self._prefix)
        if token_id is None:
            return self._judge_foreign(token, keys)
        found = self._find(token, token_id, keys)
        return self._decide(*found, token, keys) if isinstance(found, tuple) else found

    def _judge_foreign(self, token: str, keys: KeyRing) -> Kept | Rejected:
        """Decide on a value that does not have our format: it may have been imported. `imports` says what it costs."""
        answer = _MALFORMED
        for handle in imports.handles(token, self._index, keys):
            kept = self._recall(handle, _encoded(token), keys)
            if kept is not None:
                return kept
            found = imports.find_imported(token, handle, self._index, keys)
            if found is not None:
                return self._decide(*found, token, keys)
            if handle in self._index.by_id:
                answer = _WRONG_SECRET
        return answer

    def _decide(
        self, record: TokenRecord, credential: Credential, token: str, keys: KeyRing
    ) -> Kept | Rejected:
        """Decide by objects and time on a token that was verified, and keep the decision if it is accepted."""
        now = self._clock.now()
        reason = find_refusal(_facts(record, credential), now)
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
        return self._kept.keep(accepted, credential, _encoded(token), keys, restricted=restricted)

    def _find(
        self, token: str, token_id: str, keys: KeyRing
    ) -> tuple[TokenRecord, Credential] | Rejected | Unavailable:
        """Find the object whose token this is, among all that claim its id.

        An id that no object claims is verified, too, against a credential that nothing fits: it takes as long.
        """
        claims = self._index.claims
        claimants = claims.claimants(token_id) or self._nobody
        if len(claimants) > _MOST_FREE and not self._effort.take(len(claimants), self._clock.monotonic()):
            return _TOO_MANY_CLAIMANTS
        is_verifiable = True
        for record in claimants:
            for credential in record.credentials:
                if credential.id != token_id and record is not self._nobody[0]:
                    continue
                verifier = credential.verifier.hex()
                if keys.verify(verifier, credential.key_id, record.uid, credential.serial, token):
                    claims.prove(token_id, record, credential)
                    return record, credential
                is_verifiable = is_verifiable and credential.key_id in keys.ids
        not_claimed = self._find_ended(token_id)
        if claimants is self._nobody:
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

    def _for_occasion(self, kept: Kept, presented: Presented) -> Accepted | Rejected:
        """Decide by the request: its audience, client address and required roles."""
        accepted = kept.accepted
        record, terms, token_id = accepted.record, accepted.record.terms, accepted.token_id
        if (
            terms.audiences
            and not presented.asker_checks_audience
            and not common_audiences(accepted, presented)
        ):
            return Rejected(Reason.AUDIENCE, record, token_id)
        if terms.networks:
            client = None if presented.origin is None else find_client(presented.origin, self._trusted)
            if client is None:
                return Rejected(Reason.NO_CLIENT_ADDRESS, record, token_id)
            if not is_in(client, terms.networks):
                return Rejected(Reason.CLIENT_ADDRESS, record, token_id)
        if kept.restricted and presented.original is not None:
            roles = allowing_roles(accepted.roles, presented.original())
            if not roles:
                reason = Reason.REQUEST_NOT_ALLOWED if accepted.roles else Reason.ROLE_MISSING
                return Rejected(reason, record, token_id)
            accepted = kept.narrow(roles)
        if presented.required_roles:
            held = {role.name for role in accepted.roles}
            if not held.issuperset(presented.required_roles):
                return Rejected(Reason.ROLE_MISSING, record, token_id)
        return accepted


def _make_nobody() -> TokenRecord:
    """Return an object with a credential that no token fits, for ids that no object claims."""
    account = Account("", "")
    minted = pack_mint(0, bytes(sha256().digest_size))
    return TokenRecord(
        compact_uid=0,
        name="",
        account=account,
        account_uid="",
        terms=Terms(roles=None, audiences=(), networks=()),
        state=STATES[False, False, False, False],
        current=Credential(id="", serial=0, key_id=FIRST_KEY, minted=minted, life=0),
    )


def common_audiences(accepted: Accepted, presented: Presented) -> tuple[str, ...]:
    """Return the requested audiences for which the token is accepted.

    A token without audiences is accepted for all; one with audiences is accepted for none if none is requested.
    """
    asked = presented.audiences
    if asked is None:
        asked = _audiences_of(None if presented.original is None else presented.original())
    if not accepted.record.terms.audiences:
        return asked
    return tuple(audience for audience in asked if audience in accepted.record.terms.audiences)


def _audiences_of(request: HttpRequest | None) -> tuple[str, ...]:
    """Return the names under which a token may mean the service that a request is for."""
    if request is None or not request.host:
        return ()
    return (request.host, f"https://{request.host}", f"http://{request.host}")


def _encoded(token: str) -> bytes:
    """Return the bytes that are hashed; what was presented may be anything that a text can be."""
    return token.encode("utf-8", "surrogatepass")


def _facts(record: TokenRecord, credential: Credential) -> Facts:
    """Return what `find_refusal` asks for."""
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
