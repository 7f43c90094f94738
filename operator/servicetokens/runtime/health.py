"""The health address of both processes: `/livez`, `/readyz` and `/metrics`, never on a port that validates tokens."""

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from servicetokens.runtime.places import Places
from servicetokens.runtime.settings import Address
from servicetokens.runtime.sockets import open_sockets
from servicetokens.runtime.terminal import escape_controls

Missing = Callable[[], Sequence[str]]
"""Returns what is missing until the process is ready, a sentence each; empty means ready."""

_LOGGER: Final = "servicetokens.runtime.health.http"
# Kubelet, a few Prometheus servers, people. Each connection is a file, of which everything else needs some, too.
_MOST_CONNECTIONS: Final = 64
# So that one address leaves room for others. Kubelet opens a connection for each probe.
_MOST_OF_PEER: Final = 16
# For the first request to arrive; after one, for the next.
_SILENT_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 75.0
_IPV6: Final = 6


class AddressInUse(OSError):
    """The address cannot be listened on. The message is a sentence for people."""


class HealthServer:
    """Serves the three pages. Liveness means that the event loop is responsive; readiness comes from *missing*.

    `/readyz` also shows *degraded*, which does not make it fail.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        missing: Missing,
        registry: CollectorRegistry,
        degraded: Missing = tuple,
        silent_seconds: float = _SILENT_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._missing = missing
        self._degraded = degraded
        self._registry = registry
        self._silent_seconds = silent_seconds
        self._pages = {"/livez": self._livez, "/readyz": self._readyz, "/metrics": self._metrics}
        # It would log a traceback for each request that is not HTTP, and any client that reaches the port can send
        # those.
        self._logger = logging.getLogger(_LOGGER)
        self._logger.addFilter(_is_no_fault_of_clients)
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            AddressInUse: the port is in use or the address is not one of this machine.
        """
        server = _BoundedServer(self._answer, self._logger, self._silent_seconds)
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        try:
            for opened in open_sockets(self._host, self._port):
                await web.SockSite(self._runner, opened).start()
        except OSError as error:
            await self._runner.cleanup()
            address = Address(self._host, self._port)
            message = (
                f"cannot listen on {address} for health and metrics ({error.strerror or error}); "
                "free the port or choose another one with --health-address"
            )
            raise AddressInUse(message) from error

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        page = self._pages.get(request.path)
        if page is None:
            return web.Response(status=404, text="404: Not Found")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="405: Method Not Allowed", headers={"Allow": "GET, HEAD"})
        return page()

    def _livez(self) -> web.Response:
        return web.Response(text="ok\n")

    def _readyz(self) -> web.Response:
        missing, degraded = self._missing(), self._degraded()
        lines = [f"not ready: {reason}" for reason in missing] or ["ok"]
        lines += [f"degraded: {reason}" for reason in degraded]
        # Reasons quote the API server, and policies, which may say anything.
        text = "".join(f"{escape_controls(line)}\n" for line in lines)
        return web.Response(status=503 if missing else 200, text=text)

    def _metrics(self) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


class _BoundedServer(web.Server):
    """Closes connections beyond a limit, and those on which no request arrives.

    Without that, a client that reaches the port could use up the open files of the process, until it can neither accept
    a connection elsewhere nor open one to the API server.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        logger: logging.Logger,
        silent_seconds: float,
    ) -> None:
        super().__init__(
            self._noting(handler), access_log=None, logger=logger, keepalive_timeout=_IDLE_SECONDS
        )
        self._silent_seconds = silent_seconds
        self._peers: dict[web.RequestHandler, str] = {}
        self._places: Places[str] = Places(_MOST_CONNECTIONS, _MOST_OF_PEER)
        self._heard: set[web.RequestHandler] = set()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Accept the connection, unless the limit is reached."""
        super().connection_made(handler, transport)
        peer = _network_of(transport.get_extra_info("peername"))
        if self._places.take(peer):
            # Not immediately: aiohttp has to start a task first, which would miss its server.
            asyncio.get_running_loop().call_soon(transport.abort)
            return
        self._peers[handler] = peer
        asyncio.get_running_loop().call_later(self._silent_seconds, self._end_if_silent, handler, transport)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Stop counting it."""
        super().connection_lost(handler, exc)
        self._heard.discard(handler)
        peer = self._peers.pop(handler, None)
        if peer is not None:
            self._places.give_back(peer)

    def _end_if_silent(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        if handler not in self._heard:
            transport.abort()

    def _noting(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            self._heard.add(request.protocol)
            return await handler(request)

        return answer


def _network_of(peer: Sequence[Any] | None) -> str:
    """Return the network that a peer is counted under: its address, or its /64, all of which one owner has."""
    if not peer:
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    if address.version == _IPV6 and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _is_no_fault_of_clients(record: logging.LogRecord) -> bool:
    """Suppress log lines about requests that cannot be parsed: the client receives 400."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)
