"""All that is known of tokens, accounts and roles, and whether it can be relied upon at this moment.

Fed by watches through the tables of `servicetokens.authn.tables`; read by the authenticator. Two objects that
claim the same token id (a status copied by hand) do not get into each other's way: every claimant is kept,
and the keyed hash, which is bound to the object's uid, tells whose token it is.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final
from weakref import WeakValueDictionary

from servicetokens.authn.records import Account, Credential, Role, Terms, TokenRecord
from servicetokens.tokens.imported import is_handle
from servicetokens.tokens.verifier import KeyRing

# Ids are random, so a second claimant is a copy. The bound is on the number of hashes that one presented
# token costs; whoever can write more statuses than this has no need of such an attack.
_MOST_RIVALS: Final = 15
_NEVER: Final = -math.inf


class Index:
    """The three tables joined. Not for use by several threads.

    Attributes:
        by_id: the first object that claims a token id; `claimants` gives all.
        by_key: how many credentials name each key, by its id as they spell it.
        imports_by_key: the same for imported values alone; empty where there are none.
        roles: the catalogue by name.
        roles_version: grows with every change of a role.
        keys: the operator's keys, None until they have been read.
        usable_until: monotonic time until which answers may be given; in the past while something is missing.
        on_unknown_key: called when an object names a key that is not in `keys`; must return at once.
        on_state_change: called when a token was revoked, restored, suspended or resumed, or an account was.
    """

    def __init__(self, *, max_staleness: float) -> None:
        """Start empty and unusable; *max_staleness* is for how many seconds a sign of life is relied upon."""
        self.by_id: dict[str, TokenRecord] = {}
        self.by_key: dict[str, int] = {}
        self.imports_by_key: dict[str, int] = {}
        self.roles: dict[str, Role] = {}
        self.roles_version = 0
        self.keys: KeyRing | None = None
        self.usable_until = _NEVER
        self.on_unknown_key: Callable[[], None] = lambda: None
        self.on_state_change: Callable[[], None] = lambda: None
        self._max_staleness = max_staleness
        self._confirmed_at: dict[str, float] = {}
        self._sentences: dict[str, tuple[str, str]] = {}
        self._holds: dict[str, str] = {}
        self._rivals_by_id: dict[str, list[TokenRecord]] = {}
        self._accounts: WeakValueDictionary[tuple[str, str], Account] = WeakValueDictionary()
        self._terms: WeakValueDictionary[object, Terms] = WeakValueDictionary()

    def __len__(self) -> int:
        """Return how many token ids are known."""
        return len(self.by_id)

    # ------------------------------------------------------------------------------ can it be relied upon

    def expect(self, source: str, *, missing: str, silent: str) -> None:
        """Depend on *source*, which has told nothing yet.

        *missing* is the sentence to say until it does, *silent* the one to say when it did so too long ago.
        """
        self._confirmed_at[source] = _NEVER
        self._sentences[source] = (missing, silent)
        self._judge()

    def confirm(self, source: str, at: float) -> None:
        """Take note that *source* was complete and current at the monotonic time *at*."""
        self._confirmed_at[source] = at
        self._judge()

    def hold(self, topic: str, problem: str) -> None:
        """Give no answers because of *problem*, a sentence, until `release` of the same *topic*."""
        self._holds[topic] = problem
        self._judge()

    def release(self, topic: str) -> None:
        """Take back what `hold` said about *topic*."""
        self._holds.pop(topic, None)
        self._judge()

    def set_keys(self, keys: KeyRing) -> None:
        """Use *keys* from now on."""
        self.keys = keys
        self._judge()

    def problems(self, now: float) -> tuple[str, ...]:
        """Return why no answer can be given at the monotonic time *now*, a sentence each; or nothing."""
        found = list(self._holds.values())
        if self.keys is None and not found:
            found.append("the keys have not been read")
        for source, at in self._confirmed_at.items():
            missing, silent = self._sentences[source]
            if at == _NEVER:
                found.append(missing)
            elif now >= at + self._max_staleness:
                found.append(f"{silent} for {now - at:.0f} s")
        return tuple(found)

    def staleness(self, now: float) -> float:
        """Return the age in seconds of the oldest sign of life; infinite before all lists are complete."""
        return max((now - at for at in self._confirmed_at.values()), default=math.inf)

    def _judge(self) -> None:
        complete = self.keys is not None and self._confirmed_at and not self._holds
        self.usable_until = min(self._confirmed_at.values()) + self._max_staleness if complete else _NEVER

    # --------------------------------------------------------------------------------- who claims a token id

    def claimants(self, token_id: str) -> Iterator[TokenRecord]:
        """Give the objects that claim *token_id*, the first one first; mostly one or none."""
        first = self.by_id.get(token_id)
        if first is not None:
            yield first
            yield from self._rivals_by_id.get(token_id, ())

    def link(self, record: TokenRecord) -> None:
        """Make the credentials of *record* findable."""
        for credential in record.credentials:
            if self.keys is not None and credential.key_id not in self.keys.ids:
                self.on_unknown_key()
            self._count(credential, 1)
            if self.by_id.setdefault(credential.id, record) is not record:
                rivals = self._rivals_by_id.setdefault(credential.id, [])
                if record not in rivals and len(rivals) < _MOST_RIVALS:
                    rivals.append(record)

    def unlink(self, record: TokenRecord) -> None:
        """Forget the credentials of *record*."""
        for credential in record.credentials:
            self._count(credential, -1)
            claimants = [one for one in self.claimants(credential.id) if one is not record]
            self.by_id.pop(credential.id, None)
            self._rivals_by_id.pop(credential.id, None)
            if claimants:
                self.by_id[credential.id] = claimants[0]
            if len(claimants) > 1:
                self._rivals_by_id[credential.id] = claimants[1:]

    def _count(self, credential: Credential, by: int) -> None:
        for table in (self.by_key, self.imports_by_key) if is_handle(credential.id) else (self.by_key,):
            count = table.get(credential.key_id, 0) + by
            if count:
                table[credential.key_id] = count
            else:
                del table[credential.key_id]

    # ------------------------------------------------------------------------------------------ what is
    # shared

    def account(self, namespace: str, name: str) -> Account:
        """Return the account of that name, the same object for all who ask, whether or not it exists."""
        key = (namespace, name)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(namespace, name)
        return account

    def shared_terms(self, terms: Terms) -> Terms:
        """Return the equal object that other tokens hold already, or *terms* itself."""
        return self._terms.setdefault((terms.roles, terms.audiences, terms.networks), terms)
