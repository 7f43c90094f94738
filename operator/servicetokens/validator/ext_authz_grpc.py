"""ext_authz over gRPC: `envoy.service.auth.v3.Authorization/Check`, and `grpc.health.v1`.

Here the client's request is data, and the requirements of a route come in its context extensions, which no client can
write. This module and the one of its calls import grpc, which is an extra; no other does.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import grpc
from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from envoy.service.auth.v3.external_auth_pb2 import (
    DESCRIPTOR,
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    OkHttpResponse,
)
from envoy.type.v3.http_status_pb2 import HttpStatus
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import INVALID_ARGUMENT, OK, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAUTHENTICATED
from google.rpc.code_pb2 import UNAVAILABLE as RPC_UNAVAILABLE
from google.rpc.status_pb2 import Status

from servicetokens.authn.addresses import Origin, parse_address
from servicetokens.authn.decision import Accepted
from servicetokens.authn.requests import is_target
from servicetokens.runtime import logs
from servicetokens.runtime.health import AddressInUse
from servicetokens.runtime.settings import Address
from servicetokens.runtime.sockets import only_ipv4
from servicetokens.validator.authorizer import REMOVED, Rejection, RequestAuthorizer, identity, read_roles
from servicetokens.validator.ext_authz import ODD_TARGET, TWO_TOKENS
from servicetokens.validator.grpc_calls import Calls, Health
from servicetokens.validator.grpc_peers import GrpcPeers
from servicetokens.validator.original import Fault, read_request
from servicetokens.validator.rendered import RenderedAnswers
from servicetokens.validator.responses import Header
from servicetokens.validator.shares import HANDSHAKE_SECONDS, PEER_SHARE, Shares

_log = logs.get_logger(__name__)

SERVICE: Final = DESCRIPTOR.services_by_name["Authorization"].full_name
REQUIRED_ROLES: Final = "required_roles"
"""The context extension with the names of required roles, separated by commas."""

_AUTHORIZATION: Final = "authorization"
_FORWARDED_FOR: Final = "x-forwarded-for"
_OPTIONS: Final = (
    # As for HTTP: Envoy sends the head of a request, which it limits to 60 KiB itself.
    ("grpc.max_receive_message_length", 64 * 1024),
    ("grpc.max_metadata_size", 32 * 1024),
    # What Envoy opens on one connection; a client with more is not Envoy (the limit that Go's servers recommend).
    ("grpc.max_concurrent_streams", 100),
    # From the first byte to HTTP/2 settings; two minutes otherwise.
    ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_SECONDS * 1000)),
    # A port in use must be an error, not shared.
    ("grpc.so_reuseport", 0),
)
# grpc accepts some thousand connections meanwhile, which is less than the total limit.
_SWEEP_SECONDS: Final = 0.5
_CODES: Final[Mapping[HTTPStatus, int]] = {
    HTTPStatus.BAD_REQUEST: INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: PERMISSION_DENIED,
    HTTPStatus.TOO_MANY_REQUESTS: RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: RPC_UNAVAILABLE,
}
_NO_MESSAGE: Final = Fault(("the message",), "not a CheckRequest")
_ODD_ROLES: Final = Fault((f"the context extension {REQUIRED_ROLES}",), "not a list of role names")


class Checks:
    """Answers `Check`: a message in, a finished message out."""

    def __init__(self, authorizer: RequestAuthorizer) -> None:
        self._authorizer = authorizer
        self._answers = RenderedAnswers(_render)

    def answer(self, message: bytes) -> bytes:
        """Return whether Envoy may forward the client's request."""
        try:
            attributes = CheckRequest.FromString(message).attributes
        except DecodeError:
            return _deny(self._authorizer.reject_request(_NO_MESSAGE))
        http = attributes.request.http
        roles = self._find_roles(attributes.context_extensions.get(REQUIRED_ROLES, ""))
        authorizations = _values(http, _AUTHORIZATION)
        # Envoy passes the part after a `#` in a field of its own, if it accepts it at all.
        if http.fragment or not is_target(http.path.encode()):
            return _deny(self._authorizer.reject_request(ODD_TARGET))
        if roles is None:
            return _deny(self._authorizer.reject_request(_ODD_ROLES))
        if len(authorizations) > 1:
            return _deny(self._authorizer.reject_request(TWO_TOKENS))
        found = self._authorizer.authorize(
            authorizations[0].encode() if authorizations else None,
            Origin(
                parse_address(attributes.source.address.socket_address.address),
                ",".join(_values(http, _FORWARDED_FOR)),
            ),
            lambda: read_request(http.method.encode(), http.host.encode(), http.path.encode()),
            roles,
        )
        if not isinstance(found, Accepted):
            return _deny(found)
        return self._answers.get(found)

    def _find_roles(self, text: str) -> tuple[str, ...] | None:
        if not text:
            return ()
        roles = read_roles(text.encode())
        if roles is None:
            _log.warning(
                "a route of Envoy requires something that is not a list of roles; its requests are rejected",
                extension=REQUIRED_ROLES,
                expected="names separated by commas, like orders-reader,orders-writer",
            )
        return roles


class GrpcService:
    """The listener `extauthz-grpc`; see `servicetokens.validator.listeners.Service`."""

    protocol = "extauthz-grpc"

    def __init__(
        self,
        address: Address,
        authorizer: RequestAuthorizer,
        *,
        ready: Callable[[], bool],
        max_connections: int,
        peer_share: int = PEER_SHARE,
    ) -> None:
        """Not listening yet.

        Connections beyond *max_connections* are closed in grpc, and those of one client address beyond *peer_share*
        percent of that many by us, up to half a second later. The same share applies to one address among the calls in
        progress.
        """
        self._address = address
        self._checks = Checks(authorizer)
        self._ready = ready
        self._options = (*_OPTIONS, ("grpc.max_allowed_incoming_connections", max_connections))
        self._shares = Shares(max_connections, peer_share)
        self._peers = GrpcPeers(self._shares, address.port)
        self._calls = Calls(peer_share)
        self._health = Health(SERVICE)
        self._server: Any = None

    @property
    def connections(self) -> int:
        """See `Service`; as it was half a second ago at most."""
        return self._shares.total

    @property
    def calls(self) -> int:
        """Number of calls in progress."""
        return self._calls.total

    async def start(self) -> None:
        """Listen. Raises `AddressInUse`."""
        self._server = grpc.aio.server(options=self._options)
        # Messages stay bytes here: grpc would log a traceback for each that cannot be parsed.
        methods = {"Check": self._calls.unary(self._check)}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, methods), self._health.handler(self._calls))
        )
        try:
            with only_ipv4(*self._address):
                self._server.add_insecure_port(str(self._address))
        except RuntimeError as error:
            message = f"cannot listen on {self._address} for gRPC; free the port, or choose another one"
            raise AddressInUse(message) from error
        await self._server.start()
        _log.info("listening", address=str(self._address), tls=False)

    async def drain(self, *, seconds: float) -> None:
        """End every call within *seconds*, and accept no new ones."""
        if self._server is not None:
            self._health.end()
            await self._server.stop(seconds)

    async def _check(self, message: bytes, _context: object) -> bytes:
        return self._checks.answer(message)

    async def run(self) -> None:
        """Sweep the connections, and inform clients that watch our health.

        Envoy removes an endpoint whose health is not `SERVING`.
        """
        loop = asyncio.get_running_loop()
        while True:
            self._peers.sweep(int(loop.time()))
            self._health.set(is_serving=self._ready())
            await asyncio.sleep(_SWEEP_SECONDS)


def _values(http: AttributeContext.HttpRequest, name: str) -> list[str]:
    """Return the values of a header, from the map and from the list that takes its place with `encode_raw_headers`."""
    found = [http.headers[name]] if name in http.headers else []
    return found + [
        header.value or header.raw_value.decode("latin-1")
        for header in http.header_map.headers
        if header.key.lower() == name
    ]


def _render(accepted: Accepted, _form: object) -> bytes:
    response = CheckResponse(
        status=Status(code=OK),
        ok_response=OkHttpResponse(headers=_overwrite(identity(accepted)), headers_to_remove=REMOVED),
    )
    return bytes(response.SerializeToString())


def _deny(rejection: Rejection) -> bytes:
    response = CheckResponse(
        status=Status(code=_CODES[rejection.status]),
        denied_response=DeniedHttpResponse(
            status=HttpStatus(code=rejection.status.value), headers=_overwrite(rejection.headers)
        ),
    )
    return bytes(response.SerializeToString())


def _overwrite(headers: Iterable[Header]) -> list[HeaderValueOption]:
    """Overwrite everything that the client sent under these names; also with an empty value, which Envoy would omit."""
    return [
        HeaderValueOption(
            header=HeaderValue(key=name.lower(), value=value),
            append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
            keep_empty_value=True,
        )
        for name, value in headers
    ]
