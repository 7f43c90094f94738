"""Execute a plan, in the only order that is correct at every instant and survives a crash at every await.

status ahead (the next verifier, pending, or what is no longer true) → Secret → status → k8s Events

`Plan` says which of them there are. Status says `Ready` after the Secret was written, never before. If this process
exits on the way, the next pass finds a Secret that status does not list, or a pending credential that is in no Secret:
in the Secret it has arrived and status follows, unless status never listed it; otherwise another one is minted.

A write that was answered by a time-out may have been applied. It is never repeated blindly: the cached object is marked
as invalidated, and the next pass reads it before it decides.
"""

from servicetokens.controllers.reconcile.delivery import Delivery
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.controllers.reconcile.reports import Reports
from servicetokens.controllers.reconcile.statuses import Statuses
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import MintCause, Plan
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.runtime.clock import Clock


class Executor:
    """Executes plans for tokens. It makes no decisions about them."""

    def __init__(
        self, memories: Memories, statuses: Statuses, delivery: Delivery, reports: Reports, clock: Clock
    ) -> None:
        self._memories = memories
        self._statuses = statuses
        self._delivery = delivery
        self._reports = reports
        self._clock = clock

    async def execute(self, key: Key, snapshot: Snapshot, plan: Plan) -> bool:
        """Execute *plan*; return whether the object has to be reconciled again immediately.

        Raises:
            KubeError: something failed that a retry may solve.
        """
        token = snapshot.token
        if plan.mint is None and snapshot.memory.minted is not None and not _is_awaited(snapshot, plan):
            self._memories.release(key)
        if plan.ahead is not None:
            token = await self._statuses.write_token(token, plan.ahead)
        wanted = plan.deliver
        if wanted is not None and not await self._delivery.deliver(key, token, snapshot.secret, wanted):
            return self._memories.has_failed(key)
        if plan.status is not None:
            token = await self._statuses.write_token(token, plan.status)
        if plan.arrives is not None:
            self._reports.arrived(token, plan.arrives)
            if plan.arrives is MintCause.SECRET_LOST:
                self._memories.reminted(key, self._clock.now())
            self._memories.settled(key)
        self._memories.told(key)
        if not plan.owes:
            self._memories.delivered(key)
        await self._reports.send(key, token, plan.events)
        return False


def _is_awaited(snapshot: Snapshot, plan: Plan) -> bool:
    """Return whether the plaintext in memory is still to be delivered, or to be listed on status as delivered."""
    minted = snapshot.memory.minted
    kept = plan.status if plan.status is not None else snapshot.token.status
    return minted is not None and any(one.serial == minted.serial for one in kept.credentials)
