"""The validator's Lease: it exists, and this is what it has applied. See `record`.

    announce ──▶ lists ──▶ answers ◀──┐
       ▲                      │       │ renewed in time
       │                      ▼       │
       └── list again ◀── overdue ────┘ unavailable meanwhile, by the index's own clock

No answer is based on a Lease that could have expired. A process that was frozen or disconnected cannot trust a watch
that continues: its data may have been sent long ago. So it lists again first.
"""

import asyncio
import contextlib
import dataclasses
from typing import Final, Protocol

from servicetokens.authn.index import Index
from servicetokens.kube.errors import Conflict, KubeError, NotConfigured, NotFound
from servicetokens.kube.leases import Lease, LeaseKeeper
from servicetokens.propagation.record import Positions, renewed
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

_SOURCE: Final = "presence"
_HOLD: Final = "presence"
# Several attempts before the Lease expires; and never more often than users look at it.
_RENEWALS_PER_LEASE: Final = 12
_LONGEST_PERIOD: Final = 5.0
_RETRY: Final = 1.0
# After a change of state the next renewal is due immediately; a storm of changes costs four writes a second.
_LEAST_GAP: Final = 0.25
# Changes that belong together are published together: a watch delivers them within milliseconds.
_GATHERING: Final = 0.01


class Feeds(Protocol):
    """The watches of the three kinds."""

    def positions(self) -> Positions:
        """Return what has been applied so far."""
        ...

    async def list_again(self) -> None:
        """Return when everything was listed again."""
        ...


class LeasePublisher:
    """Keeps the Lease, and stops the index from answering while the Lease does not hold."""

    def __init__(
        self,
        store: LeaseKeeper,
        index: Index,
        clock: Clock,
        lease: Lease,
        feeds: Feeds,
    ) -> None:
        """Nothing is written until `announce`.

        Args:
            store: writes it.
            index: answers only while the Lease is valid.
            clock: its monotonic time decides when the Lease could have expired.
            lease: as `record.first_lease` makes it, under a name that no other process uses. It lasts for as
                long as answers are given after the last renewal began.
            feeds: what the index is filled by.
        """
        self._store = store
        self._index = index
        self._clock = clock
        self._lease = lease
        self._seconds = lease.seconds
        self._feeds = feeds
        self._renewed_at: float | None = None
        self._lapsed = False
        self._listing: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._problem = ""
        self.announced = asyncio.Event()
        """Set once the Lease has been written. Lists must begin only afterwards."""
        index.expect(
            _SOURCE,
            missing="the validator's Lease has not been written yet",
            silent="the validator's Lease has not been renewed",
        )

    @property
    def problem(self) -> str:
        """Why the last write of the Lease failed; empty when it succeeded."""
        return self._problem

    def changed(self) -> None:
        """Publish soon: a token or account was revoked, restored, suspended or resumed."""
        self._wanted.set()

    async def announce(self) -> None:
        """Write the Lease; retry until that succeeds."""
        while not self.announced.is_set():
            if await self._renew():
                self.announced.set()
                return
            await asyncio.sleep(_RETRY)

    async def run(self) -> None:
        """Write the Lease and renew it until cancelled; list everything again after a renewal was late."""
        await self.announce()
        while True:
            await self._pause()
            if self._is_overdue():
                self._lapse("the validator's Lease was not renewed in time")
            if await self._renew() and self._lapsed and self._listing is None:
                self._listing = asyncio.create_task(self._feeds.list_again(), name="wait for lists")
                self._listing.add_done_callback(lambda _: self._wanted.set())
            if self._listing is not None and self._listing.done():
                self._take_in(self._listing)
            await asyncio.sleep(_LEAST_GAP)

    def _take_in(self, listing: asyncio.Task[None]) -> None:
        """Answer again if *listing* was completed; else the next renewal lists everything once more."""
        self._listing = None
        if listing.cancelled():
            _log.warning("listing everything again", reason="the wait for the lists was cancelled")
            self._wanted.set()
            return
        listing.result()
        self._lapsed = False
        self._index.release(_HOLD)
        _log.info("everything was listed again")

    async def leave(self) -> None:
        """Delete the Lease: nothing is answered any more."""
        self._index.hold(_HOLD, "ending")
        if not self._lease.resource_version:
            return
        try:
            await self._store.delete(self._lease)
        except (KubeError, NotConfigured) as error:
            _log.info("the Lease was not released and has to expire", reason=str(error))

    async def _pause(self) -> None:
        """Wait until the next renewal is due, or requested."""
        period = min(_LONGEST_PERIOD, self._seconds / _RENEWALS_PER_LEASE)
        if self._problem or self._renewed_at is None:
            period = min(_RETRY, period)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), period)
            await asyncio.sleep(_GATHERING)
        self._wanted.clear()

    def _is_overdue(self) -> bool:
        """Return whether the operator could consider the Lease expired."""
        at = self._renewed_at
        return at is None or self._clock.monotonic() >= at + self._seconds

    def _lapse(self, why: str) -> None:
        """Answer nothing until the Lease was renewed and, after that, everything was listed."""
        self._renewed_at = None
        if not self._lapsed:
            _log.warning("listing everything again", reason=why)
        self._lapsed = True
        if self._listing is not None:
            self._listing.cancel()
            self._listing = None
        self._index.hold(_HOLD, f"{why}; listing everything again")

    async def _renew(self) -> bool:
        """Write the Lease once; return whether that succeeded in time."""
        began = self._clock.monotonic()
        try:
            self._lease = await self._store.put(
                renewed(self._lease, self._feeds.positions(), self._clock.now())
            )
        except Conflict:
            await self._read_again()
            return False
        except NotFound as error:
            if self._lease.resource_version:
                self._was_deleted()
            else:
                self._report(f"the validator's Lease cannot be created: {error}")
            return False
        except (KubeError, NotConfigured) as error:
            self._report(f"the validator's Lease cannot be written: {error}")
            return False
        self._report("")
        if self._renewed_at is not None and self._is_overdue():
            self._lapse("the validator's Lease was not renewed in time")
            return False
        self._renewed_at = began
        self._index.confirm(_SOURCE, began)
        return True

    async def _read_again(self) -> None:
        """Read the Lease after a conflict: the answer to our own write was lost, or the Lease was edited."""
        try:
            found = await self._store.get(self._lease.namespace, self._lease.name)
        except NotFound:
            self._was_deleted()
        except (KubeError, NotConfigured) as error:
            self._report(f"the validator's Lease cannot be read: {error}")
        else:
            self._lease = dataclasses.replace(self._lease, resource_version=found.resource_version)
            self._wanted.set()

    def _was_deleted(self) -> None:
        """The Lease was deleted, so the operator considers this validator stopped, and no longer waits for it."""
        self._lease = dataclasses.replace(self._lease, resource_version="")
        self._lapse("the validator's Lease was deleted")

    def _report(self, sentence: str) -> None:
        if sentence != self._problem:
            self._problem = sentence
            if sentence:
                _log.warning("no Lease", reason=sentence)
            else:
                _log.info("the Lease is written again")
