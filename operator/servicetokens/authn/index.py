"""The tokens, accounts and roles in memory, and whether they are complete and current.

Filled by watches through the tables of `servicetokens.authn.tables`; read by the authenticator. Two objects
that claim the same token id (a status copied by hand) do not affect each other: see `claims`.
"""

import math
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

from servicetokens.api.origin import Origin
from servicetokens.authn.claims import Claims, Ended
from servicetokens.authn.records import Account, Credential, Restrictions, Role, TokenRecord
from servicetokens.tokens.verifier import KeyRing

_NEVER: Final = -math.inf
_Call = Callable[[], None]


class Index:
    """The three tables together. Not thread-safe.

    Attributes:
        claims: which objects claim a token id.
        by_id: the first object that claims a token id.
        by_key: how many credentials name each key, by its id as they spell it.
        imports_by_key: the same for imported values alone; empty where there are none.
        roles: the catalogue by name.
        roles_version: increases with every change of a role.
        keys: the operator's keys, None until they have been read.
        usable_until: monotonic time until which answers are allowed; in the past while a list is incomplete.
        on_unknown_key: called when an object names a key that is not in `keys`; must return immediately.
        on_state_change: called when a token was revoked, restored, suspended or resumed, or an account was.
    """

    def __init__(self, *, max_staleness: float) -> None:
        """Start empty and unusable; a confirmation by a watch is trusted for *max_staleness* seconds."""
        self.claims = Claims()
        self.by_id = self.claims.first
        self.by_key: dict[str, int] = {}
        self.imports_by_key: dict[str, int] = {}
        self.roles: dict[str, Role] = {}
        self.roles_version = 0
        self.keys: KeyRing | None = None
        self.usable_until = _NEVER
        self.on_unknown_key: _Call = lambda: None
        self.on_state_change: _Call = lambda: None
        self._max_staleness = max_staleness
        self._confirmed_at: dict[str, float] = {}
        self._sentences: dict[str, tuple[str, str]] = {}
        self._holds: dict[str, str] = {}
        self._accounts: WeakValueDictionary[tuple[str, str], Account] = WeakValueDictionary()
        self._restrictions: WeakValueDictionary[object, Restrictions] = WeakValueDictionary()

    def __len__(self) -> int:
        """Return how many token ids are known."""
        return len(self.by_id)

    # Whether the index is complete and current.

    def expect(self, source: str, *, missing: str, silent: str) -> None:
        """Depend on *source*, which has not delivered anything yet.

        *missing* is the message until it does, *silent* the message when its last confirmation is too old.
        """
        self._confirmed_at[source] = _NEVER
        self._sentences[source] = (missing, silent)
        self._update_usability()

    def confirm(self, source: str, at: float) -> None:
        """Record that *source* was complete and current at the monotonic time *at*."""
        self._confirmed_at[source] = at
        self._update_usability()

    def hold(self, topic: str, problem: str) -> None:
        """Stop answering because of *problem*, a sentence, until `release` of the same *topic*."""
        self._holds[topic] = problem
        self._update_usability()

    def release(self, topic: str) -> None:
        """Undo `hold` for *topic*."""
        self._holds.pop(topic, None)
        self._update_usability()

    def set_keys(self, keys: KeyRing) -> None:
        """Use *keys* from now on."""
        self.keys = keys
        self._update_usability()

    def problems(self, now: float) -> tuple[str, ...]:
        """Return why no answer can be given at the monotonic time *now*, one sentence each; empty for no reason."""
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
        """Return the age in seconds of the oldest confirmation; infinite before all lists are complete."""
        return max((now - at for at in self._confirmed_at.values()), default=math.inf)

    def _update_usability(self) -> None:
        complete = self.keys is not None and self._confirmed_at and not self._holds
        self.usable_until = min(self._confirmed_at.values()) + self._max_staleness if complete else _NEVER

    # Which records claim a token ID.

    def link(self, record: TokenRecord) -> None:
        """Add the credentials of *record* to the look-up tables."""
        for credential in record.credentials:
            if self.keys is not None and credential.key_id not in self.keys.ids:
                self.on_unknown_key()
            self._count(credential, 1)
            self.claims.add(credential.id, record)

    def unlink(self, record: TokenRecord) -> None:
        """Remove the credentials of *record*."""
        for credential in record.credentials:
            self._count(credential, -1)
            self.claims.drop(credential.id, record)

    def remember_ended(self, record: TokenRecord, *, is_deleted: bool = False) -> None:
        """Remember the credentials of *record*, which is unlinked, as ended, except those that are claimed now."""
        for credential in record.credentials:
            if credential.origin is Origin.MINTED:
                self.claims.end(credential.id, _ended(record, credential.end, is_deleted=is_deleted))

    def remember_last(self, record: TokenRecord, token_id: str, end: int | None) -> None:
        """Remember *token_id*, which status names without its credential, as ended; *end* is its expiration."""
        self.claims.end(token_id, _ended(record, end, is_named_only=True))

    def _count(self, credential: Credential, by: int) -> None:
        for table in (
            (self.by_key, self.imports_by_key) if credential.origin is Origin.IMPORTED else (self.by_key,)
        ):
            count = table.get(credential.key_id, 0) + by
            if count:
                table[credential.key_id] = count
            else:
                del table[credential.key_id]

    # Shared parts.

    def account(self, namespace: str, name: str) -> Account:
        """Return the account of that name, the same object for every token, whether or not it exists."""
        key = (namespace, name)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(namespace, name)
        return account

    def shared_restrictions(self, restrictions: Restrictions) -> Restrictions:
        """Return the equal object that other tokens use already, or *restrictions* itself."""
        return self._restrictions.setdefault(
            (restrictions.roles, restrictions.audiences, restrictions.networks), restrictions
        )


def _ended(
    record: TokenRecord, end: int | None, *, is_deleted: bool = False, is_named_only: bool = False
) -> Ended:
    account = record.account
    return Ended(account.namespace, record.name, account.name, end, is_deleted, is_named_only)
