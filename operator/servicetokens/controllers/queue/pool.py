"""The workers: they take keys from the queue, and convert failures to retries."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from servicetokens.api.names import KIND_ROLE
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.kube.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    NotConfigured,
    Unauthorized,
)
from servicetokens.kube.object_key import Key
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import PartEnded, Supervisor, end

_log = get_logger(__name__)

# This many requests may be in flight: enough to keep an API server busy, few enough for its fairness queues.
WORKERS: Final = 32
# A worker is between two writes for milliseconds; this is for an API server that hangs.
_DRAIN_SECONDS: Final = 5.0
# A person has to grant a permission, and no token waits for this one.
_ROLE_SECONDS: Final = 300.0
_RIGHTS: Final = "rights"
_ROLES: Final = "status of roles"

Reconcile = Callable[[Key], Awaitable[bool]]


class WorkerPool:
    """Runs *reconcile* for every key of the queue, each key by one worker at a time."""

    def __init__(
        self, queue: WorkQueue, reconcile: Reconcile, readiness: Readiness, supervisor: Supervisor
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._readiness = readiness
        self._supervisor = supervisor
        self._keepers: list[asyncio.Task[None]] = []
        self._idle: set[asyncio.Task[None]] = set()
        # Other keys may succeed meanwhile: a permission is not missing for everything.
        self._refused: set[Key] = set()
        self._draining = False

    async def run(self) -> None:
        """Run the workers until `drain`. Raises `PartEnded` when the supervision of one has ended."""
        self._keepers = [self._supervisor.start(f"worker {number}", self._work) for number in range(WORKERS)]
        try:
            done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not self._draining:
                await end(*self._keepers)
        if not self._draining:
            message = f"'{done.pop().get_name()}' was cancelled"
            raise PartEnded(message)

    async def drain(self) -> None:
        """Let every worker finish its key, start nothing new, and return within seconds.

        The supervisor has been stopped before.
        """
        self._draining = True
        for task in self._idle:
            task.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=_DRAIN_SECONDS)
            await end(*self._keepers)

    async def _work(self) -> None:
        me = asyncio.current_task()
        while not self._draining and me is not None:
            self._idle.add(me)
            try:
                key = await self._queue.get()
            finally:
                self._idle.discard(me)
            try:
                await self._handle(key)
            except BaseException:
                # A worker that is cancelled in between must return its key, or no other worker would ever get it again.
                self._queue.failed(key)
                raise

    async def _handle(self, key: Key) -> None:
        try:
            again = await self._reconcile(key)
        except KubeError as error:
            delay = self._queue.failed(
                key, _ROLE_SECONDS if _may_do_without(key, error) else error.retry_after
            )
            self._report(key, error, delay)
        except NotConfigured as error:
            self._queue.failed(key)
            self._readiness.set("credentials", str(error))
        except Exception:  # noqa: BLE001 - a defect must cost one object, not the worker
            delay = self._queue.failed(key)
            _log.exception("bug in the operator", **key.fields, retry_in=round(delay, 2))
        else:
            self._queue.done(key)
            self._refused.discard(key)
            kinds = {refused.kind == KIND_ROLE for refused in self._refused}
            rights = [check for check, is_role in ((_RIGHTS, False), (_ROLES, True)) if is_role not in kinds]
            self._readiness.clear("credentials", "api", *rights)
            if again:
                self._queue.add(key)

    def _report(self, key: Key, error: KubeError, delay: float) -> None:
        """Report a failure: in `/readyz` if it concerns every object, in the log if it concerns this one."""
        if isinstance(error, Conflict):
            _log.debug("conflict: another client wrote first", **key.fields)
        elif isinstance(error, Unauthorized):
            sentence = f"the API server does not accept our credentials: {error.message}"
            self._readiness.set("credentials", sentence)
        elif _may_do_without(key, error):
            self._refused.add(key)
            sentence = (
                "the permission to update serviceroles/status is missing: ServiceRoles have no conditions"
            )
            self._readiness.set(_ROLES, sentence, essential=False)
        elif isinstance(error, Forbidden) and error.lacks_right:
            self._refused.add(key)
            self._readiness.set(_RIGHTS, f"a permission is missing: {error.message}")
        elif isinstance(error, ApiUnavailable) and not error.is_of_a_webhook:
            self._readiness.set("api", error.message)
        else:
            _log.warning("retrying", **key.fields, error=error.message, retry_in=round(delay, 2))


def _may_do_without(key: Key, error: KubeError) -> bool:
    """Return whether the denied write only informs people: the status of a role decides nothing."""
    return key.kind == KIND_ROLE and isinstance(error, Forbidden) and error.lacks_right
