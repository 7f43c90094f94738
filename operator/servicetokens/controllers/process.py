"""The operator: puts its parts together, starts them in order, and ends them in order.

health page up  →  CRDs fit  →  tokens listed  →  keys  →  the rest listed  →  kopf watches
                                                                            └→  the Lease is ours  →  workers
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.keyring import KeyringKeeper
from servicetokens.controllers.leadership import Leadership, Timing
from servicetokens.controllers.metrics import OperatorCollector, OperatorMetrics, OperatorNumbers
from servicetokens.controllers.pki.issuing import Issuer, announce_deadline
from servicetokens.controllers.queue.deadlines import Deadlines
from servicetokens.controllers.queue.pool import WorkerPool
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.controllers.reconcile.delivery import Delivery
from servicetokens.controllers.reconcile.execute import Executor
from servicetokens.controllers.reconcile.gather import Gatherer
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.controllers.reconcile.minting import TokenMint
from servicetokens.controllers.reconcile.reading import TokenReader
from servicetokens.controllers.reconcile.reconciler import Reconciler, TokenReconciler
from servicetokens.controllers.reconcile.reports import Reports
from servicetokens.controllers.reconcile.statuses import Statuses
from servicetokens.controllers.settings import OperatorSettings
from servicetokens.controllers.sources.event_handlers import EventHandlers
from servicetokens.controllers.sources.resync import HISTORY_WENT_BACK
from servicetokens.controllers.sources.source import ObjectSource
from servicetokens.kube import crds
from servicetokens.kube.client import Api
from servicetokens.kube.errors import ApiUnavailable, HistoryWentBack, KubeError, NotConfigured
from servicetokens.kube.events import EventRecorder
from servicetokens.kube.failures import in_words
from servicetokens.kube.leases import LeaseStore
from servicetokens.kube.object_key import Key
from servicetokens.kube.objects import ObjectStore
from servicetokens.kube.secrets import SecretStore
from servicetokens.propagation.tracker import Enforcements
from servicetokens.runtime import logs
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.entropy import Entropy
from servicetokens.runtime.identity import pod_name
from servicetokens.runtime.metrics import make_registry
from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import PartEnded, Supervisor, end, until_one_ends
from servicetokens.tokens.format import mint

_log = logs.get_logger(__name__)


class Operator:
    """The parts, wired. Nothing runs until `run`."""

    def __init__(
        self,
        api: Api,
        settings: OperatorSettings,
        *,
        clock: Clock,
        entropy: Entropy,
        schema_period: float = crds.CHECK_SECONDS,
    ) -> None:
        self._api, self._clock = api, clock
        self.registry = make_registry(OperatorCollector(self.numbers))
        operator_metrics = OperatorMetrics(self.registry)
        api.tell(operator_metrics.requested)
        secrets = SecretStore(api)
        # The leader writes through these, and no other part does.
        fenced = api.fenced(self._is_leader)
        objects, tokens_secrets = ObjectStore(fenced), SecretStore(fenced)
        host = pod_name()
        self._caches, self._memories = Caches(), Memories()
        self._went_back = asyncio.Event()
        self._queue, self._readiness = WorkQueue(), Readiness()
        self._supervisor = Supervisor(self._readiness, expected=(KubeError, NotConfigured))
        self._schemas = crds.SchemaCheck(api, self._readiness)
        self._keys = KeyringKeeper(
            secrets,
            settings.namespace,
            entropy=entropy,
            in_use=self._has_credentials,
            changed=self._keys_changed,
            readiness=self._readiness,
        )
        self._handlers = EventHandlers(self._caches, self._queue, self._keys)
        self._deadlines = Deadlines(self._queue, clock)
        self._source = ObjectSource(
            api,
            self._caches,
            self._handlers,
            self._readiness,
            namespaces=settings.watch_namespace,
            watches_secrets=settings.watch_secrets,
            entropy=entropy,
        )
        self._enforcements = Enforcements(LeaseStore(api), settings.namespace, self._queue, clock)
        reader = TokenReader(
            self._caches,
            self._memories,
            self._keys,
            objects,
            tokens_secrets,
            watches_secrets=settings.watch_secrets,
            token_prefix=settings.token_prefix,
        )
        gatherer = Gatherer(reader, self._caches, self._keys, objects, self._enforcements)
        events = EventRecorder(
            fenced,
            instance=host,
            clock=clock,
            entropy=entropy,
            outcome=lambda outcome: operator_metrics.events.labels(outcome).inc(),
        )
        self._reports = Reports(
            self._memories, events, clock, lambda cause: operator_metrics.minted.labels(cause.value).inc()
        )
        statuses = Statuses(self._caches, objects)
        executor = Executor(
            self._memories,
            statuses,
            Delivery(self._caches, self._memories, self._keys, tokens_secrets, clock),
            self._reports,
            clock,
        )
        minting = TokenMint(self._memories, self._keys, partial(mint, settings.token_prefix, entropy))
        tokens = TokenReconciler(gatherer, minting, executor, self._deadlines, clock)
        self._reconciler = Reconciler(tokens, gatherer, statuses, clock)
        self._pool = WorkerPool(
            self._queue, operator_metrics.observed(self._reconcile), self._readiness, self._supervisor
        )
        self._leadership: Leadership | None = None
        if settings.leader_election:
            # Pods of one name exist one after another, and processes on one host may exist at the same time.
            self._leadership = Leadership(
                LeaseStore(api),
                settings.namespace,
                f"{host}_{entropy(4).hex()}",
                clock,
                timing=Timing.of(settings.lease_duration),
                went_back=self._went_back.set,
            )
        self.issuer: Issuer | None = None
        if settings.issue_certificate:
            announce = partial(announce_deadline, events)
            asked = settings.certificate_name
            self.issuer = Issuer(
                secrets, settings.namespace, clock, names=asked, leads=self._is_leader, announce=announce
            )
        self._schema_period = schema_period
        self._listed = asyncio.Event()
        self._leading = self._leadership.held if self._leadership else asyncio.Event()
        self._suspended = self._leadership.suspended if self._leadership else asyncio.Event()

    def missing(self) -> Sequence[str]:
        """Say what is missing until the operator is ready, a sentence each."""
        found = self._readiness.missing
        if not self._listed.is_set():
            found.append("the objects have not been listed yet")
        if self._keys.error:
            found.append(self._keys.error)
        found += [
            part.problem for part in (self._leadership, self.issuer) if part is not None and part.problem
        ]
        if (rejection := self._memories.find_missing_permission()) is not None:
            found.append(f"a permission is missing: {rejection}")
        return found

    def degraded(self) -> Sequence[str]:
        """Say what does not work although the operator is ready."""
        found = self._readiness.degraded
        if (rejection := self._reports.find_missing_permission()) is not None:
            found.append(f"the latest Event was not recorded, because a permission is missing: {rejection}")
        return found

    def numbers(self) -> OperatorNumbers:
        """Return what is measured."""
        return OperatorNumbers(
            caches=self._caches,
            ring=self._keys.ring,
            waiting=len(self._queue),
            leads=self._is_leader() and self._listed.is_set(),
            certificate_end=self.issuer.end if self.issuer is not None else None,
            bundle_deadline=self.issuer.bundle_deadline if self.issuer is not None else None,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set; failures are retried, visibly. `PartEnded`: the supervision has ended."""
        leading = self._supervisor.start("leader election", self._lead)
        working = self._supervisor.start("workers", self._work)
        watching = self._supervisor.start("watches", partial(self._watch, stop), clears=True)
        stopped = asyncio.create_task(stop.wait(), name="supervision of signals")
        try:
            await asyncio.wait({leading, working, watching, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                message = "the supervision of the operator's parts has ended"
                raise PartEnded(message)
        finally:
            self._supervisor.stop()
            stopped.cancel()
            unwatched = asyncio.create_task(end(watching), name="supervision of the end of the watches")
            await end(leading)
            await self._pool.drain()
            await end(working)
            # Before the watches have ended, which takes a while: a standby waits for the Lease.
            if self._leadership is not None:
                await self._leadership.release()
            await unwatched

    async def _lead(self) -> None:
        """Start the workers once everything is listed and we lead; a standby does all the rest, and is ready."""
        await self._listed.wait()
        if self._leadership is None:
            self._leading.set()
            await asyncio.Event().wait()
        else:
            await self._leadership.acquire()
            await self._leadership.run()

    async def _work(self) -> None:
        """Run the workers while this operator leads; what they are at when it is suspended is cancelled."""
        ended = "leadership"
        while ended == "leadership":
            await self._leading.wait()
            _log.info("working", tokens=len(self._caches.tokens), accounts=len(self._caches.accounts))
            ended = await until_one_ends({"queue": self._pool.run(), "leadership": self._suspended.wait()})

    def _is_leader(self) -> bool:
        """Say whether this operator may write."""
        return self._leadership is None or self._leadership.leads

    async def _reconcile(self, key: Key) -> bool:
        if not self._is_leader():
            message = "the Lease was not renewed in time, and another operator may be the leader"
            raise ApiUnavailable(message)
        if not self._listed.is_set():
            raise ApiUnavailable(HISTORY_WENT_BACK)
        return await self._reconciler.reconcile(key)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Check and list everything, then watch and run the other parts, until one of them ends."""
        try:
            await self._prepare()
            ended = await until_one_ends(self._ongoing_work(stop))
        except HistoryWentBack:
            self._clear_caches()
            raise
        except (KubeError, NotConfigured, PartEnded):
            raise
        except Exception as error:
            # The watches raise whatever failed, and most of it passes.
            message = f"watching ended: {in_words(error, otherwise=repr(error))}"
            raise PartEnded(message) from error
        message = f"'{ended}' has ended"
        raise PartEnded(message)

    async def _prepare(self) -> None:
        """Check the CRDs and list everything. Raises `KubeError`."""
        await self._schemas.until_fit()
        await self._source.list_tokens()
        await self._keys.refresh()
        await self._source.list_others()
        # Before the rest is cleared: the operator is not ready for an instant and then not.
        self._source.expect_watches()
        self._listed.set()
        self._readiness.clear("watches")

    def _ongoing_work(self, stop: asyncio.Event) -> Mapping[str, Coroutine[Any, Any, Any]]:
        """What wakes objects. It ends as a whole when the watches do, or when the CRDs do not fit any more."""
        works: dict[str, Callable[[], Awaitable[Any]]] = {
            "deadlines": self._deadlines.run,
            "key ring": self._keys.run,
            "watch of the key Secret": partial(self._keys.watch, self._api, self._clock),
            "proof of revocations": self._enforcements.run,
            **self._source.parts(),
        }
        if self.issuer is not None:
            works["certificate"] = self.issuer.run
        keep = partial(self._supervisor.keep, passes=(HistoryWentBack,))
        return {
            "source of changes": self._source.watch(stop),
            "history": self._until_history_went_back(),
            "schema": self._schemas.until_unfit(self._schema_period),
            **{name: keep(name, work) for name, work in works.items()},
        }

    async def _until_history_went_back(self) -> None:
        await self._went_back.wait()
        raise HistoryWentBack(HISTORY_WENT_BACK)

    def _clear_caches(self) -> None:
        """Start over: watches would resume from a position that does not exist, and caches keep the newest version."""
        self._went_back.clear()
        # Until everything is listed nothing may be concluded, not even that a Secret was deleted.
        self._listed.clear()
        self._caches.clear()
        self._memories.clear()
        self._enforcements.clear()

    def _has_credentials(self) -> bool:
        return bool(self._caches.keys)

    def _keys_changed(self) -> None:
        """The verifiers of all cached Secrets were made with the old keys: have them read again, and look."""
        for place in list(self._caches.secrets):
            self._caches.secrets.invalidate(place)
        self._handlers.requeue_all()
