"""A validator as a process, and the questions that proxies and API servers ask it."""

import contextlib
import http.client
import json
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from common.drivers.operators import RunningOperator
from common.drivers.world import VALIDATOR, World
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from controlplane.waiting import patient

V1: Final = "authentication.k8s.io/v1"


@dataclass
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    json: Any = field(default=None)


@dataclass(frozen=True)
class Ports:
    """Where a validator listens, on loopback; each field is a flag."""

    health: int
    forward_auth: int
    token_review: int
    ext_authz: int
    ext_authz_grpc: int
    introspection: int

    def flags(self) -> list[str]:
        """Return the flags that say so."""
        return [
            f"--{one.name.replace('_', '-')}-address={LOOPBACK}:{getattr(self, one.name)}"
            for one in fields(self)
        ]


class RunningValidator(RunningOperator):
    """A validator process: its health page, and its listeners."""

    def __init__(self, process: Process, ports: Ports, authority: Path) -> None:
        super().__init__(process, ports.health)
        self.ports = ports
        self.forward_port = ports.forward_auth
        self.review_port = ports.token_review
        self._tls = ssl.create_default_context(cafile=authority)

    @property
    def client_tls(self) -> ssl.SSLContext:
        """What a client of the listeners with TLS trusts."""
        return self._tls

    @property
    def review_url(self) -> str:
        """Where kube-apiserver asks."""
        return f"https://{LOOPBACK}:{self.review_port}/authenticate"

    def forward(
        self, token: str | None = None, *, path: str = "/validate", method: str = "GET", **headers: str
    ) -> Reply:
        """Ask as a proxy does. Underscores in the names of *headers* are dashes."""
        connection = http.client.HTTPConnection(LOOPBACK, self.forward_port, timeout=patient(10))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return _ask(connection, method, path, None, sent)

    def authz(
        self, token: str | None = None, *, path: str = "/", method: str = "GET", **headers: str
    ) -> Reply:
        """Ask as Envoy does over HTTP. Underscores in the names of *headers* are dashes."""
        connection = http.client.HTTPConnection(LOOPBACK, self.ports.ext_authz, timeout=patient(10))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return _ask(connection, method, path, None, sent)

    def introspect(
        self, body: str, *, path: str = "/introspect", method: str = "POST", **headers: str
    ) -> Reply:
        """Ask as a resource server does; *body* is the form. Underscores in the names of *headers* are dashes."""
        connection = http.client.HTTPSConnection(
            LOOPBACK, self.ports.introspection, context=self._tls, timeout=patient(10)
        )
        sent = {"Content-Type": "application/x-www-form-urlencoded"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return _ask(connection, method, path, body.encode() if body else None, sent)

    def review(self, token: str, audiences: list[str] | None = None, version: str = V1) -> Reply:
        """Ask as kube-apiserver does."""
        spec: dict[str, Any] = {"token": token}
        if audiences is not None:
            spec["audiences"] = audiences
        body = {
            "kind": "TokenReview",
            "apiVersion": version,
            "metadata": {"creationTimestamp": None},
            "spec": spec,
        }
        return self.post(json.dumps({**body, "status": {"user": {}}}).encode())

    def raw_review(self, data: bytes) -> bytes:
        """Send bytes to the webhook, over TLS, and return everything until it closes."""
        with (
            socket.create_connection((LOOPBACK, self.review_port), timeout=patient(15)) as plain,
            self._tls.wrap_socket(plain, server_hostname=LOOPBACK) as secure,
        ):
            secure.sendall(data)
            found = b""
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                while part := secure.recv(65536):
                    found += part
            return found

    def post(
        self, body: bytes, path: str = "/authenticate?timeout=30s", method: str = "POST", **headers: str
    ) -> Reply:
        """Send any body to the webhook."""
        connection = http.client.HTTPSConnection(
            LOOPBACK, self.review_port, context=self._tls, timeout=patient(10)
        )
        sent = {"Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return _ask(connection, method, path, body, sent)


@contextlib.contextmanager
def validator(
    world: World, log: Path, *flags: str, wait: bool = True, ports: Ports | None = None
) -> Iterator[RunningValidator]:
    """Run a validator under its own identity until the context ends."""
    ports = ports or Ports(*free_ports(len(fields(Ports))))
    authority = world.cluster.files.authority
    # A file for each: another one may be reading its own just now.
    certificate = authority.server(f"validator-{ports.health}")
    groups = ("system:serviceaccounts", "system:authenticated")
    arguments = [
        *(sys.executable, "-m", "servicetokens", "validator"),
        f"--kubeconfig={world.cluster.user(VALIDATOR, groups)}",
        *ports.flags(),
        f"--tls-cert-file={certificate.certificate}",
        f"--tls-key-file={certificate.key}",
        *flags,
    ]
    with Process("validator", arguments, log=log) as process:
        running = RunningValidator(process, ports, authority.certificate)
        if wait:
            world.until(running.is_ready, "the validator to be ready", timeout=30)
        yield running


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> Reply:
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        found = response.read()
        content = None
        if response.headers.get("Content-Type", "").startswith("application/json") and found:
            content = json.loads(found)
        return Reply(response.status, dict(response.headers), found, content)
    finally:
        connection.close()
