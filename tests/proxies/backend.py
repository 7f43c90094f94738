"""The service behind a proxy: it answers 200 and tells what has reached it, or changes the protocol if asked to."""

import base64
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from controlplane.ports import LOOPBACK

TUNNEL: Final = b"after the upgrade: "
"""Before what the service sends back of all that it gets on a connection that has changed its protocol."""

_PROTOCOLS: Final = ("websocket", "h2c", "other")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        protocol = self._upgrade()
        if protocol:
            self._change(protocol)
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        seen = {
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "size": len(body),
        }
        content = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _upgrade(self) -> str:
        """Return the first protocol that is offered and known; to HTTP/2 as RFC 7540 section 3.2 says."""
        if "upgrade" not in _members(self.headers.get_all("Connection")):
            return ""
        offered = [name for name in _members(self.headers.get_all("Upgrade")) if name in _PROTOCOLS]
        if "HTTP2-Settings" not in self.headers:
            offered = [name for name in offered if name != "h2c"]
        return offered[0] if offered else ""

    def _change(self, protocol: str) -> None:
        self.close_connection = True
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", protocol)
        if protocol == "websocket":
            # RFC 6455 section 4.2.2; HAProxy compares it.
            key = f"{self.headers.get('Sec-WebSocket-Key', '')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            proof = hashlib.sha1(key.encode(), usedforsecurity=False).digest()
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(proof).decode())
        self.end_headers()
        while part := self.connection.recv(65536):
            self.wfile.write(TUNNEL + part)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _answer  # noqa: N815 - the library's names

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing: the test has the answer."""


def _members(values: list[str] | None) -> list[str]:
    """Return the members of a list that may come in several lines."""
    return [member.strip().lower() for value in values or () for member in value.split(",")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing when a proxy that ends resets the connections that it kept open."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Backend:
    """Serves on a free loopback port while the context lasts."""

    def __init__(self) -> None:
        self._server = _Server((LOOPBACK, 0), _Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
