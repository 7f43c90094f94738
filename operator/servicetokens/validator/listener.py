"""One listening address: takes connections in, sweeps the slow ones away every second, drains at the end."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from servicetokens.runtime.clock import Clock
from servicetokens.runtime.health import AddressInUse
from servicetokens.runtime.settings import Address
from servicetokens.runtime.sockets import open_sockets
from servicetokens.validator.failures import bucket_of
from servicetokens.validator.http import Connection
from servicetokens.validator.request import Handler, HeaderSlots
from servicetokens.validator.responses import date_line
from servicetokens.validator.tls import ClientNames

# What the kernel queues during a burst, or while a page of objects is decoded.
_BACKLOG: Final = 1024
_HANDSHAKE_SECONDS: Final = 5.0
# 2.5 KB each: the idle connections of a thousand proxies, in 25 MB.
MAX_CONNECTIONS: Final = 10_000
# Percent of them for one client address: proxies hold hundreds, and it takes four peers to leave no room for others.
PEER_SHARE: Final = 25
_SWEEP_SECONDS: Final = 1.0


class Listener:
    """Serves *handler* at one address. It is the `Server` that its connections share."""

    def __init__(
        self,
        handler: Handler,
        clock: Clock,
        *,
        report: Callable[[Exception], None],
        max_connections: int = MAX_CONNECTIONS,
        peer_share: int = PEER_SHARE,
        clients: ClientNames | None = None,
    ) -> None:
        """Not listening yet.

        Args:
            handler: answers.
            clock: for the `Date` of answers.
            report: is told about defects of the handler.
            max_connections: further ones are answered by 503 and closed.
            peer_share: percent of *max_connections* that one client address (of IPv6, one /64) may hold; likewise.
            clients: whose certificates are served; all, if left out.
        """
        self.handler = handler
        self.slots = HeaderSlots(handler.headers)
        self.tick = 0
        self.date = date_line(clock.now())
        self.draining = False
        self.report = report
        self._clock = clock
        self._max_connections = max_connections
        self._max_of_peer = max(1, max_connections * peer_share // 100)
        self._clients = clients or ClientNames(())
        self._connections: set[Connection] = set()
        self._by_peer: Counter[tuple[int, int]] = Counter()
        self._servers: list[asyncio.Server] = []

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._servers[0].sockets[0].getsockname()[1])

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen.

        Raises:
            AddressInUse: the port is taken, or the address is not of this machine.
        """
        loop = asyncio.get_running_loop()
        try:
            self._servers = [
                await loop.create_server(
                    lambda: Connection(self),
                    sock=opened,
                    ssl=tls,
                    backlog=_BACKLOG,
                    ssl_handshake_timeout=_HANDSHAKE_SECONDS if tls else None,
                )
                for opened in open_sockets(host, port)
            ]
        except OSError as error:
            message = f"cannot listen on {Address(host, port)} ({error.strerror or error})"
            raise AddressInUse(message) from error

    async def drain(self, *, seconds: float) -> None:
        """Take no more connections, answer what is under way, and close everything within *seconds*."""
        self.draining = True
        for server in self._servers:
            server.close()
        deadline = asyncio.get_running_loop().time() + seconds
        while self._connections and asyncio.get_running_loop().time() < deadline:
            for connection in tuple(self._connections):
                connection.close_if_idle()
            await asyncio.sleep(0.05)
        for connection in tuple(self._connections):
            connection.abort()

    def admit(self, connection: Connection, transport: asyncio.Transport) -> tuple[HTTPStatus, str] | None:
        """See `Server`."""
        if len(self._connections) >= self._max_connections:
            return HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"
        peer = bucket_of(connection.origin.peer)
        if self._by_peer[peer] >= self._max_of_peer:
            return HTTPStatus.SERVICE_UNAVAILABLE, "too many connections from this address"
        if not self._clients.admit(transport.get_extra_info("peercert")):
            return HTTPStatus.FORBIDDEN, "the client certificate is not one of those that are served here"
        self._connections.add(connection)
        self._by_peer[peer] += 1
        return None

    def dismiss(self, connection: Connection) -> None:
        """See `Server`."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        peer = bucket_of(connection.origin.peer)
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            # Otherwise it would grow with every address that ever came.
            del self._by_peer[peer]

    async def run(self) -> None:
        """Count the seconds and end what is overdue, for ever. One task for all, instead of a timer for each."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.tick += 1
            self.date = date_line(self._clock.now())
            for connection in [one for one in self._connections if one.deadline <= self.tick]:
                connection.expire()
