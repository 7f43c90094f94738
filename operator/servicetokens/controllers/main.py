"""`servicetokens operator`: puts the parts together, starts them in order, and ends them in order.

health page up  →  CRDs fit  →  tokens listed  →  keys  →  the rest listed  →  kopf watches
                                                                            └→  the Lease is ours  →  workers
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import click

from servicetokens.controllers.cache import Caches
from servicetokens.controllers.deadlines import Deadlines
from servicetokens.controllers.enforcement import Enforcements
from servicetokens.controllers.execute import Executor, Minting
from servicetokens.controllers.gather import Gatherer
from servicetokens.controllers.issuing import Issuer
from servicetokens.controllers.keyring import KeyringKeeper
from servicetokens.controllers.keys import Key
from servicetokens.controllers.leadership import Leadership, Timing
from servicetokens.controllers.memory import Memories
from servicetokens.controllers.metrics import Happenings, OperatorCollector, OperatorNumbers
from servicetokens.controllers.pool import WorkerPool
from servicetokens.controllers.queue import WorkQueue
from servicetokens.controllers.reconcile import Reconciler
from servicetokens.controllers.resync import HISTORY_WENT_BACK, Resync
from servicetokens.controllers.signals import end_on_signals
from servicetokens.controllers.troubles import Troubles
from servicetokens.controllers.wakeup import Wakeup
from servicetokens.controllers.watching import watch
from servicetokens.kube import crds
from servicetokens.kube.client import Api
from servicetokens.kube.errors import ApiUnavailable, HistoryWentBack, KubeError, NotConfigured
from servicetokens.kube.events import EventRecorder
from servicetokens.kube.leases import LeaseStore
from servicetokens.kube.objects import ObjectStore
from servicetokens.kube.secrets import SecretStore
from servicetokens.runtime import logs
from servicetokens.runtime.clock import Clock, SystemClock
from servicetokens.runtime.entropy import Entropy, os_entropy
from servicetokens.runtime.health import AddressInUse, HealthServer
from servicetokens.runtime.metrics import make_registry
from servicetokens.runtime.settings import InvalidSettings, OperatorSettings, build
from servicetokens.tokens.format import mint

_log = logs.get_logger(__name__)

# How long to wait before anything that failed at start is tried again.
_RETRY_SECONDS: Final = 2.0


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
        self._api = api
        self._settings = settings
        self.registry = make_registry(OperatorCollector(self.numbers))
        happenings = Happenings(self.registry)
        api.tell(happenings.requested)
        secrets = SecretStore(api)
        # Through these goes what a leader writes, and nobody else.
        fenced = api.fenced(self._leads)
        objects, tokens_secrets = ObjectStore(fenced), SecretStore(fenced)
        host = os.uname().nodename
        self._caches = Caches()
        self._went_back = asyncio.Event()
        self._queue = WorkQueue()
        self._troubles = Troubles()
        self._keys = KeyringKeeper(
            secrets,
            settings.namespace,
            entropy=entropy,
            in_use=self._has_credentials,
            changed=self._keys_changed,
        )
        self._wakeup = Wakeup(self._caches, self._queue, self._keys)
        self._deadlines = Deadlines(self._queue, clock)
        self._resync = Resync(
            api,
            self._caches,
            self._wakeup,
            namespaces=settings.watch_namespace,
            watches_secrets=settings.watch_secrets,
            entropy=entropy,
        )
        self._memories = Memories()
        self._enforcements = Enforcements(LeaseStore(api), settings.namespace, self._queue, clock)
        gatherer = Gatherer(
            self._caches,
            self._memories,
            self._keys,
            objects,
            tokens_secrets,
            self._enforcements,
            watches_secrets=settings.watch_secrets,
            token_prefix=settings.token_prefix,
        )
        executor = Executor(
            self._caches,
            self._memories,
            self._keys,
            objects,
            tokens_secrets,
            EventRecorder(
                fenced,
                instance=host,
                clock=clock,
                entropy=entropy,
                outcome=lambda outcome: happenings.events.labels(outcome).inc(),
            ),
            minting=Minting(
                partial(mint, settings.token_prefix, entropy),
                lambda cause: happenings.minted.labels(cause.value).inc(),
            ),
            clock=clock,
        )
        self._reconciler = Reconciler(self._caches, gatherer, executor, objects, self._deadlines, clock)
        self._pool = WorkerPool(self._queue, happenings.observed(self._reconcile), self._troubles)
        self._leadership: Leadership | None = None
        if settings.leader_election:
            # Pods of one name exist one after another, and processes on one host may exist at once.
            identity = f"{host}_{entropy(4).hex()}"
            timing = Timing.of(settings.lease_duration)
            self._leadership = Leadership(
                LeaseStore(api),
                settings.namespace,
                identity,
                clock,
                timing=timing,
                went_back=self._went_back.set,
            )
        self.issuer: Issuer | None = None
        if settings.issue_certificate:
            self.issuer = Issuer(
                secrets, settings.namespace, clock, names=settings.certificate_name, leads=self._leads
            )
        self._schema_period = schema_period
        self._listed = asyncio.Event()

    def missing(self) -> Sequence[str]:
        """Say what is missing until the operator is ready, a sentence each."""
        found = list(self._troubles.sentences)
        if not self._listed.is_set():
            found.append("the objects have not been listed yet")
        if self._keys.error:
            found.append(self._keys.error)
        if self._leadership is not None and self._leadership.problem:
            found.append(self._leadership.problem)
        if self.issuer is not None and self.issuer.problem:
            found.append(self.issuer.problem)
        if (refusal := self._memories.find_missing_right()) is not None:
            found.append(f"a right is missing: {refusal}")
        return found

    def numbers(self) -> OperatorNumbers:
        """Return what is measured."""
        return OperatorNumbers(
            caches=self._caches,
            ring=self._keys.ring,
            waiting=len(self._queue),
            leads=self._leads() and self._listed.is_set(),
            certificate_end=self.issuer.end if self.issuer is not None else None,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set. Whatever fails is tried again, visibly."""
        stopped = asyncio.create_task(stop.wait())
        leading = asyncio.create_task(self._lead())
        working = asyncio.create_task(self._work(stop))
        try:
            while True:
                await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if stop.is_set():
                    break
                await _end(working)
                await _sleep_unless(stop, _RETRY_SECONDS)
                working = asyncio.create_task(self._work(stop))
        finally:
            stopped.cancel()
            working.cancel()
            await _end(leading)
            await self._pool.drain()
            # Before the watches have ended, which takes a while: a standby waits for the Lease.
            if self._leadership is not None:
                await self._leadership.release()
            await asyncio.gather(working, return_exceptions=True)

    async def _lead(self) -> None:
        """Let the workers go once everything is listed and nobody else writes, and keep it so.

        A standby does all the rest: its caches are warm, its queue is full of what may be to do, and it is ready.
        """
        await self._listed.wait()
        if self._leadership is not None:
            await self._leadership.acquire()
        self._pool.start()
        _log.info("working", tokens=len(self._caches.tokens), accounts=len(self._caches.accounts))
        if self._leadership is not None:
            await self._leadership.run()

    def _leads(self) -> bool:
        """Say whether this operator may write."""
        return self._leadership is None or self._leadership.leads

    async def _reconcile(self, key: Key) -> bool:
        if not self._leads():
            message = "the Lease was not renewed in time, and somebody else may lead"
            raise ApiUnavailable(message)
        if not self._listed.is_set():
            raise ApiUnavailable(HISTORY_WENT_BACK)
        return await self._reconciler.reconcile(key)

    async def _work(self, stop: asyncio.Event) -> None:
        """Start everything and watch, until *stop* is set or something fails; then say what."""
        try:
            await self._prepare()
            await _until_one_ends(self._everything_that_goes_on(stop))
        except HistoryWentBack as error:
            self._troubles.found("start", str(error))
            self._forget_everything()
        except (KubeError, NotConfigured) as error:
            self._troubles.found("start", str(error))
        except Exception as error:  # noqa: BLE001 - kopf raises whatever failed, and most of it passes
            self._troubles.found("watch", f"watching ended: {type(error).__name__}: {error}")

    async def _prepare(self) -> None:
        """Check the CRDs and list everything. Raises `KubeError`."""
        while (trouble := await crds.find_trouble(self._api)) is not None:
            self._troubles.found("crds", trouble)
            await asyncio.sleep(_RETRY_SECONDS)
        self._troubles.over("crds")
        await self._resync.tokens()
        await self._keys.refresh()
        await self._resync.others()
        self._listed.set()
        self._troubles.over("start", "watch")
        # Also when kopf finds nothing: what it would have found may be what was deleted.
        self._resync.soon()

    def _everything_that_goes_on(self, stop: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
        """What wakes objects. It ends as a whole, also when the CRDs do not fit any more: nothing new begins then."""
        yield watch(
            self._api,
            self._wakeup,
            stop,
            namespaces=self._settings.watch_namespace,
            watches_secrets=self._settings.watch_secrets,
            begun=self._resync.soon,
        )
        yield self._until_history_went_back()
        yield crds.until_unfit(self._api, self._schema_period)
        yield self._deadlines.run()
        yield self._keys.run()
        yield self._enforcements.run()
        if self.issuer is not None:
            yield self.issuer.run()
        yield self._resync.run()
        if not self._settings.watch_secrets:
            yield self._resync.visit()

    async def _until_history_went_back(self) -> None:
        await self._went_back.wait()
        raise HistoryWentBack(HISTORY_WENT_BACK)

    def _forget_everything(self) -> None:
        """Begin as after a start: watches go on from a place that is not there, and caches believe the newest."""
        self._went_back.clear()
        # Until all is listed nobody may conclude anything, not even that a Secret is gone.
        self._listed.clear()
        self._caches.clear()
        self._memories.clear()
        self._enforcements.clear()

    def _has_credentials(self) -> bool:
        return any(token.status.credentials for token in self._caches.tokens.values())

    def _keys_changed(self) -> None:
        """The verifiers of all cached Secrets were made with the old keys: have them read again, and look."""
        for place in list(self._caches.secrets):
            self._caches.secrets.doubt(place)
        self._wakeup.everything()


async def run(settings: OperatorSettings) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Raises:
        NotConfigured: there is no way to reach an API server.
        AddressInUse: the health address cannot be listened on.
    """
    stop = asyncio.Event()
    end_on_signals(stop)
    async with await Api.connect(settings.kubeconfig) as api:
        operator = Operator(api, settings, clock=SystemClock(), entropy=os_entropy)
        health = HealthServer(*settings.health_address, missing=operator.missing, registry=operator.registry)
        await health.start()
        try:
            await operator.run(stop)
        finally:
            await health.stop()
    _log.info("ended")


async def _until_one_ends(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all *works* until the first one ends, then end the others; raise what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


@click.command(context_settings={"auto_envvar_prefix": "SERVICETOKENS", "show_default": True})
@click.option(
    "--kubeconfig", metavar="FILE", help="How to reach the API server; else $KUBECONFIG, else the pod's."
)
@click.option(
    "--namespace", default="servicetokens", metavar="NS", help="The operator's own: keys, TLS, Leases."
)
@click.option("--watch-namespace", multiple=True, metavar="NS", help="Serve only this namespace; repeatable.")
@click.option("--token-prefix", default="svt", metavar="WORD", help="What every token begins with.")
@click.option(
    "--leader-election/--no-leader-election",
    default=True,
    help="Of several operators only the holder of the Lease writes; the others stand by.",
)
@click.option(
    "--lease-duration",
    default="15s",
    metavar="DURATION",
    help="After a crash another operator takes over when this long has passed.",
)
@click.option(
    "--watch-secrets/--no-watch-secrets",
    default=True,
    help="Watch our Secrets and heal them at once; without it no right to list Secrets is needed.",
)
@click.option(
    "--issue-certificate/--no-issue-certificate",
    default=True,
    help="Make and renew the validators' TLS certificate, in the Secret servicetokens-validator-tls.",
)
@click.option(
    "--certificate-name",
    multiple=True,
    metavar="NAME",
    help="A DNS name or IP address that the certificate is for, besides the Service's; repeatable.",
)
@click.option(
    "--health-address", default="0.0.0.0:9090", metavar="HOST:PORT", help="/livez, /readyz and /metrics."
)
@click.option("--log-format", default="json", metavar="json|text", help="For machines or for people.")
@click.option("--log-level", default="info", metavar="LEVEL", help="debug, info, warning or error.")
def command(**flags: Any) -> None:
    """Mint, rotate, expire and repair tokens: everything that writes."""
    try:
        settings = build(OperatorSettings, flags)
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None
    logs.configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(run(settings))
    except (NotConfigured, AddressInUse) as error:
        click.echo(f"servicetokens operator: {error}", err=True)
        sys.exit(1)
