"""The client that tests and the demo ask the API server with."""

import http.client
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controlplane.certificates import CertificateAuthority
from controlplane.client import ApiClient
from controlplane.ports import LOOPBACK


class Handler(BaseHTTPRequestHandler):
    """Answers with the number of the connection, and closes it after a request for /last."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Count the connection."""
        super().setup()
        self.server.count += 1  # type: ignore[attr-defined]
        self.number = self.server.count  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        """Answer, and do not announce that the connection closes."""
        body = str(self.number).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.path == "/last"

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[ApiClient]:
    """A client of a server that counts connections."""
    authority = CertificateAuthority(tmp_path / "pki")
    pair = authority.server("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.count = 0  # type: ignore[attr-defined]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = ApiClient(LOOPBACK, server.server_port, certificate_authority=authority.certificate)
        yield client
        client.close()
        server.shutdown()
        thread.join()


def test_a_connection_is_used_again(client: ApiClient) -> None:
    """Handshakes would cost more than the requests."""
    assert [client.request("GET", "/").body for _ in range(3)] == [1, 1, 1]


def test_a_connection_that_the_server_closed_is_replaced(client: ApiClient) -> None:
    """As after a restart of the API server: the request is sent once, on a new one."""
    assert client.request("GET", "/last").body == 1
    connection = client._idle[0].sock
    assert connection is not None
    connection.settimeout(10)
    assert connection.recv(1) == b""
    assert client.request("GET", "/").body == 2


def test_a_connection_that_failed_is_not_used_again(client: ApiClient) -> None:
    """Whatever is left of an answer would be taken for the next one."""
    assert client.request("GET", "/").body == 1
    with pytest.raises(http.client.InvalidURL):
        client.request("GET", "/with\nbreak")
    assert client.request("GET", "/").body == 2
