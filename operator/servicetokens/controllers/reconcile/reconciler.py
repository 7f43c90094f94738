"""`reconcile(key)`: gather → plan → execute, for one object. Called only by the worker pool."""

from functools import partial

from servicetokens.api import names
from servicetokens.controllers.queue.deadlines import Deadlines
from servicetokens.controllers.reconcile.execute import Executor
from servicetokens.controllers.reconcile.gather import Gatherer
from servicetokens.controllers.reconcile.minting import TokenMint
from servicetokens.controllers.reconcile.statuses import Statuses
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.account import account_status
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.role import role_status
from servicetokens.runtime.clock import Clock


class TokenReconciler:
    """Brings one token to what its spec asks for."""

    def __init__(
        self, gatherer: Gatherer, minting: TokenMint, executor: Executor, deadlines: Deadlines, clock: Clock
    ) -> None:
        self._gatherer = gatherer
        self._minting = minting
        self._executor = executor
        self._deadlines = deadlines
        self._clock = clock

    async def reconcile(self, key: Key) -> bool:
        """See `Reconciler.reconcile`."""
        now = self._clock.now()
        snapshot = await self._gatherer.token(key, now)
        if snapshot is None:
            self._deadlines.set(key, None)
            return False
        wanted = plan(snapshot, now, partial(self._minting.mint, key, snapshot))
        again = await self._executor.execute(key, snapshot, wanted)
        self._deadlines.set(key, wanted.requeue_at)
        return again


class Reconciler:
    """Brings one object to the state in its spec. Running it twice is harmless; it does not depend on events."""

    def __init__(self, tokens: TokenReconciler, gatherer: Gatherer, statuses: Statuses, clock: Clock) -> None:
        self._tokens = tokens
        self._gatherer = gatherer
        self._statuses = statuses
        self._clock = clock

    async def reconcile(self, key: Key) -> bool:
        """Reconcile the object *key*; say whether it has to be reconciled again immediately. Raises `KubeError`."""
        if key.kind == names.KIND_TOKEN:
            return await self._tokens.reconcile(key)
        if key.kind == names.KIND_ACCOUNT:
            await self._account(key)
        else:
            await self._role(key)
        return False

    async def _account(self, key: Key) -> None:
        gathered = self._gatherer.account(key)
        if gathered is None:
            return
        account, roles, token_count = gathered
        enforcement = self._gatherer.enforcement(key, account)
        status = account_status(account, roles, token_count, enforcement, self._clock.now())
        if status is not None:
            await self._statuses.write_account(account, status)

    async def _role(self, key: Key) -> None:
        role = self._gatherer.role(key)
        status = role_status(role, self._clock.now()) if role is not None else None
        if role is not None and status is not None:
            await self._statuses.write_role(role, status)
