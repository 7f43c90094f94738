"""What the operator knows of the cluster: facts by key, and who has to look again when one of them changes."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from servicetokens.controllers.cache.cached_token import CachedToken, Shared, State
from servicetokens.kube.versions import version_number
from servicetokens.lifecycle.snapshot import AccountFacts, RoleFacts, SecretFacts, TokenFacts

NamespacedName = tuple[str, str]
"""Namespace and name; the namespace of a ServiceRole is empty."""


class Versioned(Protocol):
    """Facts that know how old they are."""

    @property
    def resource_version(self) -> str:
        """The resourceVersion that they were squeezed from."""
        ...


F = TypeVar("F", bound=Versioned)
K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Table(Generic[F]):
    """The facts of one kind. It never goes back in time, whatever order events arrive in.

    A name that was *invalidated* has to be read from the API before it is believed: a write to it may or may not have
    been applied, or the watch said something that has two meanings.
    """

    def __init__(self) -> None:
        self._facts: dict[NamespacedName, F] = {}
        self._invalidated: set[NamespacedName] = set()
        self._latest = 0

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[NamespacedName]:
        return iter(self._facts)

    @property
    def latest(self) -> int:
        """The latest resourceVersion that was seen here."""
        return self._latest

    def clear(self) -> None:
        """Forget everything, also how far the history has come."""
        self._facts.clear()
        self._invalidated.clear()
        self._latest = 0

    def get(self, place: NamespacedName) -> F | None:
        """Return the facts at *place*, or None."""
        return self._facts.get(place)

    def values(self) -> Iterable[F]:
        """Return all facts."""
        return self._facts.values()

    def is_known(self, place: NamespacedName, resource_version: str) -> bool:
        """Say whether *place* is known as of *resource_version* or later.

        An event of that version is late, or the echo of our own write, whose answer is here already.
        """
        known = self._facts.get(place)
        if known is None:
            return False
        return known.resource_version == resource_version or (
            (version_number(resource_version) or 0) < version(known)
        )

    def put(self, place: NamespacedName, facts: F) -> F | None:
        """Keep *facts* unless newer ones are there; return the ones replaced, or *facts* itself if it is late."""
        old = self._facts.get(place)
        if old is not None and version(facts) < version(old):
            return facts
        self._facts[place] = facts
        self._latest = max(self._latest, version(facts))
        return old

    def drop(self, place: NamespacedName, resource_version: str | None = None) -> bool:
        """Forget *place*, unless it is known at a later version than *resource_version*; say whether it was known."""
        old = self._facts.get(place)
        if old is None or (
            resource_version is not None and (version_number(resource_version) or 0) < version(old)
        ):
            return False
        del self._facts[place]
        self._invalidated.discard(place)
        return True

    def invalidate(self, place: NamespacedName) -> None:
        """Have *place* read again before it is believed."""
        self._invalidated.add(place)

    def is_invalidated(self, place: NamespacedName) -> bool:
        """Say whether *place* has to be read again."""
        return place in self._invalidated

    def mark_refreshed(self, place: NamespacedName) -> None:
        """*place* has been read."""
        self._invalidated.discard(place)


def version(facts: Versioned) -> int:
    """Return the resourceVersion as a number; what is none counts as oldest."""
    return version_number(facts.resource_version) or 0


class Caches:
    """The four tables, and the references between them in the direction that events need."""

    def __init__(self) -> None:
        self.tokens: Table[CachedToken] = Table()
        self.accounts: Table[AccountFacts] = Table()
        self.roles: Table[RoleFacts] = Table()
        self.secrets: Table[SecretFacts] = Table()
        self._latest_use: int | None = None
        self._shared = Shared()
        self._states: Counter[State] = Counter()
        self._keys: Counter[str] = Counter()
        self._by_account: defaultdict[NamespacedName, set[str]] = defaultdict(set)
        # Without the tokens whose Secret has the token's own name, which are most.
        self._by_secret: defaultdict[NamespacedName, set[str]] = defaultdict(set)
        self._by_handle: defaultdict[str, set[NamespacedName]] = defaultdict(set)
        # Ids are random, so the same one twice was forged, and either may be kept.
        self._by_id: dict[str, NamespacedName] = {}

    @property
    def latest_use(self) -> int | None:
        """The latest use of any token, also of a deleted one: up to then uses are known."""
        return self._latest_use

    @property
    def states(self) -> Mapping[State, int]:
        """How many tokens have each type, status and reason of a condition."""
        return self._states

    @property
    def keys(self) -> Mapping[str, int]:
        """How many credentials were hashed with each key, by its id."""
        return self._keys

    def token(self, place: NamespacedName) -> TokenFacts | None:
        """Return the facts of the token at *place*, or None."""
        kept = self.tokens.get(place)
        return kept.facts() if kept is not None else None

    def put_token(self, facts: TokenFacts) -> None:
        """Keep *facts*, unless later ones are there; see `Table.put`."""
        place = (facts.namespace, facts.name)
        before = self.tokens.get(place)
        new = CachedToken.of(facts, self._shared, before)
        if self.tokens.put(new.place, new) is new:
            return
        if (used := facts.status.last_used_time) is not None:
            self._latest_use = max(used, self._latest_use or 0)
        if before is not None:
            self._unlink(before)
        self._link(new)

    def drop_token(self, place: NamespacedName, resource_version: str | None = None) -> bool:
        """Forget a token; see `Table.drop`."""
        old = self.tokens.get(place)
        dropped = self.tokens.drop(place, resource_version)
        if dropped and old is not None:
            self._unlink(old)
        return dropped

    def clear(self) -> None:
        """Forget everything: the history that it is from is not that of the API server any more."""
        for table in (self.tokens, self.accounts, self.roles, self.secrets):
            table.clear()
        self._latest_use = None
        self._shared = Shared()
        self._states.clear()
        self._keys.clear()
        self._by_account.clear()
        self._by_secret.clear()
        self._by_handle.clear()
        self._by_id.clear()

    def tokens_of_account(self, place: NamespacedName) -> list[NamespacedName]:
        """Return the tokens that name the account at *place*."""
        return [(place[0], name) for name in self._by_account.get(place, ())]

    def tokens_of_secret(self, place: NamespacedName) -> list[NamespacedName]:
        """Return the tokens that want the Secret at *place*; more than one only by mistake."""
        found = [(place[0], name) for name in self._by_secret.get(place, ())]
        own = self.tokens.get(place)
        if own is not None and own.secret_name == place[1]:
            found.append(own.place)
        return found

    def accounts_with_role(self, role: str) -> list[NamespacedName]:
        """Return the accounts whose spec lists *role*. Roles change rarely, so this looks at every account."""
        return [
            (account.namespace, account.name)
            for account in self.accounts.values()
            if account.spec is not None and role in account.spec.roles
        ]

    def tokens_with_role(self, role: str) -> list[NamespacedName]:
        """Return the tokens whose own list names *role*."""
        return [
            token.place for token in self.tokens.values() if token.roles is not None and role in token.roles
        ]

    def is_imported(self, handle: str, place: NamespacedName) -> bool:
        """Say whether the value with that handle is accepted for another token than the one at *place*."""
        return any(other != place for other in self._by_handle.get(handle, ()))

    def other_token_with_id(self, token_id: str, place: NamespacedName) -> NamespacedName | None:
        """Return another token than the one at *place* whose last credential has the public id *token_id*."""
        found = self._by_id.get(token_id)
        return found if found != place else None

    def _link(self, token: CachedToken) -> None:
        namespace, name = token.place
        self._states.update(token.states)
        self._keys.update(token.key_ids)
        self._by_account[namespace, token.account_name].add(name)
        if token.secret_name != name:
            self._by_secret[namespace, token.secret_name].add(name)
        if token.handle:
            self._by_handle[token.handle].add(token.place)
        if token.token_id:
            self._by_id[token.token_id] = token.place

    def _unlink(self, token: CachedToken) -> None:
        namespace, name = token.place
        _take(self._states, token.states)
        _take(self._keys, token.key_ids)
        if self._by_id.get(token.token_id) == token.place:
            del self._by_id[token.token_id]
        _discard(self._by_handle, token.handle, token.place)
        _discard(self._by_account, (namespace, token.account_name), name)
        _discard(self._by_secret, (namespace, token.secret_name), name)


def _take(counter: Counter[K], counted: Iterable[K]) -> None:
    """Stop counting *counted*. What is counted zero times is removed, so that invented values take no memory."""
    for one in counted:
        counter[one] -= 1
        if not counter[one]:
            del counter[one]


def _discard(index: defaultdict[K, set[V]], key: K, value: V) -> None:
    if (found := index.get(key)) is not None:
        found.discard(value)
        if not found:
            del index[key]
