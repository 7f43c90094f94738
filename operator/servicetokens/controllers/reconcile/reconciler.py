"""`reconcile(key)`: gather → plan → execute, for one object. Called only by the worker pool."""

from typing import Any

from servicetokens.api import names
from servicetokens.api.meta import StatusModel
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.queue.deadlines import Deadlines
from servicetokens.controllers.reconcile.execute import Executor
from servicetokens.controllers.reconcile.gather import Gatherer
from servicetokens.controllers.reconcile.writers import StatusWriter
from servicetokens.kube.errors import Conflict, NotFound
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.account import account_status
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.role import role_status
from servicetokens.lifecycle.snapshot import ObjectFacts
from servicetokens.runtime.clock import Clock


class Reconciler:
    """Brings one object to the state in its spec. Running it twice is harmless; it does not depend on events."""

    def __init__(
        self,
        caches: Caches,
        gatherer: Gatherer,
        executor: Executor,
        statuses: StatusWriter,
        deadlines: Deadlines,
        clock: Clock,
    ) -> None:
        self._caches = caches
        self._gatherer = gatherer
        self._executor = executor
        self._statuses = statuses
        self._deadlines = deadlines
        self._clock = clock

    async def reconcile(self, key: Key) -> bool:
        """Reconcile the object *key*; return whether it has to be reconciled again immediately. Raises `KubeError`."""
        if key.kind == names.KIND_TOKEN:
            return await self._token(key)
        if key.kind == names.KIND_ACCOUNT:
            return await self._account(key)
        return await self._role(key)

    async def _token(self, key: Key) -> bool:
        now = self._clock.now()
        snapshot = await self._gatherer.token(key, now)
        if snapshot is None:
            self._deadlines.set(key, None)
            return False
        wanted = plan(snapshot, now)
        again = await self._executor.execute(key, snapshot, wanted)
        self._deadlines.set(key, wanted.requeue_at)
        return again

    async def _account(self, key: Key) -> bool:
        gathered = self._gatherer.account(key)
        if gathered is None:
            return False
        account, roles, token_count = gathered
        enforcement = self._gatherer.enforcement(key, account)
        status = account_status(account, roles, token_count, enforcement, self._clock.now())
        if status is not None:
            raw = await self._put(names.PLURAL_ACCOUNTS, names.KIND_ACCOUNT, account, status)
            if raw is not None:
                self._caches.accounts.put((account.namespace, account.name), facts.account_facts(raw))
        return False

    async def _role(self, key: Key) -> bool:
        role = self._gatherer.role(key)
        status = role_status(role, self._clock.now()) if role else None
        if role is not None and status is not None:
            raw = await self._put(names.PLURAL_ROLES, names.KIND_ROLE, role, status)
            if raw is not None:
                self._caches.roles.put(("", role.name), facts.role_facts(raw))
        return False

    async def _put(
        self, plural: str, kind: str, of: ObjectFacts, status: StatusModel
    ) -> dict[str, Any] | None:
        """Write a status that nothing else depends on. After a conflict, the watch event wakes the object again."""
        try:
            raw = await self._statuses.put_status(
                plural,
                kind,
                namespace=of.namespace,
                name=of.name,
                resource_version=of.resource_version,
                status=status.to_wire(),
            )
        except (Conflict, NotFound):
            return None
        return dict(raw)
