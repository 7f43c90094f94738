"""One request in a namespace goes first, and those that come meanwhile wait for how it ends.

When a namespace is deleted, everything in it changes within a moment, and the API server rejects whatever is created
for any of it. Only a rejected request tells that, as reading namespaces is a permission that nothing else needs.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from servicetokens.runtime.clock import Clock

# For so many seconds after a request has ended, others neither wait nor ask again: its answer is taken for theirs. A
# namespace takes longer to be deleted and created again, and where many objects have something to say, only one in a
# second is asked to go first.
_TRUSTED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request has found out, and until when that is believed (in seconds of the monotonic clock)."""

    until: float
    found_end: bool


class Probe:
    """A request. Its sender sets *found_end* when the API server answers that the namespace ends.

    It is set already where another request has found that out.
    """

    def __init__(self, *, found_end: bool = False) -> None:
        self.found_end = found_end
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Let those that wait go on."""
        self._ended.set()

    async def wait(self) -> bool:
        """Wait until it has ended, and return whether the namespace ends."""
        await self._ended.wait()
        return self.found_end


class Probes:
    """The requests under way that go first, one for a namespace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: dict[str, Probe] = {}
        self._answered: dict[str, _Answer] = {}

    @contextlib.asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator[Probe]:
        """Wait for the request that goes first in *namespace*, if one is under way; or be that one."""
        first = self._under_way.get(namespace)
        if first is not None:
            yield Probe(found_end=await first.wait())
            return
        answer = self._answered.get(namespace)
        if answer is not None and answer.until > self._clock.monotonic():
            yield Probe(found_end=answer.found_end)
            return
        self._under_way[namespace] = probe = Probe()
        try:
            yield probe
        finally:
            del self._under_way[namespace]
            probe.end()
            now = self._clock.monotonic()
            self._answered = {name: found for name, found in self._answered.items() if found.until > now}
            self._answered[namespace] = _Answer(now + _TRUSTED_SECONDS, probe.found_end)
