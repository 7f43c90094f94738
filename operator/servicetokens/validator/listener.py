"""One listening address: accepts connections, closes slow ones every second, drains at shutdown."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from servicetokens.authn.addresses import Address as PeerAddress
from servicetokens.authn.addresses import parse_address
from servicetokens.runtime import logs
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.health import AddressInUse
from servicetokens.runtime.settings import Address
from servicetokens.runtime.sockets import open_sockets
from servicetokens.validator.http import Connection
from servicetokens.validator.request import Handler, HeaderSlots
from servicetokens.validator.responses import date_line
from servicetokens.validator.shares import HANDSHAKE_SECONDS, ListenerShares
from servicetokens.validator.tls import ClientNames, accept_tls

# For connections that the kernel queues during a burst, or while a page of objects is decoded.
_BACKLOG: Final = 1024
# How long a client may take to answer the end of TLS.
_GOODBYE_SECONDS: Final = 2.0
# When no more files can be opened: others may have been closed by then.
_PAUSE_SECONDS: Final = 1.0
_SWEEP_SECONDS: Final = 1.0

_log = logs.get_logger(__name__)


class Listener:
    """Serves *handler* at one address. It is the `Server` that its connections share."""

    def __init__(
        self,
        handler: Handler,
        clock: Clock,
        *,
        report: Callable[[Exception], None],
        shares: ListenerShares | None = None,
        clients: ClientNames | None = None,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        """Not listening yet.

        Args:
            handler: answers.
            clock: for the `Date` of answers.
            report: called with errors of the handler.
            shares: what clients may use together, and each of them.
            clients: whose certificates are accepted; all by default.
            handshake_seconds: for how long a TLS handshake may take.
        """
        self.handler = handler
        self.slots = HeaderSlots(handler.headers)
        self.tick = 0
        self.date = date_line(clock.now())
        self.draining = False
        self.report = report
        self._clock = clock
        shares = shares or ListenerShares()
        self.held = shares.held
        self._shares = shares.connections
        self._clients = clients or ClientNames(())
        self._handshake_seconds = handshake_seconds
        self._connections: set[Connection] = set()
        self._port = 0
        # Tasks that accept TLS connections; those of the servers are not here.
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        # Connections with a handshake in progress, which are counted already.
        self._arriving: set[Connection] = set()
        self._handshakes: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many connections are open, including those with a TLS handshake in progress."""
        return self._shares.total

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen.

        Raises:
            AddressInUse: the port is taken, or the address is not of this machine.
        """
        loop = asyncio.get_running_loop()
        try:
            for opened in open_sockets(host, port):
                self._port = int(opened.getsockname()[1])
                if tls is None:
                    server = await loop.create_server(lambda: Connection(self), sock=opened, backlog=_BACKLOG)
                    self._servers.append(server)
                else:
                    # The event loop would count a connection only after its handshake.
                    opened.listen(_BACKLOG)
                    self._sockets.append(opened)
                    loop.add_reader(opened, self._accept, opened, tls)
        except OSError as error:
            message = f"cannot listen on {Address(host, port)} ({error.strerror or error})"
            raise AddressInUse(message) from error

    async def drain(self, *, seconds: float) -> None:
        """Accept no more connections, answer requests in progress, and close everything within *seconds*."""
        self.draining = True
        self._stop_listening()
        deadline = asyncio.get_running_loop().time() + seconds
        while len(self) and asyncio.get_running_loop().time() < deadline:
            for connection in tuple(self._connections):
                connection.close_if_idle()
            await asyncio.sleep(0.05)
        for handshake in self._handshakes:
            handshake.cancel()
        for connection in tuple(self._connections):
            connection.abort()

    def admit(self, connection: Connection, transport: asyncio.Transport) -> tuple[HTTPStatus, str] | None:
        """See `Server`."""
        if connection in self._arriving:
            self._arriving.remove(connection)
        elif objection := self._shares.take(connection.origin.peer, self.tick):
            return HTTPStatus.SERVICE_UNAVAILABLE, objection
        self._connections.add(connection)
        if not self._clients.admit(transport.get_extra_info("peercert")):
            return HTTPStatus.FORBIDDEN, "the client certificate is not one of those that are accepted here"
        return None

    def dismiss(self, connection: Connection) -> None:
        """See `Server`."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._shares.give_back(connection.origin.peer)

    async def run(self) -> None:
        """Count seconds and close overdue connections, until cancelled: one task instead of a timer for each."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.tick += 1
            self.date = date_line(self._clock.now())
            for connection in [one for one in self._connections if one.deadline <= self.tick]:
                connection.expire()

    def _accept(self, opened: socket.socket, tls: ssl.SSLContext) -> None:
        """Accept a connection at *opened*, and close it immediately if it is beyond a share."""
        loop = asyncio.get_running_loop()
        for _ in range(_BACKLOG):
            try:
                accepted, address = opened.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Too many open files. The event loop would report the waiting connections immediately, again and again.
                _log.error("no connections are accepted for a second", reason=error.strerror or str(error))
                loop.remove_reader(opened)
                loop.call_later(_PAUSE_SECONDS, self._accept_again, opened, tls)
                return
            peer = parse_address(address[0])
            if self._shares.take(peer, self.tick):
                accepted.close()
                continue
            accepted.setblocking(False)  # noqa: FBT003 - the argument has no name
            handshake = loop.create_task(self._shake_hands(accepted, peer, tls), name="TLS handshake")
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    def _accept_again(self, opened: socket.socket, tls: ssl.SSLContext) -> None:
        if not self.draining:
            asyncio.get_running_loop().add_reader(opened, self._accept, opened, tls)

    async def _shake_hands(
        self, accepted: socket.socket, peer: PeerAddress | None, tls: ssl.SSLContext
    ) -> None:
        """Start a connection after its handshake; close it if the handshake fails or takes too long."""
        connection = Connection(self)
        self._arriving.add(connection)
        try:
            await accept_tls(
                accepted,
                connection,
                tls,
                handshake_seconds=self._handshake_seconds,
                goodbye_seconds=_GOODBYE_SECONDS,
            )
        except OSError:
            # The client has disconnected, does not use TLS, or has no accepted certificate: not our error.
            return
        finally:
            if connection in self._arriving:
                self._arriving.remove(connection)
                self._shares.give_back(peer)

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        for opened in self._sockets:
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()
        self._sockets.clear()
