"""A wire between a process and the API server that a test can cut."""

import contextlib
import socket
import threading
from typing import Self

from controlplane.ports import LOOPBACK
from controlplane.waiting import patient


class Relay:
    """Forwards bytes from a free loopback port to *port*, until it is cut; it can be mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._all: list[socket.socket] = []
        self._forwarding: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut()
        for thread in self._forwarding:
            thread.join()
        for one in self._all:
            one.close()

    def cut(self, *, for_good: bool = True) -> None:
        """Break every connection, and take no new ones *for_good*, which is until `mend`."""
        self._is_cut = for_good
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                client.close()
                continue
            try:
                server = socket.create_connection((LOOPBACK, self._target), timeout=patient(5))
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
                self._all += [client, server]
            for one, other in ((client, server), (server, client)):
                thread = threading.Thread(target=self._forward, args=(one, other), daemon=True)
                self._forwarding.append(thread)
                thread.start()

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        # Both directions end; the other thread notices, and both are closed at the end of everything.
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
