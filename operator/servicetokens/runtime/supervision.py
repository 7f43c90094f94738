"""Supervised parts of a process: each has a name, runs until the process exits, and is restarted when it ends.

keep("deadlines") ──▶ task ──ends──▶ /readyz names the part, the log says why ──wait──▶ task again ──▶ cleared

A part may return, raise, or be cancelled: it makes no difference. When the supervision of a part itself ends, the
process exits (`until_one_ends`), so that no part is missing unnoticed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.readiness import Readiness

_log = get_logger(__name__)

_FIRST_DELAY: Final = 1.0
# A part that a bug ends immediately after each start must not keep the API server or a core busy.
_LONGEST_DELAY: Final = 30.0
# The longest delay for causes that pass, such as an unreachable API server.
_LONGEST_EXPECTED: Final = 2.0
# A part that has run for this long counts as working again; most failures occur in the first request.
_PROVEN: Final = 2.0
# After this long, its delays start over.
_FORGIVEN: Final = 60.0
# Longer than any part needs to end in order: kopf's tasks take up to six.
_CANCEL_AGAIN: Final = 10.0


class PartEnded(Exception):
    """A part of the process ended unexpectedly. The message is a sentence that names it."""


class Supervisor:
    """Keeps parts running. Exceptions of the types *expected* are logged without a traceback."""

    def __init__(self, readiness: Readiness, *, expected: tuple[type[Exception], ...] = ()) -> None:
        self._readiness = readiness
        self._expected = (*expected, PartEnded)
        self._stopping = False

    def stop(self) -> None:
        """Do not restart anything from now on: the process is shutting down."""
        self._stopping = True

    def start(
        self, name: str, work: Callable[[], Awaitable[Any]], *, essential: bool = True, clears: bool = False
    ) -> asyncio.Task[None]:
        """Return a task that runs `keep`; it ends only through a bug, or after `stop`."""
        kept = self.keep(name, work, essential=essential, clears=clears)
        return asyncio.create_task(kept, name=f"supervision of {name}")

    async def keep(
        self,
        name: str,
        work: Callable[[], Awaitable[Any]],
        *,
        essential: bool = True,
        clears: bool = False,
        passes: tuple[type[Exception], ...] = (),
    ) -> None:
        """Run *work* as the part *name*, and restart it whenever it ends. Returns only after `stop`.

        Args:
            name: of the check that fails while the part does not run, and of the task.
            work: creates the coroutine, each time.
            essential: whether the process is unready meanwhile.
            clears: whether *work* clears the check itself, once it works; else it counts as working after a while.
            passes: exceptions that are raised here instead.
        """
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            proven = None if clears else loop.call_later(_PROVEN, self._readiness.clear, name)
            task = asyncio.create_task(_run(work), name=name)
            try:
                await _ended(task)
            finally:
                if proven is not None:
                    proven.cancel()
            if self._stopping:
                return
            error = None if task.cancelled() else task.exception()
            if isinstance(error, passes):
                raise error
            failures = 0 if loop.time() - began >= _FORGIVEN else failures
            failures += 1
            await asyncio.sleep(self._report(name, task, error, failures, essential=essential))

    def _report(
        self,
        name: str,
        task: asyncio.Task[Any],
        error: BaseException | None,
        failures: int,
        *,
        essential: bool,
    ) -> float:
        """Log that a part ended, and why; return the seconds until its restart."""
        is_expected = isinstance(error, self._expected)
        longest = _LONGEST_EXPECTED if is_expected else _LONGEST_DELAY
        delay = min(longest, _FIRST_DELAY * 2.0 ** min(failures - 1, 10))
        if not is_expected:
            _log.error("a part ended", part=name, retry_in=delay, reason=describe_end(task), exc_info=error)
        self._readiness.set(
            name, f"the part '{name}' ended and is started again: {describe_end(task)}", essential=essential
        )
        return delay


async def until_one_ends(parts: Mapping[str, Coroutine[Any, Any, Any]]) -> str:
    """Run all *parts* until the first one returns; cancel the others, and return the name of the first.

    Raises:
        PartEnded: one was cancelled.
        Exception: what the first one raised.
    """
    tasks = {asyncio.create_task(part, name=f"supervision of {name}"): name for name, part in parts.items()}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    for task in done:
        if task.cancelled():
            message = f"'{tasks[task]}' was cancelled"
            raise PartEnded(message)
        task.result()
    return tasks[done.pop()]


async def end(*tasks: asyncio.Task[Any], seconds: float = _CANCEL_AGAIN) -> None:
    """Cancel *tasks* and wait until they have ended; cancel those again that have not after so many *seconds*.

    A task may miss that it was cancelled: `asyncio.wait_for` loses it up to Python 3.11 when what it waits for is done
    in the same turn of the event loop (bpo-42130 of CPython).
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=seconds)
    for task in tasks:
        # Asked for, or the event loop would log it as never retrieved.
        _ = None if task.cancelled() else task.exception()


def describe_end(task: asyncio.Task[Any]) -> str:
    """Describe in a few words how *task* ended."""
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    if error is None:
        return "it returned"
    return str(error) if isinstance(error, PartEnded) or _is_sentence(error) else repr(error)


def _is_sentence(error: BaseException) -> bool:
    """Return whether the message of *error* is meant for people: those of our own exceptions are."""
    return type(error).__module__.startswith("servicetokens.") and bool(str(error))


async def _run(work: Callable[[], Awaitable[Any]]) -> None:
    await work()


async def _ended(task: asyncio.Task[Any]) -> None:
    """Wait until *task* has ended in any way; cancel it when this is cancelled."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await end(task)
        raise
