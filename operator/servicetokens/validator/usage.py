"""`status.lastUsedTime`: written occasionally, in the order of use, never while a request waits for its answer.

    accepted ──▶ note ──▶ pending, due in some seconds ──▶ still an hour old? ──▶ PATCH
                                                       └── another validator was faster ──▶ nothing

The resolution is an hour, so a token costs one write an hour however many validators see it; and all validators
together have a limit of writes per second, which they share evenly.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from servicetokens.authn.decision import Accepted
from servicetokens.authn.index import Index
from servicetokens.authn.records import TokenRecord
from servicetokens.kube.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    NotConfigured,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from servicetokens.kube.objects import UsageWriter
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.entropy import Entropy
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

GRAIN_SECONDS: Final = 3600
"""A time younger than this is not replaced: status must not change rapidly (Kubernetes API conventions)."""
WRITES_PER_SECOND: Final = 20
"""Of all validators together. A write costs the API server about 3 ms of CPU."""

# Validators that see the same token wait for different times, and the later one sees that it was done.
_SPREAD_SECONDS: Final = 10.0
_BACK_OFF_SECONDS: Final = 30.0
# How many validators share the rate changes rarely.
_COUNT_PERIOD: Final = 30.0


class Usage:
    """Uses that are not written yet."""

    def __init__(
        self,
        store: UsageWriter,
        index: Index,
        clock: Clock,
        entropy: Entropy,
        *,
        count_validators: Callable[[], Awaitable[int]],
    ) -> None:
        """Nothing is written until `run`. *count_validators* returns how many share the rate."""
        self._store = store
        self._index = index
        self._clock = clock
        self._entropy = entropy
        self._count_validators = count_validators
        self._pending: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._wanted = asyncio.Event()
        self._share = 1
        self._counted_at: float | None = None
        self._problem = ""
        self.writes = 0
        """How many times were written since the start."""
        self.failures = 0
        """How many writes failed."""

    @property
    def pending(self) -> int:
        """How many tokens wait for their time to be written."""
        return len(self._pending)

    def note(self, accepted: Accepted) -> None:
        """Record that a token was used just now."""
        now = self._clock.now()
        # A time in the future was forged, and would hide every use until then.
        if abs(now - accepted.record.last_used) >= GRAIN_SECONDS and accepted.token_id not in self._pending:
            due = self._clock.monotonic() + _SPREAD_SECONDS * self._entropy(1)[0] / 256
            self._pending[accepted.token_id] = (due, now)
            self._wanted.set()

    async def run(self) -> None:
        """Write what is due, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._write_all()

    async def _write_all(self) -> None:
        while True:
            delay = await self.step()
            if delay is None:
                return
            await asyncio.sleep(delay)

    async def step(self) -> float | None:
        """Write at most one time; return the seconds to wait before the next step, None when nothing is left."""
        if not self._pending:
            return None
        token_id, (due, at) = next(iter(self._pending.items()))
        early = due - self._clock.monotonic()
        if early > 0:
            return early
        record = self._index.by_id.get(token_id)
        if record is None or abs(at - record.last_used) < GRAIN_SECONDS:
            # It was deleted, or another validator was faster.
            del self._pending[token_id]
            return 0
        if not await self._write(record, at):
            return _BACK_OFF_SECONDS
        self._pending.pop(token_id, None)
        return await self._current_share() / WRITES_PER_SECOND

    async def _write(self, record: TokenRecord, at: int) -> bool:
        """Write one time; False when it has to be retried later."""
        place = record.account.namespace, record.name, record.uid
        try:
            await self._store.set_last_used(*place, before=record.last_used, at=at)
        except (Conflict, NotFound):
            return True
        except (ApiUnavailable, Forbidden, NotConfigured, TooManyRequests, Unauthorized) as error:
            self.failures += 1
            self._report(str(error))
            return False
        except KubeError as error:
            # This object rejects it; the others need not wait for that.
            self.failures += 1
            self._report(str(error))
            return True
        self.writes += 1
        record.last_used = at
        self._report("")
        return True

    async def _current_share(self) -> int:
        now = self._clock.monotonic()
        if self._counted_at is None or now - self._counted_at >= _COUNT_PERIOD:
            self._counted_at = now
            try:
                self._share = max(1, await self._count_validators())
            except (KubeError, NotConfigured) as error:
                self._report(str(error))
        return self._share

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            if problem:
                _log.warning("lastUsedTime cannot be written", reason=problem)
            else:
                _log.info("lastUsedTime is written again")
