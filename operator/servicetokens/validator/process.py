"""The validator's parts, wired; they are started and stopped in order.

health page up → listening (503) → CRDs fit → lists complete, keys read: ready → ... ... SIGTERM → not ready → serving
on while proxies notice → `Connection: close` → the end
"""

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from prometheus_client import CollectorRegistry

from servicetokens.authn.addresses import parse_network
from servicetokens.authn.authenticator import Authenticator, make_authenticator
from servicetokens.authn.decision import Accepted, AuthenticationRequest
from servicetokens.authn.index import Index
from servicetokens.kube.client import Api
from servicetokens.kube.crds import SchemaCheck
from servicetokens.kube.errors import KubeError, NotConfigured
from servicetokens.kube.leases import LeaseStore
from servicetokens.kube.objects import ObjectStore
from servicetokens.kube.secrets import SecretStore
from servicetokens.kube.watch import FeedContext
from servicetokens.propagation.publisher import LeasePublisher
from servicetokens.propagation.record import count_validators, first_lease
from servicetokens.runtime import logs
from servicetokens.runtime.clock import SystemClock
from servicetokens.runtime.entropy import os_entropy
from servicetokens.runtime.identity import pod_name
from servicetokens.runtime.metrics import make_registry
from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import PartEnded, Supervisor, end
from servicetokens.validator.audit import AcceptanceLog, RejectionLog
from servicetokens.validator.failures import FailureLimit
from servicetokens.validator.feeds import FeedSet, SchemaGuard, WatchProblems, make_feeds
from servicetokens.validator.keys import KeyReader
from servicetokens.validator.listeners import ListenerContext, make_listeners
from servicetokens.validator.metrics import DecisionCounts, UsageNumbers, ValidatorCollector, ValidatorNumbers
from servicetokens.validator.settings import ValidatorSettings
from servicetokens.validator.tls import ListenerTls, UnusableCertificate
from servicetokens.validator.usage import Usage
from servicetokens.validator.use_reporting import UseReporter

_log = logs.get_logger(__name__)

# How long proxies and kube-proxy may take to notice that we are no longer ready.
_NOTICE_SECONDS: Final = 5.0
_DRAIN_SECONDS: Final = 10.0
_CERTIFICATE_PERIOD: Final = 2.0
_TIDY_PERIOD: Final = 0.2
# Lines are counted by the second.
_TRAIL_PERIOD: Final = 1.0
# A bookmark comes two seconds before the end of a watch, and the API server sends none more often.
_LONGEST_WATCH: Final = 30


class Validator:
    """The parts, wired. Nothing runs until `run`."""

    def __init__(self, api: Api, settings: ValidatorSettings, tls: ListenerTls | None) -> None:
        self._clock = SystemClock()
        self._tls = tls
        self._draining = False
        self._readiness = Readiness()
        self._supervisor = Supervisor(self._readiness, expected=(KubeError, NotConfigured))
        self._watch_problems = WatchProblems()
        self._index = Index(max_staleness=settings.max_staleness)
        self._keys = KeyReader(SecretStore(api), settings.namespace, self._index, self._readiness)
        self._index.on_unknown_key = self._keys.want
        self._schemas = SchemaGuard(SchemaCheck(api, self._readiness), self._index)
        context = FeedContext(
            api=api,
            observer=self._watch_problems,
            clock=self._clock,
            entropy=os_entropy,
            # Half of it, so that a working watch delivers something in time.
            watch_seconds=min(_LONGEST_WATCH, settings.max_staleness // 2),
        )
        self._feeds = FeedSet(make_feeds(self._index, context, settings.watch_namespace))
        instance = os_entropy(4).hex()
        self._lease_publisher = LeasePublisher(
            LeaseStore(api),
            self._index,
            self._clock,
            first_lease(
                settings.namespace,
                f"servicetokens-validator-{instance}",
                holder=f"{pod_name()}_{instance}",
                seconds=settings.max_staleness,
            ),
            self._feeds,
        )
        self._index.on_state_change = self._lease_publisher.changed
        self._trusted = tuple(parse_network(text) for text in settings.trusted_proxy)
        self._acceptance_log = AcceptanceLog(self._clock, self._trusted)
        self._usage = Usage(
            ObjectStore(api),
            self._index,
            self._clock,
            os_entropy,
            count_validators=partial(count_validators, LeaseStore(api), settings.namespace),
        )
        self._all_counts: list[DecisionCounts] = []
        self._audit_logs: list[AcceptanceLog | RejectionLog] = [self._acceptance_log]
        self._listeners = tuple(make_listeners(settings, self._listener_context(settings)))

    def registry(self) -> CollectorRegistry:
        """Return the registry of `/metrics`."""
        return make_registry(
            ValidatorCollector(
                self._all_counts,
                self._index,
                self._clock,
                self._numbers,
            )
        )

    def _numbers(self) -> ValidatorNumbers:
        usage = self._usage
        return ValidatorNumbers(
            usage=UsageNumbers(usage.writes, usage.failures, usage.pending),
            certificate_end=self._tls.token_review.end if self._tls else None,
            keys_usable=bool(self._keys.usable),
            connections={listener.protocol: listener.connections for listener in self._listeners},
        )

    def missing(self) -> Sequence[str]:
        """Return what is missing until the validator is ready, a sentence each."""
        if self._draining:
            return ("ending",)
        ended = self._readiness.missing
        problems = self._index.problems(self._clock.monotonic())
        if not problems:
            return ended
        lease = (self._lease_publisher.problem,) if self._lease_publisher.problem else ()
        return (*ended, *problems, *lease, *self._watch_problems.sentences)

    def degraded(self) -> Sequence[str]:
        """Return what does not work although answers are given."""
        return self._readiness.degraded

    def list_again(self) -> None:
        """List everything again, while answers continue from the present index."""
        self._feeds.start_over()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Serve until *stop*, then drain; *hurry* cuts the waiting short.

        Raises:
            AddressInUse: an address cannot be listened on.
            PartEnded: the supervision itself has ended.
        """
        stopped = asyncio.create_task(stop.wait(), name="supervision of signals")
        working: set[asyncio.Task[Any]] = set()
        try:
            for one in self._listeners:
                await one.start()
            working = set(self._start_parts())
            await asyncio.wait({stopped, *working}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                message = "the supervision of the validator's parts has ended"
                raise PartEnded(message)
            await self._drain(hurry)
        finally:
            self._supervisor.stop()
            await end(stopped, *working)
            await asyncio.gather(*(one.drain(seconds=0) for one in self._listeners))
            await self._lease_publisher.leave()

    def _start_parts(self) -> Iterator[asyncio.Task[None]]:
        """Start the parts that run until the end.

        Answers stay correct without those that are not essential: stopping the validator would harm more than it helps,
        and every other replica would have the same fault.
        """
        start = self._supervisor.start
        yield start("schema", self._schemas.run)
        yield start("Lease", self._keep_lease)
        yield start("watches", self._follow)
        yield start("keys", self._keys.run)
        yield start("lastUsedTime", self._usage.run, essential=False)
        yield start("certificate", self._reload_certificate, essential=False)
        yield start("memory", self._tidy_memory, essential=False)
        yield start("audit", self._report_left_out, essential=False)
        for one in self._listeners:
            yield start(f"listener {one.protocol}", one.run, essential=False)

    async def _drain(self, hurry: asyncio.Event) -> None:
        """Become unready, continue to serve until proxies have noticed, and stop."""
        self._draining = True
        _log.info("ending")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), _NOTICE_SECONDS)
        await asyncio.gather(*(one.drain(seconds=_DRAIN_SECONDS) for one in self._listeners))

    def _listener_context(self, settings: ValidatorSettings) -> ListenerContext:
        return ListenerContext(
            authenticator=self._authenticator(settings),
            clock=self._clock,
            trusted=self._trusted,
            failures=FailureLimit(self._clock),
            counts=self._counts,
            tls=self._tls,
            ready=lambda: not self.missing(),
            register_log=self._audit_logs.append,
            peer_share=settings.peer_share,
        )

    def _authenticator(self, settings: ValidatorSettings) -> Authenticator:
        """Return what decides about requests, and reports which tokens are in use."""
        authenticator = make_authenticator(
            self._index,
            self._clock,
            prefix=settings.token_prefix,
            trusted_proxies=self._trusted,
            allow_without_roles=settings.allow_without_roles,
        )
        return UseReporter(authenticator, self._clock, self._note_use)

    def _counts(self, protocol: str) -> DecisionCounts:
        counts = DecisionCounts(protocol)
        self._all_counts.append(counts)
        return counts

    def _note_use(self, accepted: Accepted, presented: AuthenticationRequest) -> None:
        self._acceptance_log.note(accepted, presented)
        self._usage.note(accepted)

    async def _keep_lease(self) -> None:
        """Write the Lease once the schemas are known to match, and keep renewing it."""
        await self._schemas.fits.wait()
        await self._lease_publisher.run()

    async def _follow(self) -> None:
        """Watch the three kinds, with lists that begin after the Lease was written."""
        await self._lease_publisher.announced.wait()
        await self._feeds.run()

    async def _tidy_memory(self) -> None:
        """Once everything is listed, exclude it from garbage collection."""
        while True:
            await asyncio.sleep(_TIDY_PERIOD)
            if not self._index.problems(self._clock.monotonic()):
                break
        gc.collect()
        gc.freeze()
        _return_memory()
        _log.info("ready", tokens=len(self._index))
        await asyncio.Event().wait()

    async def _report_left_out(self) -> None:
        """Log how many lines were left out of the log, even when no other line follows."""
        try:
            while True:
                await asyncio.sleep(_TRAIL_PERIOD)
                for audit_log in self._audit_logs:
                    audit_log.report_left_out()
        finally:
            for audit_log in self._audit_logs:
                audit_log.report_left_out()

    async def _reload_certificate(self) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATE_PERIOD)
            try:
                if self._tls and self._tls.refresh():
                    _log.info("certificate reloaded")
            except UnusableCertificate as error:
                _log.warning("certificate not reloaded", reason=str(error))


def _return_memory() -> None:
    """Return the memory for decoding the lists to the system; glibc keeps it otherwise, megabytes with many tokens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
