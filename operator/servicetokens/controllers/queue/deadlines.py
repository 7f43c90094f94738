"""One heap of deadlines for all objects: what `plan` returned as `requeue_at`. Its only action is `queue.add`.

An idle installation of 100,000 tokens has 100,000 entries here and makes no request; a timer task per object
would cost a hundred times the memory.
"""

import asyncio
import heapq
from typing import Final, Protocol

from servicetokens.kube.object_key import Key
from servicetokens.runtime.clock import Clock

# How often the heap is checked. Deadlines are whole seconds, and the validator enforces them on its own.
_TICK: Final = 0.2
# Replaced deadlines stay in the heap until they come up, which may be in years: it is rebuilt when they are
# more than the valid ones and these.
_SLACK: Final = 64


class KeyQueue(Protocol):
    """Accepts the keys that are due."""

    def add(self, key: Key) -> None:
        """See `WorkQueue.add`."""
        ...


class Deadlines:
    """The next deadline of each object. Setting another one replaces it."""

    def __init__(self, queue: KeyQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._heap: list[tuple[int, Key]] = []
        self._due: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Key, at: int | None) -> None:
        """Wake *key* at *at* (Unix seconds), and at no other time; None means never."""
        if at is None:
            self._due.pop(key, None)
        elif self._due.get(key) != at:
            self._due[key] = at
            heapq.heappush(self._heap, (at, key))
            if len(self._heap) > _SLACK + 2 * len(self._due):
                self._heap = [(at, key) for key, at in self._due.items()]
                heapq.heapify(self._heap)

    def queue_due(self) -> None:
        """Add every key whose deadline has passed to the queue. Replaced deadlines are discarded on the way."""
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                self._queue.add(key)

    async def run(self) -> None:
        """Wake what is due, until cancelled."""
        while True:
            self.queue_due()
            await asyncio.sleep(_TICK)
