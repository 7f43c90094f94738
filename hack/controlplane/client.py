"""Talks to the API server from a test: a JSON request, a JSON answer, no library in between.

Independent of our own client on purpose: a test that looks at the world through the code under test sees what
that code sees.
"""

import contextlib
import http.client
import json
import select
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.certificates import KeyPair
from controlplane.waiting import patient

REQUEST_SECONDS = 10.0  # longer than the server needs for anything but a watch


@dataclass(frozen=True)
class Answer:
    """Status and decoded body of a response; `body` is the text where it is not JSON (as /readyz)."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300


class ApiClient:
    """JSON requests as one user, known by certificate or bearer token. Threads may share it.

    Connections are kept and used again: a handshake with certificates costs both sides more than most requests, and
    tests ask twenty times a second while they wait.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        certificate_authority: Path,
        client: KeyPair | None = None,
        token: str | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._tls = ssl.create_default_context(cafile=certificate_authority)
        if client is not None:
            self._tls.load_cert_chain(client.certificate, client.key)
        self._headers = {"Accept": "application/json", "User-Agent": "servicetokens-tests"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._idle: deque[http.client.HTTPSConnection] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close unused connections. The client can be used again."""
        _close_all(self._idle)

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | list[Any] | None = None,
    ) -> Answer:
        """Send one request, a PATCH as a merge patch (RFC 7386); every HTTP status is an answer.

        Raises:
            OSError: no connection, or it broke (http.client.HTTPException when it broke in the middle of an
            answer).
        """
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = (
                "application/merge-patch+json" if method == "PATCH" else "application/json"
            )
        with self._connection() as connection:
            connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, _decode(response.read()))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[http.client.HTTPSConnection]:
        """Give a connection that was used before, or a new one; keep it if what is done with it succeeds."""
        connection = self._reuse() or http.client.HTTPSConnection(
            self._host, self._port, context=self._tls, timeout=patient(REQUEST_SECONDS)
        )
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _reuse(self) -> http.client.HTTPSConnection | None:
        """Return an idle connection which the server has not closed. One with something to read was closed."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.sock is not None and not _can_be_read(connection.sock):
                return connection
            connection.close()


def _can_be_read(sock: socket.socket) -> bool:
    poll = select.poll()  # select.select rejects descriptors above 1023
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _close_all(connections: deque[http.client.HTTPSConnection]) -> None:
    while connections:
        connections.pop().close()


def _decode(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
