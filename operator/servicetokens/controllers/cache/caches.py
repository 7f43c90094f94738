"""What the operator knows of the cluster: facts by key, and who has to look again when one of them changes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from servicetokens.kube.versions import version_number
from servicetokens.lifecycle.importing import find_imported
from servicetokens.lifecycle.snapshot import AccountFacts, RoleFacts, SecretFacts, TokenFacts

Place = tuple[str, str]
"""Namespace and name; the namespace of a ServiceRole is empty."""


class Versioned(Protocol):
    """Facts that know how old they are."""

    @property
    def resource_version(self) -> str:
        """The resourceVersion that they were squeezed from."""
        ...


F = TypeVar("F", bound=Versioned)


class Table(Generic[F]):
    """The facts of one kind. It never goes back in time, whatever order events arrive in.

    A place in *doubt* has to be read from the API before it is believed: a write to it may or may not have
    been applied, or the watch said something that has two meanings.
    """

    def __init__(self) -> None:
        self._facts: dict[Place, F] = {}
        self._doubted: set[Place] = set()
        self._latest = 0

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._facts)

    @property
    def latest(self) -> int:
        """The latest resourceVersion that was seen here."""
        return self._latest

    def clear(self) -> None:
        """Forget everything, also how far the history has come."""
        self._facts.clear()
        self._doubted.clear()
        self._latest = 0

    def get(self, place: Place) -> F | None:
        """Return the facts at *place*, or None."""
        return self._facts.get(place)

    def values(self) -> Iterable[F]:
        """Return all facts."""
        return self._facts.values()

    def put(self, place: Place, facts: F) -> F | None:
        """Keep *facts* unless newer ones are there; return the ones replaced, or *facts* itself if it is late."""
        old = self._facts.get(place)
        if old is not None and version(facts) < version(old):
            return facts
        self._facts[place] = facts
        self._latest = max(self._latest, version(facts))
        return old

    def drop(self, place: Place, resource_version: str | None = None) -> bool:
        """Forget *place*, unless it is known at a later version than *resource_version*; say whether it was known."""
        old = self._facts.get(place)
        if old is None or (
            resource_version is not None and (version_number(resource_version) or 0) < version(old)
        ):
            return False
        del self._facts[place]
        self._doubted.discard(place)
        return True

    def doubt(self, place: Place) -> None:
        """Have *place* read again before it is believed."""
        self._doubted.add(place)

    def is_doubted(self, place: Place) -> bool:
        """Say whether *place* has to be read again."""
        return place in self._doubted

    def settle(self, place: Place) -> None:
        """*place* has been read."""
        self._doubted.discard(place)


def version(facts: Versioned) -> int:
    """Return the resourceVersion as a number; what is none counts as oldest."""
    return version_number(facts.resource_version) or 0


class Caches:
    """The four tables, and the references between them in the direction that events need."""

    def __init__(self) -> None:
        self.tokens: Table[TokenFacts] = Table()
        self.accounts: Table[AccountFacts] = Table()
        self.roles: Table[RoleFacts] = Table()
        self.secrets: Table[SecretFacts] = Table()
        self._latest_use: int | None = None
        self._by_account: defaultdict[Place, set[str]] = defaultdict(set)
        self._by_secret: defaultdict[Place, set[str]] = defaultdict(set)
        self._by_handle: defaultdict[str, set[Place]] = defaultdict(set)
        # Ids are random, so the same one twice was forged, and either may be kept.
        self._by_id: dict[str, Place] = {}

    @property
    def latest_use(self) -> int | None:
        """The latest use of any token, also of a deleted one: up to then uses are known."""
        return self._latest_use

    def put_token(self, facts: TokenFacts) -> TokenFacts | None:
        """Keep *facts*; see `Table.put`."""
        place = (facts.namespace, facts.name)
        old = self.tokens.put(place, facts)
        if old is not facts:
            if (used := facts.status.last_used_time) is not None:
                self._latest_use = max(used, self._latest_use or 0)
            if old is not None:
                self._unlink(old)
            self._by_account[facts.namespace, facts.account_name].add(facts.name)
            self._by_secret[facts.namespace, facts.secret_name].add(facts.name)
            if (imported := find_imported(facts.status.credentials)) is not None:
                self._by_handle[imported.id].add(place)
            if facts.status.token_id:
                self._by_id[facts.status.token_id] = place
        return old

    def drop_token(self, place: Place, resource_version: str | None = None) -> bool:
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
        self._by_account.clear()
        self._by_secret.clear()
        self._by_handle.clear()
        self._by_id.clear()

    def tokens_of_account(self, place: Place) -> list[Place]:
        """Return the tokens that name the account at *place*."""
        return [(place[0], name) for name in self._by_account.get(place, ())]

    def tokens_of_secret(self, place: Place) -> list[Place]:
        """Return the tokens that want the Secret at *place*; more than one only by mistake."""
        return [(place[0], name) for name in self._by_secret.get(place, ())]

    def accounts_with_role(self, role: str) -> list[Place]:
        """Return the accounts whose spec lists *role*. Roles change rarely, so this looks at every account."""
        return [
            (account.namespace, account.name)
            for account in self.accounts.values()
            if account.spec is not None and role in account.spec.roles
        ]

    def tokens_with_role(self, role: str) -> list[Place]:
        """Return the tokens whose own list names *role*."""
        return [
            (token.namespace, token.name)
            for token in self.tokens.values()
            if token.spec is not None and token.spec.roles is not None and role in token.spec.roles
        ]

    def is_imported(self, handle: str, place: Place) -> bool:
        """Say whether the value with that handle is accepted for another token than the one at *place*."""
        return any(other != place for other in self._by_handle.get(handle, ()))

    def other_token_with_id(self, token_id: str, place: Place) -> Place | None:
        """Return another token than the one at *place* whose last credential has the public id *token_id*."""
        found = self._by_id.get(token_id)
        return found if found != place else None

    def _unlink(self, facts: TokenFacts) -> None:
        if self._by_id.get(facts.status.token_id or "") == (facts.namespace, facts.name):
            del self._by_id[facts.status.token_id or ""]
        if (imported := find_imported(facts.status.credentials)) is not None:
            self._by_handle[imported.id].discard((facts.namespace, facts.name))
            if not self._by_handle[imported.id]:
                del self._by_handle[imported.id]
        for index, place in (
            (self._by_account, (facts.namespace, facts.account_name)),
            (self._by_secret, (facts.namespace, facts.secret_name)),
        ):
            index[place].discard(facts.name)
            if not index[place]:
                del index[place]
