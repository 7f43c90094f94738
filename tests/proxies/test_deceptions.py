"""Requests by which a service could receive something else than the validator: by headers, hosts and protocols."""

import socket
from typing import Final

import pytest

from controlplane.ports import LOOPBACK
from controlplane.waiting import patient
from proxies.backend import TUNNEL
from proxies.cases import ORDERS
from proxies.clients import CLIENTS
from proxies.conftest import Front, Tokens
from proxies.observing import Seen, send_bytes

NAMES: Final = [client.name for client in CLIENTS]
USERS: Final = "users.example.com"
# What RFC 9110 section 5.6.2 allows in a name in addition to letters and digits. Some servers take each for `_`.
PUNCTUATION: Final = "!#$%&'*+.^_`|~"
# From which some services take the path or the method, instead of from the request.
OVERRIDING: Final = (
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
)
SETTINGS: Final = "HTTP2-Settings: AAMAAABkAAQAAP__"


def request(line: str, token: str, *headers: str) -> bytes:
    """Return a request with this line and these headers."""
    return "\r\n".join((line, f"Authorization: Bearer {token}", *headers, "", "")).encode("latin-1")


def ask(front: Front, line: str, token: str, *headers: str) -> Seen:
    """Send it; there is always an answer."""
    seen = send_bytes(front.works.port, request(line, token, *headers, "Connection: close"))
    assert seen is not None
    return seen


@pytest.mark.parametrize("sign", PUNCTUATION)
@pytest.mark.parametrize("name", NAMES)
def test_no_other_spelling_of_an_identity_header_reaches_the_service(
    name: str, sign: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """One that a service may take for ours, whatever stands where a dash belongs."""
    forged = [f"X{first}ServiceToken{second}Roles: admin" for first in ("-", sign) for second in ("-", sign)]
    seen = ask(fronts[name], "GET /x HTTP/1.1", tokens.good.text, "Host: example.com", *forged)
    assert seen.reached is not None
    assert seen.spoofed == []
    assert seen.values("x-servicetoken-roles") == ["member"]


@pytest.mark.parametrize("header", OVERRIDING)
@pytest.mark.parametrize("name", NAMES)
def test_no_header_that_replaces_path_or_method_reaches_the_service(
    name: str, header: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """A role that allows some requests allows no other one that is written into a header."""
    for value in ("/users/1", "DELETE"):
        seen = ask(
            fronts[name], "GET /orders/1 HTTP/1.1", tokens.reader.text, "Host: a", f"{header}: {value}"
        )
        if seen.reached is None:
            assert (seen.status, header) in {(400, "X-Original-URL"), (500, "X-Original-URL")}
        else:
            assert seen.values(header) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_host_that_is_checked_is_the_one_that_the_proxy_chooses_the_service_by(
    name: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """A request may name two: one in its line, which counts for proxies, and another one in `Host`."""
    for token in (tokens.narrow, tokens.for_orders):
        seen = ask(fronts[name], f"GET http://{USERS}/orders/1 HTTP/1.1", token.text, f"Host: {ORDERS}")
        assert seen.reached is None
        seen = ask(fronts[name], f"GET http://{ORDERS}/orders/1 HTTP/1.1", token.text, f"Host: {USERS}")
        assert seen.reached is None or seen.values("host") != [USERS]
        seen = ask(fronts[name], "GET /orders/1 HTTP/1.1", token.text, f"Host: {ORDERS}")
        assert seen.reached is not None


@pytest.mark.parametrize(
    "offered",
    [
        ("Upgrade: h2c",),
        ("Upgrade: H2C",),
        ("Upgrade: h2c, websocket",),
        ("Upgrade: websocket, h2c",),
        ("Upgrade: h2c", "Upgrade: websocket"),
        ("Upgrade: other",),
        ("Upgrade: other", "Upgrade: websocket"),
        ("Upgrade: websocket, other",),
    ],
    ids=" + ".join,
)
@pytest.mark.parametrize("name", NAMES)
def test_no_connection_changes_to_anything_but_websocket(
    name: str, offered: tuple[str, ...], fronts: dict[str, Front], tokens: Tokens
) -> None:
    """On a connection that speaks HTTP/2 with the service, further requests would not be checked."""
    protocol, rest = _change(fronts[name], tokens.reader.text, *offered)
    if name == "ingress-nginx" and "h2c" not in offered[0].lower():
        # No annotation looks at the header, as its page says.
        return
    assert protocol in {"", "websocket"}
    assert (TUNNEL in rest) is (protocol == "websocket")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "nginx"])
def test_a_connection_changes_to_websocket(name: str, fronts: dict[str, Front], tokens: Tokens) -> None:
    """With a valid token the service and the client talk through the proxy; the file for nginx does not allow it."""
    protocol, rest = _change(fronts[name], tokens.reader.text, "Upgrade: websocket")
    assert protocol == "websocket"
    assert TUNNEL in rest


def _change(front: Front, token: str, *offered: str) -> tuple[str, bytes]:
    """Ask for another protocol; return the one that was agreed on, if any, and what comes after it."""
    asked = request(
        "GET /orders/1 HTTP/1.1",
        token,
        "Host: example.com",
        "Connection: Upgrade, HTTP2-Settings",
        SETTINGS,
        *offered,
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    with socket.create_connection((LOOPBACK, front.works.port), timeout=patient(20)) as connection:
        connection.sendall(asked)
        found = b""
        while b"\r\n\r\n" not in found and (part := connection.recv(65536)):
            found += part
        head, _, rest = found.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            return "", rest
        connection.sendall(b"hidden")
        rest += connection.recv(65536)
    lines = head.decode("latin-1").lower().splitlines()
    return next(line.removeprefix("upgrade: ") for line in lines if line.startswith("upgrade: ")), rest
