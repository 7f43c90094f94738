"""`servicetokens validator`: puts the parts together, starts them in order, and ends them in order.

health page up  →  listening (503)  →  CRDs fit  →  lists complete, keys read: ready  →  ...
... SIGTERM  →  not ready  →  serving on while proxies notice  →  `Connection: close`  →  the end
"""

import asyncio
import contextlib
import gc
import resource
import signal
import ssl
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import click
import uvloop
from prometheus_client import CollectorRegistry

from servicetokens.authn.addresses import parse_network
from servicetokens.authn.authenticator import TokenAuthenticator
from servicetokens.authn.index import Index
from servicetokens.kube.client import Api
from servicetokens.kube.errors import NotConfigured
from servicetokens.kube.secrets import SecretStore
from servicetokens.kube.watch import Surroundings
from servicetokens.runtime import logs
from servicetokens.runtime.clock import SystemClock
from servicetokens.runtime.entropy import os_entropy
from servicetokens.runtime.health import AddressInUse, HealthServer
from servicetokens.runtime.settings import Address, InvalidSettings, ValidatorSettings, build
from servicetokens.validator.forward_auth import ForwardAuth
from servicetokens.validator.keys import KeyReader
from servicetokens.validator.knowledge import SchemaGuard, Troubles, make_feeds
from servicetokens.validator.listener import MAX_CONNECTIONS, Listener
from servicetokens.validator.metrics import Tally, ValidatorCollector
from servicetokens.validator.request import Handler
from servicetokens.validator.tls import CertificateFiles, ServerTls, UnusableCertificate
from servicetokens.validator.token_review import TokenReviewWebhook

_log = logs.get_logger(__name__)

# How long proxies and kube-proxy may take to notice that we are not ready any more.
_NOTICE_SECONDS: Final = 5.0
_DRAIN_SECONDS: Final = 10.0
_CERTIFICATE_PERIOD: Final = 2.0
_TIDY_PERIOD: Final = 0.2
# A bookmark comes two seconds before the end of a watch, and the API server sends none more often than so.
_LONGEST_WATCH: Final = 30
# Files and sockets that are no connections of a listener.
_OTHER_FILES: Final = 256


class Validator:
    """The parts, wired. Nothing runs until `run`."""

    def __init__(self, api: Api, settings: ValidatorSettings, tls: ServerTls | None) -> None:
        self._clock = SystemClock()
        self._tls = tls
        self._draining = False
        self._troubles = Troubles()
        self._index = Index(max_staleness=settings.max_staleness)
        self._keys = KeyReader(SecretStore(api), settings.namespace, self._index)
        self._index.on_unknown_key = self._keys.want
        self._schemas = SchemaGuard(api, self._index)
        around = Surroundings(
            api=api,
            observer=self._troubles,
            clock=self._clock,
            entropy=os_entropy,
            # Half, so that a living watch shows itself in time.
            watch_seconds=min(_LONGEST_WATCH, settings.max_staleness // 2),
        )
        self._feeds = make_feeds(self._index, around, settings.watch_namespace)
        self._tallies: list[Tally] = []
        self._listeners: list[tuple[Address, Listener, ssl.SSLContext | None]] = []
        self._add_listeners(settings)

    def registry(self) -> CollectorRegistry:
        """Return what `/metrics` shows."""
        registry = CollectorRegistry()
        registry.register(
            ValidatorCollector(
                self._tallies,
                known=lambda: len(self._index),
                staleness=lambda: self._index.staleness(self._clock.monotonic()),
            )
        )
        return registry

    def missing(self) -> Sequence[str]:
        """Say what is missing until the validator is ready, a sentence each."""
        if self._draining:
            return ("ending",)
        problems = self._index.problems(self._clock.monotonic())
        return (*problems, *self._troubles.sentences) if problems else ()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Serve until *stop*, then drain; *hurry* cuts the waiting short.

        Raises:
            AddressInUse: an address cannot be listened on.
        """
        stopped = asyncio.create_task(stop.wait())
        working: set[asyncio.Task[Any]] = set()
        try:
            for address, listener, context in self._listeners:
                await listener.start(address.host, address.port, context)
                _log.info("listening", address=str(address), tls=context is not None)
            working = {
                asyncio.create_task(work)
                for work in (self._learn(), self._keys.run(), self._reload_certificate())
            }
            done, _ = await asyncio.wait({stopped, *working}, return_when=asyncio.FIRST_COMPLETED)
            if stopped in done:
                await self._drain(hurry)
            else:
                # None of them ends but by a defect, which must not go unnoticed.
                done.pop().result()
        finally:
            for task in (stopped, *working):
                task.cancel()
            await asyncio.gather(stopped, *working, return_exceptions=True)
            await asyncio.gather(*(listener.drain(seconds=0) for _, listener, _ in self._listeners))

    async def _drain(self, hurry: asyncio.Event) -> None:
        """Tell everybody that we are leaving, serve on until they have noticed, and end."""
        self._draining = True
        _log.info("ending")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), _NOTICE_SECONDS)
        await asyncio.gather(*(listener.drain(seconds=_DRAIN_SECONDS) for _, listener, _ in self._listeners))

    def _add_listeners(self, settings: ValidatorSettings) -> None:
        trusted = tuple(parse_network(text) for text in settings.trusted_proxy)
        authenticator = TokenAuthenticator(
            self._index, self._clock, prefix=settings.token_prefix, trusted_proxies=trusted
        )
        if settings.token_review_address and self._tls:
            review = TokenReviewWebhook(authenticator, self._clock, self._tally("tokenreview"))
            self._add_listener(settings.token_review_address, review, self._tls.context)
        if settings.forward_auth_address:
            forward = ForwardAuth(
                authenticator, self._clock, self._tally("forwardauth"), behind_proxies=bool(trusted)
            )
            self._add_listener(settings.forward_auth_address, forward)

    def _add_listener(
        self, address: Address, handler: Handler, context: ssl.SSLContext | None = None
    ) -> None:
        listener = Listener(
            handler, self._clock, report=_report_defect, max_connections=_connections_per_listener()
        )
        self._listeners.append((address, listener, context))

    def _tally(self, protocol: str) -> Tally:
        tally = Tally(protocol)
        self._tallies.append(tally)
        return tally

    async def _learn(self) -> None:
        """Check the schemas, then follow the three kinds."""
        await self._schemas.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._schemas.run())
            for feed in self._feeds:
                group.create_task(feed.run())
            group.create_task(self._tidy_memory())

    async def _tidy_memory(self) -> None:
        """Once everything is known, spare the garbage collector looking through it again and again."""
        while True:
            await asyncio.sleep(_TIDY_PERIOD)
            if not self._index.problems(self._clock.monotonic()):
                break
        gc.collect()
        gc.freeze()
        _log.info("ready", tokens=len(self._index))

    async def _reload_certificate(self) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATE_PERIOD)
            try:
                if self._tls and self._tls.refresh():
                    _log.info("certificate reloaded")
            except UnusableCertificate as error:
                _log.warning("certificate not reloaded", reason=str(error))


async def run(settings: ValidatorSettings, tls: ServerTls | None) -> None:
    """Run the validator until SIGTERM or SIGINT; a second signal, or SIGINT itself, cuts the draining short.

    Raises:
        NotConfigured: there is no way to reach an API server.
        AddressInUse: an address cannot be listened on.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()

    def end(*, at_once: bool) -> None:
        if at_once or stop.is_set():
            hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, partial(end, at_once=False))
    loop.add_signal_handler(signal.SIGINT, partial(end, at_once=True))
    async with await Api.connect(settings.kubeconfig) as api:
        validator = Validator(api, settings, tls)
        health = HealthServer(
            *settings.health_address, missing=validator.missing, registry=validator.registry()
        )
        await health.start()
        try:
            await validator.run(stop, hurry)
        finally:
            await health.stop()
    _log.info("ended")


def _report_defect(error: Exception) -> None:
    _log.error("a request could not be answered", exc_info=error)


def _connections_per_listener() -> int:
    """Raise the limit of open files as far as is allowed, and return what is left for each listener."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MAX_CONNECTIONS, (soft - _OTHER_FILES) // 2))


def _read_tls(settings: ValidatorSettings) -> ServerTls | None:
    if not (settings.token_review_address and settings.tls_cert_file and settings.tls_key_file):
        return None
    return ServerTls(CertificateFiles(settings.tls_cert_file, settings.tls_key_file, settings.client_ca_file))


@click.command(context_settings={"auto_envvar_prefix": "SERVICETOKENS", "show_default": True})
@click.option(
    "--kubeconfig", metavar="FILE", help="How to reach the API server; else in-cluster, else $KUBECONFIG."
)
@click.option("--namespace", default="servicetokens", metavar="NS", help="Where the operator keeps its keys.")
@click.option("--watch-namespace", multiple=True, metavar="NS", help="Serve only this namespace; repeatable.")
@click.option("--token-prefix", default="svt", metavar="WORD", help="What every token begins with.")
@click.option(
    "--token-review-address",
    default="0.0.0.0:8443",
    metavar="HOST:PORT",
    help="Answers kube-apiserver, by TLS; '' switches it off.",
)
@click.option(
    "--forward-auth-address",
    default="0.0.0.0:8080",
    metavar="HOST:PORT",
    help="Answers nginx, Traefik, Caddy, HAProxy; '' switches it off.",
)
@click.option("--tls-cert-file", metavar="FILE", help="Certificate chain in PEM; read again when it changes.")
@click.option("--tls-key-file", metavar="FILE", help="Its key in PEM, without password.")
@click.option("--client-ca-file", metavar="FILE", help="Demand client certificates signed by this CA.")
@click.option(
    "--trusted-proxy", multiple=True, metavar="CIDR", help="Whose X-Forwarded-For is believed; repeatable."
)
@click.option(
    "--max-staleness",
    default="60s",
    metavar="DURATION",
    help="Answer 503 when the watch has been silent for longer.",
)
@click.option(
    "--health-address", default="0.0.0.0:9090", metavar="HOST:PORT", help="/livez, /readyz and /metrics."
)
@click.option("--log-format", default="json", metavar="json|text", help="For machines or for people.")
@click.option("--log-level", default="info", metavar="LEVEL", help="debug, info, warning or error.")
def command(**flags: Any) -> None:
    """Answer whether presented tokens are good."""
    try:
        settings = build(ValidatorSettings, flags)
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None
    logs.configure(settings.log_level, settings.log_format)
    try:
        uvloop.run(run(settings, _read_tls(settings)))
    except (NotConfigured, AddressInUse, UnusableCertificate) as error:
        click.echo(f"servicetokens validator: {error}", err=True)
        sys.exit(1)
