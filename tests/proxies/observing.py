"""What a client sees of a proxy, and what reaches the service behind it."""

import contextlib
import http.client
import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from controlplane.ports import LOOPBACK
from controlplane.waiting import patient

Header = tuple[str, str]

_TRIES: Final = 4


@dataclass(frozen=True)
class Seen:
    """One answer. `reached` is what the service was sent, None when it was not asked."""

    status: int
    challenge: bool
    reached: dict[str, Any] | None

    def values(self, name: str) -> list[str]:
        """Return the values of a header that reached the service."""
        assert self.reached is not None
        return [value for known, value in self.reached["headers"] if known == name.lower()]

    @property
    def spoofed(self) -> list[str]:
        """Which headers reached the service that a backend may take for one of ours, and which are none."""
        assert self.reached is not None
        return [
            known
            for known, _ in self.reached["headers"]
            if (folded := re.sub("[^a-z0-9]", "-", known)).startswith("x-servicetoken-") and folded != known
        ]

    def __str__(self) -> str:
        if self.reached is not None:
            return f"{self.status}, passed"
        return f"{self.status}, with challenge" if self.challenge else str(self.status)


def send(
    port: int,
    target: str,
    headers: Sequence[Header] = (),
    *,
    method: str = "GET",
    body: bytes = b"",
    host: str = "",
    source: str = LOOPBACK,
) -> Seen:
    """Send one request exactly as it is written here.

    A proxy may reject a body before it has read it, and hang up on who still sends; then it is asked again.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(ConnectionError):
            return _send(port, target, headers, method, body, host, source)
    return _send(port, target, headers, method, body, host, source)


def send_bytes(port: int, request: bytes) -> Seen | None:
    """Send exactly these bytes; None when the proxy hangs up without an answer."""
    with socket.create_connection((LOOPBACK, port), timeout=patient(20)) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            content = response.read()
        except (http.client.HTTPException, ConnectionError):
            return None
    return _seen(response, content)


def _send(
    port: int, target: str, headers: Sequence[Header], method: str, body: bytes, host: str, source: str
) -> Seen:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=patient(20), source_address=(source, 0))
    try:
        connection.putrequest(method, target, skip_accept_encoding=True, skip_host=bool(host))
        if host:
            connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body:
            with contextlib.suppress(ConnectionError):
                connection.send(body)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    return _seen(response, content)


def _seen(response: http.client.HTTPResponse, content: bytes) -> Seen:
    is_service = response.status == http.client.OK and content.startswith(b"{")
    return Seen(
        response.status,
        response.headers.get("WWW-Authenticate", "").startswith("Bearer"),
        json.loads(content) if is_service else None,
    )
