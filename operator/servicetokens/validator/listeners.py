"""The listeners, according to the settings: which protocol is served where.

tokenreview (TLS) kube-apiserver forwardauth nginx, Traefik, Caddy, HAProxy introspection (TLS) any service
extauthz-http, -grpc Envoy, Istio
"""

import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from servicetokens.authn.addresses import Network
from servicetokens.authn.authenticator import Authenticator
from servicetokens.runtime import logs
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.settings import Address
from servicetokens.validator.audit import RejectionLog
from servicetokens.validator.authorizer import RequestAuthorizer
from servicetokens.validator.ext_authz import ExtAuthz
from servicetokens.validator.failures import FailureLimit
from servicetokens.validator.forward_auth import ForwardAuth
from servicetokens.validator.introspection import Introspection
from servicetokens.validator.listener import Listener
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.request import Handler
from servicetokens.validator.settings import ValidatorSettings
from servicetokens.validator.shares import (
    MAX_CONNECTIONS,
    MAX_TLS_CONNECTIONS,
    ListenerShares,
    Shares,
    bytes_held,
)
from servicetokens.validator.tls import ClientNames, ListenerTls, ServerTls
from servicetokens.validator.token_review import TokenReviewWebhook

_log = logs.get_logger(__name__)

# Files and sockets that are no connections of a listener.
_OTHER_FILES: Final = 256
# tokenreview, introspection, forwardauth, extauthz-http, extauthz-grpc: none uses files that another one may need.
_LISTENERS: Final = 5


class MissingExtra(RuntimeError):
    """The libraries of a requested listener are not installed. The message is a sentence for people."""


class Service(Protocol):
    """A listening service, until it is drained."""

    protocol: str
    """What it is called in metrics."""

    @property
    def connections(self) -> int:
        """How many are open."""
        ...

    async def start(self) -> None:
        """Listen. Raises `AddressInUse`."""
        ...

    async def run(self) -> None:
        """Run the background work, until cancelled."""
        ...

    async def drain(self, *, seconds: float) -> None:
        """Accept no more connections, answer requests in progress, and close everything within *seconds*."""
        ...


@dataclass(frozen=True)
class ListenerContext:
    """What the handlers of all listeners share.

    Attributes:
        trusted: the proxies whose `X-Forwarded-For` is trusted.
        counts: creates the counters of one listener, by its name.
        tls: None when there is no certificate.
        peer_share: percent of a listener's connections that one client address may hold.
        ready: whether answers can be given at the moment.
        register_log: registers what logs rejections, so that omitted lines can be reported.
    """

    authenticator: Authenticator
    clock: Clock
    trusted: tuple[Network, ...]
    failures: FailureLimit
    counts: Callable[[str], DecisionCounts]
    tls: ListenerTls | None
    ready: Callable[[], bool]
    register_log: Callable[[RejectionLog], None]
    peer_share: int

    @property
    def behind_proxies(self) -> bool:
        """Whether any `X-Forwarded-For` may be trusted."""
        return bool(self.trusted)

    def authorizer(self, protocol: str) -> RequestAuthorizer:
        """Return the check of clients' requests for one listener."""
        counts = self.counts(protocol)
        return RequestAuthorizer(self.authenticator, counts, self.rejections(counts))

    def rejections(self, counts: DecisionCounts) -> RejectionLog:
        """Return what counts and logs the rejections of one listener."""
        rejections = RejectionLog(counts, self.clock, self.failures, self.trusted)
        self.register_log(rejections)
        return rejections


class HttpService:
    """A listener of `servicetokens.validator.http` at its address."""

    def __init__(
        self,
        protocol: str,
        address: Address,
        handler: Handler,
        context: ListenerContext,
        tls: ServerTls | None = None,
        clients: ClientNames | None = None,
    ) -> None:
        self.protocol = protocol
        self._address = address
        self._tls = tls
        most = _connections_per_listener(MAX_TLS_CONNECTIONS if tls else MAX_CONNECTIONS)
        self._listener = Listener(
            handler,
            context.clock,
            report=_report_defect,
            shares=ListenerShares(Shares(most, context.peer_share), bytes_held(context.peer_share)),
            clients=clients,
        )

    @property
    def connections(self) -> int:
        """See `Service`."""
        return len(self._listener)

    async def start(self) -> None:
        """See `Service`."""
        await self._listener.start(*self._address, self._tls.context if self._tls else None)
        _log.info("listening", address=str(self._address), tls=self._tls is not None)

    async def run(self) -> None:
        """See `Service`."""
        await self._listener.run()

    async def drain(self, *, seconds: float) -> None:
        """See `Service`."""
        await self._listener.drain(seconds=seconds)


def make_listeners(settings: ValidatorSettings, context: ListenerContext) -> Iterator[Service]:
    """Yield all listeners of *settings*; none listens yet."""
    authenticator, clock = context.authenticator, context.clock
    if settings.token_review_address:
        counts = context.counts("tokenreview")
        review = TokenReviewWebhook(authenticator, counts, context.rejections(counts))
        tls = context.tls.token_review if context.tls else None
        yield HttpService(
            counts.protocol,
            settings.token_review_address,
            review,
            context,
            tls,
            ClientNames(settings.client_name),
        )
    if settings.forward_auth_address:
        forward = ForwardAuth(context.authorizer("forwardauth"), behind_proxies=context.behind_proxies)
        yield HttpService("forwardauth", settings.forward_auth_address, forward, context)
    if settings.introspection_address:
        counts = context.counts("introspection")
        introspection = Introspection(
            authenticator,
            clock,
            counts,
            context.rejections(counts),
            max_age=settings.introspection_max_age or None,
        )
        tls = context.tls.introspection if context.tls else None
        yield HttpService(counts.protocol, settings.introspection_address, introspection, context, tls)
    if settings.ext_authz_address:
        authz = ExtAuthz(context.authorizer("extauthz-http"), behind_proxies=context.behind_proxies)
        yield HttpService("extauthz-http", settings.ext_authz_address, authz, context)
    if settings.ext_authz_grpc_address:
        yield _grpc_service(settings.ext_authz_grpc_address, context)


def _grpc_service(address: Address, context: ListenerContext) -> Service:
    """Import the libraries only here: they are an extra."""
    try:
        from servicetokens.validator.ext_authz_grpc import GrpcService  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = (
            f"--ext-authz-grpc-address needs the module '{error.name}': "
            "install the extra with pip install 'servicetokens[grpc]', or disable the listener"
        )
        raise MissingExtra(message) from None
    return GrpcService(
        address,
        context.authorizer("extauthz-grpc"),
        ready=context.ready,
        max_connections=_connections_per_listener(MAX_CONNECTIONS),
        peer_share=context.peer_share,
    )


def _report_defect(error: Exception) -> None:
    _log.error("a request could not be answered", exc_info=error)


def _connections_per_listener(most: int) -> int:
    """Raise the limit of open files as far as is allowed, and return what is left for a listener, at most *most*."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _LISTENERS * MAX_CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(most, (soft - _OTHER_FILES) // _LISTENERS))
