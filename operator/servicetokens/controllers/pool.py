"""The workers: they take keys off the queue, and turn whatever goes wrong into a later try."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from servicetokens.controllers.keys import Key
from servicetokens.controllers.queue import WorkQueue
from servicetokens.controllers.troubles import Troubles
from servicetokens.kube.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    NotConfigured,
    Unauthorized,
)
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

# So many requests may be in flight: enough to keep an API server busy, few enough for its fairness queues.
WORKERS: Final = 32
# A worker is in the middle of two writes for milliseconds; this is for an API server that hangs.
_DRAIN_SECONDS: Final = 5.0

Reconcile = Callable[[Key], Awaitable[bool]]


class WorkerPool:
    """Runs *reconcile* for every key of the queue, each key by one worker at a time."""

    def __init__(self, queue: WorkQueue, reconcile: Reconcile, troubles: Troubles) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._troubles = troubles
        self._tasks: list[asyncio.Task[None]] = []
        self._idle: set[asyncio.Task[None]] = set()
        # Others may succeed meanwhile: a right is not missing for everything.
        self._refused: set[Key] = set()
        self._draining = False

    def start(self) -> None:
        """Start the workers, if they are not running yet."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._work(), name=f"worker {n}") for n in range(WORKERS)]

    async def drain(self) -> None:
        """Let every worker finish what it is at, take nothing new, and return within seconds."""
        self._draining = True
        for task in self._idle:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_DRAIN_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        me = asyncio.current_task()
        while not self._draining and me is not None:
            self._idle.add(me)
            key = await self._queue.get()
            self._idle.discard(me)
            await self._handle(key)

    async def _handle(self, key: Key) -> None:
        try:
            again = await self._reconcile(key)
        except KubeError as error:
            delay = self._queue.failed(key, error.retry_after)
            self._report(key, error, delay)
        except NotConfigured as error:
            self._queue.failed(key)
            self._troubles.found("credentials", str(error))
        except Exception:  # noqa: BLE001 - a defect must cost one object, not the worker
            delay = self._queue.failed(key)
            _log.exception("a defect in the operator", **key.fields, retry_in=round(delay, 2))
        else:
            self._queue.done(key)
            self._refused.discard(key)
            self._troubles.over("credentials", "api", *(() if self._refused else ("rights",)))
            if again:
                self._queue.add(key)

    def _report(self, key: Key, error: KubeError, delay: float) -> None:
        """Make a failure visible: what concerns every object in `/readyz`, what concerns this one in the log."""
        if isinstance(error, Conflict):
            _log.debug("somebody else wrote first", **key.fields)
        elif isinstance(error, Unauthorized):
            sentence = f"the API server does not accept our credentials: {error.message}"
            self._troubles.found("credentials", sentence)
        elif isinstance(error, Forbidden) and error.lacks_right:
            self._refused.add(key)
            self._troubles.found("rights", f"a right is missing: {error.message}")
        elif isinstance(error, ApiUnavailable):
            self._troubles.found("api", error.message)
        else:
            _log.warning("will be tried again", **key.fields, error=error.message, retry_in=round(delay, 2))
