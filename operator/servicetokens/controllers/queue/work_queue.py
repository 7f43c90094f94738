"""The work queue, with the semantics of controller-runtime's: every object at most once, one worker per object.

kopf never calls a handler again after an exception, so a handler only adds a key here, and this is the only place where
failures become retries.
"""

import asyncio
from typing import Final

from servicetokens.kube.object_key import Key

# client-go's ItemExponentialFailureRateLimiter starts at 5 ms and ends at 1000 s. An object that waits for more than
# five minutes after its cause was removed looks broken.
FIRST_DELAY: Final = 0.01
LONGEST_DELAY: Final = 300.0


class WorkQueue:
    """Keys to reconcile. Everything runs in one event loop; nothing here is thread-safe."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._dirty: set[Key] = set()
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._dirty)

    def add(self, key: Key) -> None:
        """Request that *key* is reconciled, soon and once, however often it is added."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._busy:
            self._ready.put_nowait(key)

    async def get(self) -> Key:
        """Wait for a key. Until `done` or `failed` is called for it, no other worker gets it."""
        key = await self._ready.get()
        self._dirty.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: Key) -> None:
        """Report success: the back-off of *key* is forgotten."""
        self._failures.pop(key, None)
        self._release(key)

    @property
    def failing(self) -> int:
        """The number of keys whose last attempt failed."""
        return len(self._failures)

    def failed(
        self,
        key: Key,
        retry_after: float | None = None,
        *,
        first: float = FIRST_DELAY,
        longest: float = LONGEST_DELAY,
    ) -> float:
        """Report a failure, and return the seconds until *key* is retried: twice *first*, doubled up to *longest*.

        *retry_after* comes from the API server, if it sent one; the longer of both counts.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        # The exponent is bounded before the power is computed.
        delay = max(min(longest, first * 2.0 ** min(failures, 20)), retry_after or 0.0)
        asyncio.get_running_loop().call_later(delay, self.add, key)
        self._release(key)
        return delay

    def _release(self, key: Key) -> None:
        self._busy.discard(key)
        if key in self._dirty:
            self._ready.put_nowait(key)
