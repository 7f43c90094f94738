"""Targets that servers read in different ways, sent as they are to every proxy with the configuration of its page."""

from typing import Final

import pytest

from common.builders.paths import understand
from proxies.clients import CLIENTS
from proxies.conftest import Front, Tokens
from proxies.observing import Seen, send_bytes

NAMES: Final = [client.name for client in CLIENTS]
# RFC 3986 section 2 without `#`; what else may be in a target is rejected by the files themselves.
URI: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]@!$&'()*+,;=%"
)
# These end the target, or the line that it is in.
FRAMING: Final = frozenset(b"\0\t\n\r ")
# The client has these rejected with 500 where nginx has no other status for the validator's 400.
REFUSED: Final = frozenset({400, 403, 404, 500})

# Each is /deploy/… to one server and something else to another.
DETOURS: Final = (
    *(b"/x#/../deploy/go", b"/x/../deploy/go", b"/x/..%2fdeploy/go", b"/x/%2e%2e/deploy/go", b"//deploy/go"),
    *(
        b"/./deploy/go",
        b"/%64eploy/go",
        b"/deploy%2fgo",
        b"/\\deploy/go",
        b"/x\\..\\deploy/go",
        b"/x/..\\deploy/go",
    ),
    *(b"/deploy;a/go", b"/;a/deploy/go", b"/x/..;/deploy/go", b"/%2fdeploy/go", b"/x%00/../deploy/go"),
    *(
        b"/%252e%252e/deploy/go",
        b"/deploy/./go",
        b"/x/%2e%2e%2fdeploy%2fgo",
        b"/x%23/../deploy/go",
        b"/deplo%79/go",
    ),
    *(b"http://example.com/deploy/go", b"http://example.com/x/../deploy/go", b"/x/.%2e/deploy/go"),
    # Encoded twice, the digits as well or alone; and dots and slashes in more bytes than they need.
    *(
        b"/x/%25%32%65%25%32%65/deploy/go",
        b"/x/%25%32e%25%32E/deploy/go",
        b"/x/%252%65%252%65/deploy/go",
        b"/x/%%32%65%%32%65/deploy/go",
    ),
    *(
        b"/x/%c0%ae%c0%ae/deploy/go",
        b"/x/%C0%2e%C0%2e/deploy/go",
        b"/x%c0%af..%c1%9cdeploy/go",
        b"/x/%e0%80%ae%E0%80%AE/deploy/go",
        b"/x/%f0%80%80%ae%F0%80%80%AE/deploy/go",
    ),
)


def ask(front: Front, target: bytes, token: str, method: bytes = b"GET") -> Seen | None:
    """Send a request whose target is *target*."""
    head = (
        method
        + b" "
        + target
        + b" HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nAuthorization: Bearer "
    )
    return send_bytes(front.works.port, head + token.encode() + b"\r\n\r\n")


@pytest.mark.parametrize("name", NAMES)
def test_no_detour_leads_to_a_route_that_requires_a_role(
    name: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """A token without the role reaches nothing that any server takes for a path of that route."""
    front = fronts[name]
    plain = ask(front, b"/x/y?z=/deploy/", tokens.good.text)
    assert plain is not None
    assert plain.reached is not None, "a plain path passes"
    reached = {}
    for target in DETOURS:
        seen = ask(front, target, tokens.good.text)
        if seen is not None and seen.reached is not None:
            understood = _understood(name, seen.reached["path"])
            if len(understood) > 1 or any(path.startswith(b"/deploy/") for path in understood):
                reached[target] = understood
    assert reached == {}


def _understood(name: str, path: str) -> set[bytes]:
    found = understand(path.encode("latin-1"))
    if name == "ingress-nginx":
        # No annotation rejects what is encoded twice or overlong, as its page says.
        del found["one that decodes twice"], found["one that reads overlong UTF-8"]
    return set(found.values())


@pytest.mark.parametrize("name", NAMES)
def test_no_detour_leads_past_the_rules_of_a_role(
    name: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """A token that may read orders reaches nothing else."""
    reached = {}
    for detour in DETOURS:
        target = detour.replace(b"/x", b"/orders/x").replace(b"deploy", b"users")
        seen = ask(fronts[name], target, tokens.reader.text)
        if seen is not None and seen.reached is not None:
            reached[target] = seen.reached["path"]
    assert reached == {}


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_a_uri_must_not_contain_do_not_pass(
    name: str, fronts: dict[str, Front], tokens: Tokens
) -> None:
    """Each byte, in the path and in the query, with a token that may do anything: the answer is 400."""
    wrong = {}
    for byte in sorted(set(range(256)) - URI - FRAMING):
        for target in (b"/x%cy" % byte, b"/x?a=%cy" % byte):
            seen = ask(fronts[name], target, tokens.good.text)
            if seen is not None and (seen.reached is not None or seen.status not in {400, 500}):
                wrong[target] = str(seen)
    assert wrong == {}


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_a_uri_may_contain_pass(name: str, fronts: dict[str, Front], tokens: Tokens) -> None:
    """In a query all of them; in a path all that do not end or split it."""
    odd = {}
    for byte in sorted(URI):
        targets = [b"/x?a=%cy" % byte] + ([b"/x%cy" % byte] if byte not in b"%/?" else [])
        for target in targets:
            seen = ask(fronts[name], target, tokens.good.text)
            if seen is None or seen.reached is None:
                odd[target] = str(seen)
    assert odd == {}
