"""Which objects claim a token id, and which ids belonged to credentials that have expired or were deleted.

Ids are random, so a second object that claims one is a copy, made by a user who may write `status`. No
claimant is ever dropped in favour of another: the keyed hash, which is bound to the object's uid, identifies
the owner. Once it has, that object is tried first, and alone. For an ended id no hash exists any more: it
stays with the object that had it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from servicetokens.authn.records import Credential, TokenRecord

# An entry takes about 250 bytes, so these are 4 MB. A rotation of every token of a large installation within the few
# minutes for which clients go on to present the old ones fits in.
_MOST_ENDED: Final = 16384

_Proof = tuple[int | str, int, bytes]


class Ended(msgspec.Struct, frozen=True, gc=False):
    """What is kept of an ended credential: its owner, and no verifier.

    Attributes:
        end: Unix second of its expiration; None is never.
        is_deleted: its object was deleted.
        is_named_only: no credential with that id was seen; the object only names it as its last one.
    """

    namespace: str
    name: str
    account: str
    end: int | None
    is_deleted: bool = False
    is_named_only: bool = False

    def is_of(self, namespace: str, name: str) -> bool:
        """Return whether it belonged to the ServiceToken of that name."""
        return (self.namespace, self.name) == (namespace, name)


class Claims:
    """The objects that claim each token id in their status, and the ended ids."""

    def __init__(self) -> None:
        self.first: dict[str, TokenRecord] = {}
        """The object to try first, by token id."""
        self._others: dict[str, dict[int | str, TokenRecord]] = {}
        self._proven: dict[str, _Proof] = {}
        self._ended: OrderedDict[str, Ended] = OrderedDict()

    def claimants(self, token_id: str) -> Sequence[TokenRecord]:
        """Return the objects that may own *token_id*, in the order in which to try them; usually one or none."""
        first, others = self.first.get(token_id), self._others.get(token_id)
        if first is None:
            return ()
        if others is None or self._is_proven(token_id, first):
            return (first,)
        return (first, *others.values())

    def prove(self, token_id: str, owner: TokenRecord, credential: Credential) -> None:
        """Record that a token with that id was verified against *credential* of *owner*."""
        if token_id in self._others:
            self._proven[token_id] = _proof_of(owner, credential)
            self._prefer(token_id, owner)

    def add(self, token_id: str, record: TokenRecord) -> None:
        """Add *record* to the claimants of *token_id*."""
        ended = self._ended.get(token_id)
        if ended is not None and (ended.is_named_only or ended.is_of(record.account.namespace, record.name)):
            # It is current. An ended credential of another object stays with that object: this is a copy.
            del self._ended[token_id]
        if self.first.setdefault(token_id, record) is record:
            return
        self._others.setdefault(token_id, {})[record.compact_uid] = record
        if self._is_proven(token_id, record):
            self._prefer(token_id, record)

    def drop(self, token_id: str, record: TokenRecord) -> None:
        """Remove *record* from the claimants of *token_id*."""
        others = self._others.get(token_id, {})
        if self.first.get(token_id) is not record:
            others.pop(record.compact_uid, None)
        elif others:
            self.first[token_id] = others.pop(next(iter(others)))
        else:
            del self.first[token_id]
            self._proven.pop(token_id, None)
        if not others:
            self._others.pop(token_id, None)

    def end(self, token_id: str, ended: Ended) -> None:
        """Remember that the credential with that id has ended, unless an object claims it or another one owned it."""
        known = self._ended.get(token_id)
        if known is not None and known.is_of(ended.namespace, ended.name):
            is_named_only = known.is_named_only and ended.is_named_only
            ended = msgspec.structs.replace(ended, is_named_only=is_named_only)
        elif known is not None and (ended.is_named_only or not known.is_named_only):
            return
        if token_id not in self.first:
            self._ended[token_id] = ended
            self._ended.move_to_end(token_id)
            if len(self._ended) > _MOST_ENDED:
                self._ended.popitem(last=False)

    def find_ended(self, token_id: str) -> Ended | None:
        """Return what is kept of the ended credential with that id; None when it is unknown."""
        return self._ended.get(token_id)

    def _is_proven(self, token_id: str, record: TokenRecord) -> bool:
        """Return whether *record* is the proven owner, and still has the credential that proved it."""
        proven = self._proven.get(token_id)
        return proven is not None and any(
            one.id == token_id and _proof_of(record, one) == proven for one in record.credentials
        )

    def _prefer(self, token_id: str, record: TokenRecord) -> None:
        """Try *record*, which claims *token_id*, first."""
        first, others = self.first[token_id], self._others[token_id]
        if first is not record:
            del others[record.compact_uid]
            others[first.compact_uid] = first
            self.first[token_id] = record


def _proof_of(owner: TokenRecord, credential: Credential) -> _Proof:
    return owner.compact_uid, credential.serial, credential.minted
