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
from servicetokens.validator.audit import Refusals
from servicetokens.validator.ext_authz import ExtAuthz
from servicetokens.validator.failures import FailureLimit
from servicetokens.validator.forward_auth import ForwardAuth
from servicetokens.validator.gate import Gate
from servicetokens.validator.introspection import Introspection
from servicetokens.validator.listener import Listener
from servicetokens.validator.metrics import Tally
from servicetokens.validator.request import Handler
from servicetokens.validator.settings import ValidatorSettings
from servicetokens.validator.shares import MAX_CONNECTIONS, Shares
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
class Answering:
    """What the handlers of all listeners share.

    Attributes:
        trusted: the proxies whose `X-Forwarded-For` is trusted.
        tally: creates the counters of one listener, by its name.
        tls: None when there is no certificate.
        peer_share: percent of a listener's connections that one client address may hold.
        ready: whether answers can be given at the moment.
        trails: registers what logs rejections, so that omitted lines can be reported.
    """

    authenticator: Authenticator
    clock: Clock
    trusted: tuple[Network, ...]
    failures: FailureLimit
    tally: Callable[[str], Tally]
    tls: ListenerTls | None
    ready: Callable[[], bool]
    trails: Callable[[Refusals], None]
    peer_share: int

    @property
    def behind_proxies(self) -> bool:
        """Whether any `X-Forwarded-For` may be trusted."""
        return bool(self.trusted)

    def gate(self, protocol: str) -> Gate:
        """Return the check of clients' requests for one listener."""
        tally = self.tally(protocol)
        return Gate(self.authenticator, tally, self.refusals(tally))

    def refusals(self, tally: Tally) -> Refusals:
        """Return what counts and logs the rejections of one listener."""
        refusals = Refusals(tally, self.clock, self.failures, self.trusted)
        self.trails(refusals)
        return refusals


class HttpService:
    """A listener of `servicetokens.validator.http` at its address."""

    def __init__(
        self,
        protocol: str,
        address: Address,
        handler: Handler,
        answering: Answering,
        tls: ServerTls | None = None,
        clients: ClientNames | None = None,
    ) -> None:
        self.protocol = protocol
        self._address = address
        self._tls = tls
        self._listener = Listener(
            handler,
            answering.clock,
            report=_report_defect,
            shares=Shares(_connections_per_listener(), answering.peer_share),
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


def make_listeners(settings: ValidatorSettings, answering: Answering) -> Iterator[Service]:
    """Yield all listeners of *settings*; none listens yet."""
    authenticator, clock = answering.authenticator, answering.clock
    if settings.token_review_address:
        tally = answering.tally("tokenreview")
        review = TokenReviewWebhook(authenticator, tally, answering.refusals(tally))
        tls = answering.tls.token_review if answering.tls else None
        yield HttpService(
            tally.protocol,
            settings.token_review_address,
            review,
            answering,
            tls,
            ClientNames(settings.client_name),
        )
    if settings.forward_auth_address:
        forward = ForwardAuth(answering.gate("forwardauth"), behind_proxies=answering.behind_proxies)
        yield HttpService("forwardauth", settings.forward_auth_address, forward, answering)
    if settings.introspection_address:
        tally = answering.tally("introspection")
        introspection = Introspection(
            authenticator,
            clock,
            tally,
            answering.refusals(tally),
            max_age=settings.introspection_max_age or None,
        )
        tls = answering.tls.introspection if answering.tls else None
        yield HttpService(tally.protocol, settings.introspection_address, introspection, answering, tls)
    if settings.ext_authz_address:
        authz = ExtAuthz(answering.gate("extauthz-http"), behind_proxies=answering.behind_proxies)
        yield HttpService("extauthz-http", settings.ext_authz_address, authz, answering)
    if settings.ext_authz_grpc_address:
        yield _grpc_service(settings.ext_authz_grpc_address, answering)


def _grpc_service(address: Address, answering: Answering) -> Service:
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
        answering.gate("extauthz-grpc"),
        ready=answering.ready,
        max_connections=_connections_per_listener(),
        peer_share=answering.peer_share,
    )


def _report_defect(error: Exception) -> None:
    _log.error("a request could not be answered", exc_info=error)


def _connections_per_listener() -> int:
    """Raise the limit of open files as far as is allowed, and return what is left for each listener."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _LISTENERS * MAX_CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MAX_CONNECTIONS, (soft - _OTHER_FILES) // _LISTENERS))
