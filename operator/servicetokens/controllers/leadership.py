"""One operator writes: the holder of a Lease. The others wait with warm caches.

    leads      ├─ renew ─┼─ renew ─┼─ no answer ········│ deadline: suspended, writes nothing
    the Lease ├──────────── duration ────────────│ another one may take it
    standby    ·························································├─ leads

Two leaders would repair each other's unfinished writes: each sees a status before its Secret and mints again.
resourceVersions let one of them win, so that the result is correct, after needless mints. A leader that cannot renew
must therefore stop before another one may start: all its writes are cancelled at the deadline. When its loop hangs
nothing can be cancelled: a thread checks the clock and ends the process. Whether a Lease has expired is decided by our
own clock since its last *change*, never by comparing the clocks of two machines.

A suspended leader continues if it renews a Lease that still names it: the API server replaces an object only at the
resourceVersion that was read, and any other operator that led meanwhile would have left its name there, or none. So
none did, and its caches are as valid as after any other moment without an answer. If the Lease names another holder, or
none, the process exits.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from servicetokens.api.names import OPERATOR_LEASE
from servicetokens.kube.errors import Conflict, KubeError, NotConfigured, NotFound
from servicetokens.kube.leases import Lease, LeaseKeeper
from servicetokens.kube.versions import version_number
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.supervision import until_one_ends

_log = get_logger(__name__)

EXIT_LOST: Final = 17
"""The exit code of an operator that lost its Lease, or that hung for so long that it may have."""

_WATCHDOG_PERIOD: Final = 0.25
# The interval of the watchdog; a second is its tolerance for a late event loop, which every Lease can spare.
_LATE_LOOKS: Final = 4


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how long a Lease lasts, when its holder gives up, how often it is renewed, how often a standby reads it.

    The defaults are client-go's, except the last: a released Lease must be acquired within a second, and a read costs
    the API server less than a millisecond.
    """

    duration: int = 15
    deadline: float = 10.0
    retry: float = 2.0
    standby: float = 0.5

    @classmethod
    def of(cls, duration: int) -> Self:
        """Return the defaults, in proportion to another *duration*."""
        usual = cls()
        share = duration / usual.duration
        retry = usual.retry * share
        return cls(duration, usual.deadline * share, retry, min(usual.standby, retry))


class Leadership:
    """Acquires, renews and releases the operators' Lease. *end* ends the process immediately.

    *went_back* is called when the Lease is found older than before, as after a restore of etcd.
    """

    def __init__(
        self,
        store: LeaseKeeper,
        namespace: str,
        identity: str,
        clock: Clock,
        *,
        timing: Timing = Timing(),
        end: Callable[[int], object] = os._exit,
        went_back: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._timing = timing
        self._end = end
        self._went_back = went_back
        self._latest = 0
        self._seen: tuple[str, str] | None = None
        self._seen_at = 0.0
        self._lease: Lease | None = None
        self._renewed_at: float | None = None
        self._given_up = threading.Event()
        self._watchdog: threading.Thread | None = None
        self._problem = ""
        self.held = asyncio.Event()
        """Set while we hold the Lease and may write."""
        self.suspended = asyncio.Event()
        """Set while we held the Lease and could not renew it in time."""

    @property
    def problem(self) -> str:
        """Why the Lease could not be read or written the last time; empty when it could."""
        return self._problem

    @property
    def leads(self) -> bool:
        """Whether we hold the Lease and renewed it recently enough to be the only leader."""
        at, watchdog = self._renewed_at, self._watchdog
        is_recent = at is not None and self._clock.monotonic() - at < self._timing.deadline
        return is_recent and watchdog is not None and watchdog.is_alive()

    async def acquire(self) -> None:
        """Wait until we hold the Lease, which the watchdog checks from then on."""
        while True:
            if await self._tried():
                return
            await asyncio.sleep(self._timing.retry if self._problem else self._timing.standby)

    async def run(self) -> None:
        """Renew until cancelled. Ends the process when another holder has the Lease."""
        await until_one_ends({"renewals": self._renew(), "deadline": self._keep_deadline()})

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._timing.retry)
            await self._tried()

    async def _keep_deadline(self) -> None:
        """Suspend the leader when the Lease was not renewed in time."""
        while True:
            await asyncio.sleep(_WATCHDOG_PERIOD)
            if self.held.is_set() and not self.leads:
                self.held.clear()
                self.suspended.set()
                _log.error(
                    "the Lease was not renewed in time; nothing is written until it is", reason=self._problem
                )

    def _end_if_lost(self, lease: Lease) -> None:
        """End the process if we have led, and *lease*, which was just read, no longer names us."""
        led = self._watchdog is not None
        if led and lease.holder != self._identity and (lease.holder or self.suspended.is_set()):
            _log.error("the Lease was lost", holder=lease.holder)
            self._end(EXIT_LOST)

    async def release(self) -> None:
        """Release the Lease, so that a standby takes over immediately. The caller must not write any more."""
        lease, self._lease, self._renewed_at = self._lease, None, None
        self._given_up.set()
        self.held.clear()
        if lease is None:
            return
        try:
            await self._give_up(lease)
        except (KubeError, NotConfigured) as error:
            _log.warning("the Lease was not released and has to expire", error=str(error))

    async def _give_up(self, lease: Lease) -> None:
        try:
            await self._store.put(lease.released())
        except Conflict:
            # The shutdown may have come in the middle of a renewal, which was applied nevertheless.
            found = await self._store.get(self._namespace, OPERATOR_LEASE)
            if found.holder == self._identity:
                await self._store.put(found.released())

    async def _tried(self) -> bool:
        """Acquire or renew the Lease if possible; return whether we hold it now."""
        try:
            taken = await self._take()
        except Conflict:
            return False
        except (KubeError, NotConfigured) as error:
            problem = f"the Lease '{OPERATOR_LEASE}' cannot be taken or renewed: {error}"
            if problem != self._problem:
                _log.warning("not leading", reason=problem)
            self._problem = problem
            return False
        self._problem = ""
        if taken:
            self._go_on()
        return taken

    def _go_on(self) -> None:
        """Lead, from now on or again."""
        if self._watchdog is None:
            self._watchdog = threading.Thread(target=self._watch, name="lease watchdog", daemon=True)
            self._watchdog.start()
        if not self.held.is_set():
            _log.info("leading", identity=self._identity)
        self.suspended.clear()
        self.held.set()

    async def _take(self) -> bool:
        begun = self._clock.monotonic()
        lease = await self._current()
        self._follow(lease)
        self._end_if_lost(lease)
        if not self._may_take(lease, begun):
            return False
        taken = lease.taken_by(self._identity, self._timing.duration, self._clock.now())
        self._lease = await self._store.put(taken)
        self._follow(self._lease)
        # Counted from before the request: the time of the write on the server is unknown.
        self._renewed_at = begun
        return True

    def _follow(self, lease: Lease) -> None:
        """Detect that the history went back: an object that changes every other second shows it first."""
        version = version_number(lease.resource_version)
        if version is None:
            return
        if version < self._latest:
            self._went_back()
        self._latest = version

    async def _current(self) -> Lease:
        try:
            return await self._store.get(self._namespace, OPERATOR_LEASE)
        except NotFound:
            return Lease(
                namespace=self._namespace,
                name=OPERATOR_LEASE,
                holder="",
                seconds=0,
                renewed="",
                acquired="",
                transitions=0,
            )

    def _may_take(self, lease: Lease, now: float) -> bool:
        if (lease.holder, lease.renewed) != self._seen:
            self._seen, self._seen_at = (lease.holder, lease.renewed), now
        if lease.holder == self._identity:
            return True
        if self.suspended.is_set():
            # Another operator may have led since, and released it.
            return False
        return not lease.holder or now - self._seen_at >= lease.seconds

    def _watch(self) -> None:
        """End the process when the event loop did not suspend the leader in time: it hangs."""
        late = 0
        while not self._given_up.wait(_WATCHDOG_PERIOD):
            late = 0 if self.leads or self.suspended.is_set() else late + 1
            if late >= _LATE_LOOKS:
                _log.error("the Lease was not renewed in time; exiting before another operator takes over")
                self._end(EXIT_LOST)
                return
