"""The operator's side: detects when every validator acknowledges a revocation or restoration. See `record`.

reconcile ──▶ about(key): waits for R ──▶ list Leases, again and again ──▶ all live ones ≥ R ──▶ queue.add(key)

Leases are listed only while an object waits, one list for all that wait: an idle operator sends no requests. After a
few seconds the condition names the validators that are awaited.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from servicetokens.api import names
from servicetokens.kube.errors import Conflict, KubeError, NotConfigured, NotFound
from servicetokens.kube.leases import Lease, LeaseLister
from servicetokens.kube.object_key import Key
from servicetokens.kube.versions import version_number
from servicetokens.lifecycle.enforced import shows_enforcement
from servicetokens.lifecycle.snapshot import AccountFacts, Enforcement, TokenFacts
from servicetokens.propagation.record import SELECTOR, ValidatorLease
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.settings import MOST_STALENESS

_log = get_logger(__name__)

# A validator publishes a revocation within 10 ms; a list of Leases costs the API server about a millisecond.
_SHORTEST: Final = 0.1
_LONGEST: Final = 1.0
# No validator runs: an administrator has to start one first.
_LONGEST_WITHOUT: Final = 15.0
_GROWTH: Final = 1.3
# From when on the condition names the awaited validators: each change of names is a write.
_PATIENCE: Final = 5.0

_PLURALS: Final = {names.KIND_TOKEN: names.PLURAL_TOKENS, names.KIND_ACCOUNT: names.PLURAL_ACCOUNTS}


class Queue(Protocol):
    """Accepts objects for reconciliation."""

    def add(self, key: Key) -> None:
        """Reconcile *key* soon."""
        ...


@dataclass(slots=True)
class _Entry:
    """The state of one object: since when it waits, and which revision validators must have applied."""

    uid: str
    generation: int
    target: int
    since: float
    found: Enforcement = field(default_factory=Enforcement)


class Enforcements:
    """Answers `about` for the gatherer, and polls for objects that wait."""

    def __init__(self, leases: LeaseLister, namespace: str, queue: Queue, clock: Clock) -> None:
        """List Leases in *namespace*, and add changed objects to *queue*."""
        self._leases = leases
        self._namespace = namespace
        self._queue = queue
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._waiting: set[Key] = set()
        self._wanted = asyncio.Event()
        self._seen: dict[str, tuple[str, float]] = {}
        self._problem = ""

    def about(self, key: Key, of: TokenFacts | AccountFacts) -> Enforcement:
        """Return the state of the present generation of *of*; start to track it if it is unknown."""
        if of.deleting or not shows_enforcement(of):
            self.forget(key)
            return Enforcement()
        entry = self._entries.get(key)
        if entry is None or (entry.uid, entry.generation) != (of.uid, of.generation):
            # Seen at this version, so a validator that has applied it has applied the change, too.
            entry = _Entry(
                of.uid, of.generation, version_number(of.resource_version) or 0, self._clock.monotonic()
            )
            self._entries[key] = entry
            self._waiting.add(key)
            self._wanted.set()
        return entry.found

    def forget(self, key: Key) -> None:
        """Forget an object that was deleted, or was never revoked."""
        self._entries.pop(key, None)
        self._waiting.discard(key)

    def clear(self) -> None:
        """Forget everything: generations and versions may return with another meaning after a restore of etcd."""
        self._entries.clear()
        self._waiting.clear()
        self._seen.clear()

    async def run(self) -> None:
        """Poll while anything waits, until cancelled."""
        if self._waiting:
            self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            delay = _SHORTEST
            while self._waiting:
                count = await self._list_leases()
                await self._pause(delay)
                longest = _LONGEST if count else _LONGEST_WITHOUT
                delay = _SHORTEST if self._wanted.is_set() else min(delay * _GROWTH, longest)
                self._wanted.clear()

    async def _pause(self, delay: float) -> None:
        """Wait, but only shortly once a new object waits."""
        await asyncio.sleep(min(delay, _SHORTEST))
        if delay > _SHORTEST and not self._wanted.is_set():
            try:
                await asyncio.wait_for(self._wanted.wait(), delay - _SHORTEST)
            except TimeoutError:
                return

    async def _list_leases(self) -> int:
        """List the Leases once, and evaluate all objects that waited before; return how many validators are live."""
        waiting = tuple(self._waiting)
        asked_at = self._clock.monotonic()
        try:
            leases = await self._leases.list(self._namespace, SELECTOR)
        except (KubeError, NotConfigured) as error:
            if self._problem != str(error):
                self._problem = str(error)
                _log.warning("cannot find out whether revocations are enforced", reason=self._problem)
            return 1
        self._problem = ""
        live, exited = self._sort(leases, asked_at)
        for key in waiting:
            self._evaluate(key, live)
        await self._delete_exited(exited)
        return len(live)

    def _sort(self, leases: Iterable[Lease], asked_at: float) -> tuple[list[ValidatorLease], list[Lease]]:
        """Separate live validators from those whose Lease was unchanged for its whole duration.

        No validator can be configured to answer for longer without a renewal than `MOST_STALENESS`, so a Lease that
        claims more was not written by a validator, and must not delay anything for longer.
        """
        now = self._clock.monotonic()
        seen: dict[str, tuple[str, float]] = {}
        live, exited = [], []
        for lease in leases:
            known = self._seen.get(lease.name)
            since = known[1] if known is not None and known[0] == lease.resource_version else now
            seen[lease.name] = (lease.resource_version, since)
            if asked_at - since >= min(lease.seconds, MOST_STALENESS):
                exited.append(lease)
            else:
                live.append(ValidatorLease.read(lease))
        self._seen = seen
        return live, exited

    def _evaluate(self, key: Key, live: Iterable[ValidatorLease]) -> None:
        entry = self._entries.get(key)
        if entry is None:
            return
        validators = tuple(live)
        plural = _PLURALS[key.kind]
        awaited = sorted(
            one.lease.holder for one in validators if not one.has_applied(plural, key.namespace, entry.target)
        )
        if validators and not awaited:
            self._waiting.discard(key)
            self._conclude(key, entry, Enforcement(passed=True, validators=len(validators)))
        elif not validators:
            self._conclude(key, entry, Enforcement(validators=0))
        elif self._clock.monotonic() - entry.since >= _PATIENCE or entry.found.validators == 0:
            self._conclude(key, entry, Enforcement(validators=len(validators), awaited=tuple(awaited)))
        elif entry.found.validators is None:
            # Not worth another write: the status contains it already.
            entry.found = Enforcement(validators=len(validators))

    def _conclude(self, key: Key, entry: _Entry, found: Enforcement) -> None:
        if entry.found != found:
            entry.found = found
            self._queue.add(key)

    async def _delete_exited(self, exited: Iterable[Lease]) -> None:
        """Delete the Leases of validators that exited without doing so; one that returns creates a new one."""
        for lease in exited:
            try:
                await self._leases.delete(lease)
            except (NotFound, Conflict):
                continue
            except (KubeError, NotConfigured) as error:
                _log.info(
                    "the Lease of a validator that has exited was not deleted",
                    lease=lease.name,
                    reason=str(error),
                )
            else:
                _log.info(
                    "a validator has ended without deleting its Lease", lease=lease.name, holder=lease.holder
                )
