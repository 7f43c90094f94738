"""The workers: they take keys from the queue, and convert failures to retries."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from servicetokens.api import names
from servicetokens.controllers.queue.work_queue import FIRST_DELAY, WorkQueue
from servicetokens.kube.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    NotConfigured,
    Unauthorized,
    Unprocessable,
)
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle import schedule
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import PartEnded, Supervisor, end

_log = get_logger(__name__)

# This many requests may be in flight: enough to keep an API server busy, few enough for its fairness queues.
WORKERS: Final = 32
# A worker is between two writes for milliseconds; this is for an API server that hangs.
_DRAIN_SECONDS: Final = 5.0
# A person has to grant a permission, and no token waits for these.
_OPTIONAL_SECONDS: Final = 300.0
# A write that the API server rejects is rejected again a moment later: as for Secrets, the first delay is a second.
_FIRST_REJECTION_DELAY: Final = 0.5
_RIGHTS: Final = "rights"
_REJECTIONS: Final = "rejected writes"
# Their status decides nothing: it informs people, and commands that wait for it.
_OPTIONAL: Final = {names.KIND_ROLE: names.PLURAL_ROLES, names.KIND_ACCOUNT: names.PLURAL_ACCOUNTS}

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
        self._unpermitted: set[Key] = set()
        # The last message in the log for each object that fails for its own reason, and those that are rejected.
        self._logged: dict[Key, str] = {}
        self._rejected: dict[Key, str] = {}
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
        time = asyncio.get_running_loop().time
        began = time()
        try:
            again = await self._reconcile(key)
        except KubeError as error:
            self._report(key, error, self._schedule_retry(key, error, time() - began))
        except NotConfigured as error:
            self._queue.failed(key)
            self._readiness.set("credentials", str(error))
        except Exception:  # noqa: BLE001 - a defect must cost one object, not the worker
            delay = self._queue.failed(key)
            _log.exception("bug in the operator", **key.fields, retry_in=round(delay, 2))
        else:
            self._queue.done(key)
            self._succeeded(key)
            if again:
                self._queue.add(key)

    def _schedule_retry(self, key: Key, error: KubeError, took: float) -> float:
        """Schedule the retry of *key* after *error*, and return its delay. The attempt *took* this many seconds."""
        if _is_optional(key, error):
            return self._queue.failed(key, _OPTIONAL_SECONDS)
        return self._queue.failed(
            key,
            error.retry_after,
            first=_FIRST_REJECTION_DELAY if _is_rejected(error) else FIRST_DELAY,
            longest=schedule.longest_delay(self._queue.failing, took),
        )

    def _succeeded(self, key: Key) -> None:
        self._unpermitted.discard(key)
        self._logged.pop(key, None)
        passed = ["credentials", "api"]
        if self._rejected.pop(key, None) is not None:
            self._report_rejections()
        kinds = {_OPTIONAL.get(key.kind) for key in self._unpermitted}
        passed += [_status_of(plural) for plural in _OPTIONAL.values() if plural not in kinds]
        if None not in kinds:
            passed.append(_RIGHTS)
        self._readiness.clear(*passed)

    def _report_rejections(self) -> None:
        """Report the first object whose status the API server rejects; the log has each of them."""
        if not self._rejected:
            self._readiness.clear(_REJECTIONS)
            return
        key, message = next(iter(self._rejected.items()))
        others = " Writes for other objects are rejected as well." if len(self._rejected) > 1 else ""
        sentence = f"the API server rejects a write for {key}: {message.rstrip('.')}.{others}"
        self._readiness.set(_REJECTIONS, sentence, essential=False)

    def _report(self, key: Key, error: KubeError, delay: float) -> None:
        """Report a failure: in `/readyz` if it concerns every object, in the log if it concerns this one."""
        if isinstance(error, Conflict):
            _log.debug("conflict: another client wrote first", **key.fields)
        elif isinstance(error, Unauthorized):
            sentence = f"the API server does not accept our credentials: {error.message}"
            self._readiness.set("credentials", sentence)
        elif _is_optional(key, error):
            self._unpermitted.add(key)
            plural = _OPTIONAL[key.kind]
            sentence = f"the permission to update {plural}/status is missing: {key.kind}s have no conditions"
            self._readiness.set(_status_of(plural), sentence, essential=False)
        elif isinstance(error, Forbidden) and error.lacks_permission:
            self._unpermitted.add(key)
            self._readiness.set(_RIGHTS, f"a permission is missing: {error.message}")
        elif isinstance(error, ApiUnavailable) and not error.is_of_a_webhook:
            self._readiness.set("api", error.message)
        else:
            log = _log.debug if self._logged.get(key) == error.message else _log.warning
            self._logged[key] = error.message
            log("retrying", **key.fields, error=error.message, retry_in=round(delay, 2))
            if _is_rejected(error):
                self._rejected[key] = error.message
                self._report_rejections()


def _is_optional(key: Key, error: KubeError) -> bool:
    """Return whether the denied write only informs people: the status of roles and accounts decides nothing."""
    return key.kind in _OPTIONAL and isinstance(error, Forbidden) and error.lacks_permission


def _is_rejected(error: KubeError) -> bool:
    """Return whether the API server understood a write and rejects it: a permission, a policy, or an older schema."""
    return isinstance(error, Forbidden | Unprocessable)


def _status_of(plural: str) -> str:
    return f"status of {plural}"
