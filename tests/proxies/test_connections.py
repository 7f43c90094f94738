"""What belongs to a connection and not to a request: headers named in `Connection`, and bodies that are announced."""

import socket
from pathlib import Path
from typing import Final

import pytest

from common.drivers.validating import RunningValidator
from common.drivers.world import World
from controlplane.ports import LOOPBACK
from proxies.backend import Backend
from proxies.clients import (
    CLIENTS,
    EXT_AUTHZ,
    EXT_AUTHZ_GRPC,
    FORWARD_AUTH,
    FORWARD_AUTH_2,
    SERVICE,
)
from proxies.conftest import Front, Tokens
from proxies.observing import send, send_bytes

NAMES: Final = [client.name for client in CLIENTS]
IDENTITY: Final = ("Account", "Namespace", "Roles", "Permissions", "Id", "Expires")
HELPING: Final = (
    *(
        "Authorization",
        "Host",
        "X-Forwarded-For",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded-Host",
    ),
    *("X-Original-URI", "X-Original-URL", "X-Original-Method"),
)


def request(target: str, token: str, *headers: str) -> bytes:
    """Return a request with these header lines."""
    lines = (f"GET {target} HTTP/1.1", "Host: example.com", f"Authorization: Bearer {token}", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@pytest.mark.parametrize(
    "named",
    [
        *(f"close, X-ServiceToken-{part}" for part in IDENTITY),
        "close, " + ", ".join(f"x-servicetoken-{part.lower()}" for part in IDENTITY),
        "X-ServiceToken-Account,X-ServiceToken-Roles , close",
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_client_cannot_have_an_identity_header_removed(
    name: str, named: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """A proxy removes what `Connection` names from what it passes on; ours arrive nevertheless."""
    for lines in ((f"Connection: {named}",), ("Connection: close", f"Connection: {named}")):
        seen = send_bytes(fronts[name].works.port, request("/x", tokens.good.text, *lines))
        assert seen is not None
        # A proxy may reject a request that names so much, as Envoy does; that is no way past it either.
        if seen.reached is None:
            assert seen.status == 400
            continue
        assert seen.values("x-servicetoken-account") == ["ci"]
        assert seen.values("x-servicetoken-roles") == ["member"]
        for part in ("namespace", "id", "expires"):
            assert len(seen.values(f"x-servicetoken-{part}")) == 1, part
        assert seen.values("authorization") == []


@pytest.mark.parametrize("header", ["Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Upgrade"])
@pytest.mark.parametrize("name", NAMES)
def test_no_other_header_of_the_connection_has_an_identity_header_removed(
    name: str, header: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """Nor do the two together, which a proxy may take for one list."""
    for named in ("close", "close, X-ServiceToken-Roles"):
        lines = (
            f"Connection: {named}, {header}",
            f"{header}: close, X-ServiceToken-Account, x-servicetoken-roles",
        )
        seen = send_bytes(fronts[name].works.port, request("/x", tokens.good.text, *lines))
        assert seen is not None
        if seen.reached is None:
            assert seen.status in {400, 403, 501}
            continue
        assert seen.values("x-servicetoken-account") == ["ci"]
        assert seen.values("x-servicetoken-roles") == ["member"]


@pytest.mark.parametrize("named", HELPING)
@pytest.mark.parametrize("name", NAMES)
def test_a_client_cannot_have_a_header_of_the_question_removed(
    name: str, named: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """What the proxy says about the request arrives at the validator, whatever the client names."""
    line = f"Connection: close, {named}"
    allowed = send_bytes(fronts[name].works.port, request("/orders/1", tokens.reader.text, line))
    assert allowed is not None
    if allowed.reached is None:
        assert allowed.status in {400, 401}, "refused, because the token or the host went"
    other = send_bytes(fronts[name].works.port, request("/users/1", tokens.reader.text, line))
    assert other is not None
    assert other.reached is None


@pytest.mark.parametrize("name", NAMES)
def test_websockets_pass(name: str, fronts: dict[str, Front], tokens: Tokens) -> None:
    """The upgrade reaches the service, and its answer the client; without a token neither does."""
    upgrade = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    with socket.create_connection((LOOPBACK, fronts[name].works.port), timeout=20) as connection:
        connection.sendall(request("/x", tokens.good.text, *upgrade))
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")
    seen = send_bytes(
        fronts[name].works.port, request("/x", "svt_AAAAAAAAAAAA_" + "a" * 49, *upgrade, "Connection: close")
    )
    assert seen is None or seen.status in {400, 401}


VARIANTS: Final = {
    "as documented": (),
    "without Content-Length": ('proxy_set_header Content-Length "";',),
    "without both": ('proxy_set_header Content-Length "";', "proxy_pass_request_body off;"),
}


@pytest.mark.parametrize("removed", VARIANTS.values(), ids=VARIANTS)
def test_bodies_that_nginx_announces_and_keeps_cause_no_confusion(
    world: World, running: RunningValidator, tokens: Tokens, tmp_path: Path, removed: tuple[str, ...]
) -> None:
    """Every upload gets its own answer, and nothing in a later request is taken for a body or for a request."""
    client = next(client for client in CLIENTS if client.name == "nginx")
    with Backend() as service:
        ports = running.ports
        addresses = {
            SERVICE: service.port,
            FORWARD_AUTH: ports.forward_auth,
            FORWARD_AUTH_2: ports.forward_auth,
            EXT_AUTHZ: ports.ext_authz,
            EXT_AUTHZ_GRPC: ports.ext_authz_grpc,
        }
        proxy = client.start(tmp_path, addresses, without=removed)
        try:
            good = (("Authorization", f"Bearer {tokens.good.text}"),)
            world.until(lambda: _answers(proxy.port), "nginx to answer", timeout=30)
            for size in (1, 77, 143, 5000) * 5:
                assert str(send(proxy.port, "/x", good, method="POST", body=bytes(size))) == "200, passed"
                assert str(send(proxy.port, "/x", good)) == "200, passed"
            # What begins like a request of the proxy, in a header that the proxy passes on to the validator.
            hidden = f"GET /validate HTTP/1.1 Host: x Authorization: Bearer {tokens.deployer.text}"
            for size in (*range(60, 400, 20), 143):
                send(proxy.port, "/x", good, method="POST", body=bytes(size))
                seen = send(proxy.port, "/deploy/x", (*good, ("A-First", hidden), ("Z-Last", hidden)))
                assert (seen.status, seen.reached) == (403, None)
        finally:
            proxy.process.kill()


def _answers(port: int) -> bool:
    try:
        return send(port, "/").status == 401
    except OSError:
        return False
