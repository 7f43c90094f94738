"""Decisions that are kept, so that a token that was accepted a moment ago costs no keyed hash.

What the objects, the keys and the time say depends on nothing else, and a yes is kept until one of them changes. As
long as it holds, the token is recognised by its SHA-256, compared in constant time, which costs a third of the keyed
hash; the token itself is kept nowhere.
"""

from collections import OrderedDict
from hashlib import sha256
from hmac import compare_digest
from typing import Final

import msgspec

from servicetokens.authn.decision import Accepted
from servicetokens.authn.index import Index
from servicetokens.authn.records import Credential, Role, TokenRecord
from servicetokens.authn.roles import permissions_of
from servicetokens.runtime.clock import Clock
from servicetokens.tokens.verifier import KeyRing

# A kept decision is made again after so many seconds, so that each token in use is reported about once a minute, at
# no cost to the requests in between.
_KEPT_SECONDS: Final = 60
# Later than any time in a year of four digits.
_FOREVER: Final = 2**53
# Decisions that are kept, with their finished answers, about 800 bytes each: more than a busy proxy sees.
_MOST_KEPT: Final = 16384
# Subsets of roles that requests to different services single out; there are as many as the rules distinguish.
_MOST_NARROWED: Final = 8

# No token has this SHA-256.
_NO_PROOF: Final = bytes(32)


class Kept(msgspec.Struct, gc=False, eq=False):
    """An accepted token, and by what it was decided.

    Attributes:
        accepted: the decision, apart from what depends on the request.
        record: that of the decision.
        restricted: whether it depends on the HTTP request which roles there are.
        unconditional: whether it depends on nothing but the roles that the asker requires.
        until: Unix second from which it has to be decided again, which need not mean that the token is not valid.
        account_version, roles_version, keys: by what it was decided.
        proof: the SHA-256 of the token.
        noted: whether it has accepted a request, and that was reported.
        narrowed: the decisions for requests that only some of the roles allow, by those roles.
    """

    accepted: Accepted
    record: TokenRecord
    restricted: bool
    unconditional: bool
    until: int
    account_version: int
    roles_version: int
    keys: KeyRing
    proof: bytes
    noted: bool = False
    narrowed: dict[tuple[Role, ...], Accepted] | None = None

    def narrow(self, roles: tuple[Role, ...]) -> Accepted:
        """Return the same decision with fewer roles."""
        if len(roles) == len(self.accepted.roles):
            return self.accepted
        if self.narrowed is None:
            self.narrowed = {}
        narrowed = self.narrowed.get(roles)
        if narrowed is None:
            narrowed = msgspec.structs.replace(
                self.accepted, roles=roles, permissions=permissions_of(roles), answer_key=None
            )
            if len(self.narrowed) < _MOST_NARROWED:
                self.narrowed[roles] = narrowed
        return narrowed


class KeptDecisions:
    """The decisions that are kept, by the public id of the token."""

    def __init__(self, index: Index, clock: Clock) -> None:
        self._index = index
        self._clock = clock
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def recall(self, token_id: str, token: bytes, keys: KeyRing) -> Kept | None:
        """Return the kept decision, if nothing that it was made by has changed and it is the same token.

        The comparison comes first, and is made also where nothing is kept: how long it takes to reject a token says
        neither whether its id is known nor whether it is in use.
        """
        kept = self._kept.get(token_id)
        proof = _NO_PROOF if kept is None else kept.proof
        if (
            compare_digest(proof, sha256(token).digest())
            and kept is not None
            and kept.record is self._index.by_id.get(token_id)
            and kept.account_version == kept.record.account.version
            and kept.roles_version == self._index.roles_version
            and kept.keys is keys
            and kept.until > self._clock.now()
        ):
            return kept
        return None

    def keep(
        self, accepted: Accepted, credential: Credential, token: bytes, keys: KeyRing, *, restricted: bool
    ) -> Kept:
        """Keep *accepted*, which was decided just now about *token*, a value of *credential*."""
        record = accepted.record
        terms = record.terms
        kept = Kept(
            accepted=accepted,
            record=record,
            restricted=restricted,
            unconditional=not (restricted or terms.audiences or terms.networks),
            until=min(_valid_until(accepted, credential), self._clock.now() + _KEPT_SECONDS),
            account_version=record.account.version,
            roles_version=self._index.roles_version,
            keys=keys,
            proof=sha256(token).digest(),
        )
        self._kept[accepted.token_id] = kept
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return kept


def _valid_until(accepted: Accepted, credential: Credential) -> int:
    """Return the Unix second from which time alone may turn a yes into a no."""
    end = _FOREVER if credential.end is None else credential.end
    not_before = accepted.record.account.not_before
    if not_before is not None and credential.mint_time <= not_before:
        return min(end, not_before)
    return end
