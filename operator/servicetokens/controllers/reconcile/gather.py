"""Gather the facts for one decision. Only objects that were invalidated, or are not watched, are read from the API."""

from typing import Protocol

from servicetokens.api import names
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.cache.facts import Raw
from servicetokens.controllers.keyring import Keyring
from servicetokens.controllers.reconcile.reading import TokenReader
from servicetokens.kube.errors import NotFound
from servicetokens.kube.object_key import Key
from servicetokens.kube.objects import ObjectReader
from servicetokens.lifecycle.snapshot import (
    AccountFacts,
    Enforcement,
    Keys,
    RoleFacts,
    Snapshot,
    TokenFacts,
    roles_asked_for,
)
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)


class EnforcementSource(Protocol):
    """Returns how far validators have applied changes."""

    def about(self, key: Key, of: TokenFacts | AccountFacts) -> Enforcement:
        """See `propagation.tracker.Enforcements`; so does the other method."""
        ...

    def forget(self, key: Key) -> None:
        """Forget an object."""
        ...


class Gatherer:
    """Creates snapshots."""

    def __init__(
        self,
        reader: TokenReader,
        caches: Caches,
        keys: Keyring,
        objects: ObjectReader,
        enforcements: EnforcementSource,
    ) -> None:
        self._reader = reader
        self._caches = caches
        self._keys = keys
        self._objects = objects
        self._enforcements = enforcements

    async def token(self, key: Key, now: int) -> Snapshot | None:
        """Return everything about one ServiceToken, or None when it was deleted.

        Raises:
            KubeError: something cannot be read, or reads and watches disagree: retry.
        """
        reading = await self._reader.read(key, now)
        if reading is None:
            self._enforcements.forget(key)
            return None
        token, ring = reading.token, self._keys.ring
        account = await self._account_of(token)
        return Snapshot(
            token=token,
            account=account,
            roles=await self._roles_of(token, account),
            secret=reading.secret,
            imported=reading.imported,
            keys=Keys(
                newest=ring.newest if ring else None,
                ids=ring.ids if ring else frozenset(),
                error=self._keys.error,
            ),
            memory=reading.memory,
            enforcement=self._enforcements.about(key, token),
            latest_use=self._caches.latest_use,
        )

    def enforcement(self, key: Key, account: AccountFacts) -> Enforcement:
        """Return whether every validator has applied the account's spec."""
        return self._enforcements.about(key, account)

    def account(self, key: Key) -> tuple[AccountFacts, dict[str, RoleFacts | None], int] | None:
        """Return a ServiceAccount, its roles, and how many tokens name it; None when it was deleted."""
        place = (key.namespace, key.name)
        account = self._caches.accounts.get(place)
        if account is None:
            self._enforcements.forget(key)
            return None
        asked = account.spec.roles if account.spec else ()
        return account, self._roles(asked), len(self._caches.tokens_of_account(place))

    def role(self, key: Key) -> RoleFacts | None:
        """Return a ServiceRole, or None when it was deleted."""
        return self._caches.roles.get(("", key.name))

    def _roles(self, asked: tuple[str, ...]) -> dict[str, RoleFacts | None]:
        return {name: self._caches.roles.get(("", name)) for name in asked}

    async def _account_of(self, token: TokenFacts) -> AccountFacts | None:
        account = self._caches.accounts.get((token.namespace, token.account_name))
        if account is not None or not _is_new(token):
            return account
        raw = await self._read(names.PLURAL_ACCOUNTS, token.namespace, token.account_name)
        return facts.account_facts(raw) if raw is not None else None

    async def _roles_of(self, token: TokenFacts, account: AccountFacts | None) -> dict[str, RoleFacts | None]:
        roles = self._roles(roles_asked_for(token, account))
        for name in [name for name, role in roles.items() if role is None and _is_new(token)]:
            raw = await self._read(names.PLURAL_ROLES, "", name)
            roles[name] = facts.role_facts(raw) if raw is not None else None
        return roles

    async def _read(self, plural: str, namespace: str, name: str) -> Raw | None:
        """Read an object that no watch has delivered yet. Only the watch updates the cache and wakes dependents."""
        try:
            return await self._objects.get(plural, namespace, name)
        except NotFound:
            return None


def _is_new(token: TokenFacts) -> bool:
    """Return whether this spec has no result yet.

    It is often applied together with its account and role, and the watches deliver them in any order: an object that
    seems to be missing is read before it is reported as missing.
    """
    return token.spec is not None and token.status.observed_generation != token.generation
