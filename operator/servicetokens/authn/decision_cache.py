"""Evaluations that are kept, so that a token that was accepted a moment ago costs no keyed hash.

What the objects, the keys and the time say depends on nothing else, and an acceptance is kept until one of them
changes. It is found by the SHA-256 of the token, which costs a third of the keyed hash; the token itself is kept
nowhere. The digest is computed for every token, so the time of a rejection shows neither whether an id is known nor
whether it is in use.
"""

from collections import OrderedDict
from hashlib import sha256
from typing import Final

import msgspec

from servicetokens.authn.decision import Rejected, Unavailable
from servicetokens.authn.evaluation import Evaluation, Evaluator
from servicetokens.authn.index import Index
from servicetokens.authn.records import TokenRecord
from servicetokens.runtime.clock import Clock
from servicetokens.tokens.imported import MAX_LENGTH
from servicetokens.tokens.verifier import KeyRing

# An evaluation is repeated after so many seconds, whatever happens: a change that was missed here has no effect for
# longer than that.
_KEPT_SECONDS: Final = 60
# With their narrowed decisions and finished answers about 800 bytes each: more than a busy proxy sees.
_MOST_KEPT: Final = 16384


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """An evaluation, and what it was based on."""

    evaluation: Evaluation
    token_id: str
    record: TokenRecord
    until: int
    account_version: int
    roles_version: int
    keys: KeyRing


class DecisionCache:
    """Evaluates tokens like the evaluator that it wraps, and keeps what is accepted."""

    def __init__(self, evaluator: Evaluator, index: Index, clock: Clock) -> None:
        self._evaluate = evaluator.evaluate
        self._index = index
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def evaluate(self, token: str, keys: KeyRing) -> Evaluation | Rejected | Unavailable:
        """See `Evaluator`."""
        if len(token) > MAX_LENGTH:
            # No valid token is that long, and hashing it would be the most expensive part.
            return self._evaluate(token, keys)
        # Any text may be presented, also one that no UTF-8 stands for.
        value = token.encode("utf-8", "surrogatepass")
        evaluation = self.find(value, keys)
        if evaluation is not None:
            return evaluation
        found = self._evaluate(token, keys)
        if isinstance(found, Evaluation):
            self._keep(sha256(value).digest(), found, keys)
        return found

    def find(self, token: bytes, keys: KeyRing) -> Evaluation | None:
        """Return the evaluation that is kept for *token*, if nothing that it was based on has changed."""
        entry = self._entries.get(sha256(token).digest())
        if (
            entry is not None
            and entry.record is self._index.by_id.get(entry.token_id)
            and entry.account_version == entry.record.account.version
            and entry.roles_version == self._index.roles_version
            and entry.keys is keys
            and entry.until > self._clock.now()
        ):
            return entry.evaluation
        return None

    def _keep(self, digest: bytes, evaluation: Evaluation, keys: KeyRing) -> None:
        record = evaluation.accepted.record
        self._entries[digest] = _Entry(
            evaluation=evaluation,
            token_id=evaluation.accepted.token_id,
            record=record,
            until=min(evaluation.until, self._clock.now() + _KEPT_SECONDS),
            account_version=record.account.version,
            roles_version=self._index.roles_version,
            keys=keys,
        )
        if len(self._entries) > _MOST_KEPT:
            self._entries.popitem(last=False)
