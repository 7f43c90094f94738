"""From a change to the keys that have to be looked at because of it. Events are hints: nothing is decided here."""

import asyncio
from typing import Final

from servicetokens.api import names
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches, NamespacedName
from servicetokens.controllers.cache.facts import Raw
from servicetokens.controllers.keyring import Keyring
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.snapshot import ObjectFacts

# An account counts its tokens on its status. A thousand new tokens must cost a few writes there, not a thousand.
_COUNT_DELAY: Final = 1.0


class EventHandlers:
    """Updates the caches and the queue. One method per kind for existing objects, one for deleted ones."""

    def __init__(self, caches: Caches, queue: WorkQueue, keys: Keyring) -> None:
        self._caches = caches
        self._queue = queue
        self._keys = keys
        self._counting: set[Key] = set()

    def token(self, raw: Raw) -> None:
        """Take in a ServiceToken that is new or has changed."""
        namespace, name, version = facts.identity(raw)
        if self._caches.tokens.is_known((namespace, name), version):
            return
        new = facts.token_facts(raw)
        old = self._caches.tokens.get((namespace, name))
        before = old.account_name if old else ""
        self._caches.put_token(new)
        self._queue.add(Key(names.KIND_TOKEN, new.namespace, new.name))
        if before != new.account_name:
            self._count(new.namespace, before)
            self._count(new.namespace, new.account_name)

    def token_deleted(self, raw: Raw) -> None:
        """Process the deletion of a ServiceToken, and wake dependents: itself, its account, a rival for its Secret.

        A resync has only its name, and a write may have detected it before the event came.
        """
        gone = facts.token_facts(raw)
        place = (gone.namespace, gone.name)
        known = self._caches.tokens.get(place) or gone
        if known is not gone and not self._caches.drop_token(place, gone.resource_version):
            return
        self._queue.add(Key(names.KIND_TOKEN, *place))
        self._count(gone.namespace, known.account_name)
        secret = (gone.namespace, known.secret_name)
        rivals = self._caches.tokens_of_secret(secret)
        if not rivals:
            # No later read would detect it.
            self._caches.secrets.mark_refreshed(secret)
        self._requeue_tokens(rivals)

    def account(self, raw: Raw) -> None:
        """Take in a ServiceAccount that is new or has changed."""
        namespace, name, version = facts.identity(raw)
        place = (namespace, name)
        if self._caches.accounts.is_known(place, version):
            return
        new = facts.account_facts(raw)
        old = self._caches.accounts.put(place, new)
        self._queue.add(Key(names.KIND_ACCOUNT, *place))
        if _differs(old, new):
            self._requeue_tokens(self._caches.tokens_of_account(place))

    def account_deleted(self, raw: Raw) -> None:
        """Take in the deletion of a ServiceAccount."""
        gone = facts.account_facts(raw)
        place = (gone.namespace, gone.name)
        if self._caches.accounts.drop(place, gone.resource_version):
            self._requeue_tokens(self._caches.tokens_of_account(place))

    def role(self, raw: Raw) -> None:
        """Take in a ServiceRole that is new or has changed."""
        _, name, version = facts.identity(raw)
        if self._caches.roles.is_known(("", name), version):
            return
        new = facts.role_facts(raw)
        old = self._caches.roles.put(("", new.name), new)
        self._queue.add(Key(names.KIND_ROLE, "", new.name))
        if _differs(old, new):
            self._requeue_dependents(new.name)

    def role_deleted(self, raw: Raw) -> None:
        """Take in the deletion of a ServiceRole."""
        gone = facts.role_facts(raw)
        if self._caches.roles.drop(("", gone.name), gone.resource_version):
            self._requeue_dependents(gone.name)

    def secret(self, raw: Raw) -> None:
        """Take in a Secret with our label that is new or has changed."""
        namespace, name, version = facts.identity(raw)
        place = (namespace, name)
        if self._caches.secrets.is_known(place, version):
            # Also after the keys have changed: then it is invalidated, and is read again when it is needed.
            return
        new = facts.secret_facts(raw, self._keys.ring)
        if self._caches.secrets.put(place, new) != new:
            self._requeue_tokens(self._caches.tokens_of_secret(place))

    def secret_deleted(self, raw: Raw) -> None:
        """Take in that a Secret has left the watch: it was deleted, or only lost our label. The next pass looks."""
        namespace, name, version = facts.identity(raw)
        place = (namespace, name)
        dropped = self._caches.secrets.drop(place, version)
        wanted = self._caches.tokens_of_secret(place)
        if dropped and wanted:
            self._caches.secrets.invalidate(place)
        self._requeue_tokens(wanted)

    def requeue_token(self, place: NamespacedName) -> None:
        """Wake the token at *place*, of which nothing is known to have changed."""
        self._requeue_tokens([place])

    def requeue_all(self) -> None:
        """Wake every object."""
        self._requeue_tokens(list(self._caches.tokens))
        for kind, table in (
            (names.KIND_ACCOUNT, self._caches.accounts),
            (names.KIND_ROLE, self._caches.roles),
        ):
            for place in list(table):
                self._queue.add(Key(kind, *place))

    def _count(self, namespace: str, account: str) -> None:
        key = Key(names.KIND_ACCOUNT, namespace, account)
        if account and key not in self._counting:
            self._counting.add(key)
            asyncio.get_running_loop().call_later(_COUNT_DELAY, self._counted, key)

    def _counted(self, key: Key) -> None:
        self._counting.discard(key)
        self._queue.add(key)

    def _requeue_dependents(self, role: str) -> None:
        for place in self._caches.accounts_with_role(role):
            self._queue.add(Key(names.KIND_ACCOUNT, *place))
            self._requeue_tokens(self._caches.tokens_of_account(place))
        self._requeue_tokens(self._caches.tokens_with_role(role))

    def _requeue_tokens(self, places: list[NamespacedName]) -> None:
        for place in places:
            self._queue.add(Key(names.KIND_TOKEN, *place))


def _differs(old: ObjectFacts | None, new: ObjectFacts) -> bool:
    """Say whether anything that others depend on has changed, rather than a status or a label."""
    return old is None or (old.uid, old.generation, old.deleting) != (new.uid, new.generation, new.deleting)
