"""What clients do: well-meant requests, and those of a user who knows us."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from controlplane.ports import LOOPBACK
from proxies.observing import Header

if TYPE_CHECKING:
    from proxies.conftest import Tokens

UNKNOWN: Final = "svt_AAAAAAAAAAAA_" + "a" * 49
FORGED: Final = (
    ("X-ServiceToken-Roles", "admin"),
    ("X-ServiceToken-Account", "root"),
    ("X-ServiceToken-Permissions", "everything"),
)
ALIASED: Final = (("X_ServiceToken_Roles", "admin"), ("X-ServiceToken_Account", "root"))


def bearer(text: str) -> Header:
    """Return the header that presents a token."""
    return ("Authorization", f"Bearer {text}")


@dataclass(frozen=True)
class Case:
    """One request, and its expected results.

    Attributes:
        title: for the matrix.
        headers: gives the client's headers.
        allowed: whether it should reach the service.
        rejections: the statuses that a client may see when it does not.
        roles: what the service must learn of the roles.
        host: the client's `Host`; the address of the proxy when left out.
        source: the client's own address.
    """

    title: str
    headers: "Callable[[Tokens], Sequence[Header]]"
    allowed: bool = False
    target: str = "/"
    method: str = "GET"
    size: int = 0
    rejections: frozenset[int] = frozenset({401})
    roles: str = "member"
    validator: str = "works"
    host: str = ""
    source: str = LOOPBACK


def _nobody(_tokens: "Tokens") -> Sequence[Header]:
    return ()


def _good(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.good.text),)


def _reader(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.reader.text),)


def _deployer(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.deployer.text),)


def _narrow(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.narrow.text),)


def _for_orders(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.for_orders.text),)


def _from_office(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.from_office.text),)


ORDERS: Final = "orders.example.com"
# Linux takes all of 127.0.0.0/8 for itself.
OFFICE: Final = "127.0.0.2"
HOME: Final = "127.0.0.3"

_FORBIDDEN: Final = frozenset({403})
# nginx rejects two such headers on its own; behind the others it is our 400, or our 401 where they join them.
_TWICE: Final = frozenset({400, 401})
# A path that names a parent is answered by some proxies themselves.
_ODD: Final = frozenset({400, 401, 404})
# nginx can only make a 500 of the validator's 400; the file for nginx rejects such a target before it asks.
_MALFORMED: Final = frozenset({400, 500})
_BROKEN: Final = frozenset({403, 500, 502, 503})

CASES: Final = (
    Case("valid token", _good, allowed=True),
    Case("unknown token", lambda _tokens: (bearer(UNKNOWN),)),
    Case("revoked token", lambda tokens: (bearer(tokens.revoked.text),)),
    Case("no token", _nobody),
    Case("another scheme", lambda _tokens: (("Authorization", "Basic eDp4"),)),
    Case(
        "role required by the route and missing",
        _good,
        target="/deploy/x",
        rejections=_FORBIDDEN,
    ),
    Case(
        "role required by the route and held", _deployer, allowed=True, target="/deploy/x", roles="deployer"
    ),
    Case("forged identity headers, valid token", lambda tokens: (*_good(tokens), *FORGED), allowed=True),
    Case("forged identity headers, no token", lambda _tokens: FORGED),
    Case("identity headers with _, valid token", lambda tokens: (*_good(tokens), *ALIASED), allowed=True),
    Case("identity headers with _, no token", lambda _tokens: ALIASED),
    Case("two tokens: valid, unknown", lambda tokens: (*_good(tokens), bearer(UNKNOWN)), rejections=_TWICE),
    Case("two tokens: unknown, valid", lambda tokens: (bearer(UNKNOWN), *_good(tokens)), rejections=_TWICE),
    Case("/healthz, no token", _nobody, target="/healthz"),
    Case("/metrics, no token", _nobody, target="/metrics"),
    Case("/validate, no token", _nobody, target="/validate"),
    Case("//, no token", _nobody, target="//", rejections=_ODD),
    Case("/a/../b, no token", _nobody, target="/a/../b", rejections=_ODD),
    Case("/a%2fb, no token", _nobody, target="/a%2fb", rejections=_ODD),
    Case("?access_token=, no header", _nobody, target="/?access_token=x&token=y"),
    Case(
        "rule allows GET /orders/1", _reader, allowed=True, target="/orders/1?page=2", roles="orders-reader"
    ),
    Case("rule rejects POST /orders/1", _reader, target="/orders/1", method="POST", rejections=_FORBIDDEN),
    Case("rule rejects /users", _reader, target="/users", rejections=_FORBIDDEN),
    Case(
        "rule rejects /orders/..%2fusers",
        _reader,
        target="/orders/..%2fusers",
        rejections=frozenset({400, 403, 404}),
    ),
    Case(
        "host, method and path that a rule allows",
        _narrow,
        allowed=True,
        host=ORDERS,
        target="/orders/1",
        roles="narrow",
    ),
    Case(
        "the same, host in upper case and with a port",
        _narrow,
        allowed=True,
        host="Orders.Example.com:8443",
        target="/orders/1",
        roles="narrow",
    ),
    Case("another host", _narrow, host="users.example.com", target="/orders/1", rejections=_FORBIDDEN),
    Case("another method", _narrow, host=ORDERS, method="DELETE", target="/orders/1", rejections=_FORBIDDEN),
    Case("another path", _narrow, host=ORDERS, target="/users/1", rejections=_FORBIDDEN),
    Case(
        "another host, and headers that say otherwise",
        lambda tokens: (
            *_narrow(tokens),
            ("X-Forwarded-Host", ORDERS),
            ("X-Original-URL", f"http://{ORDERS}/orders/1"),
        ),
        host="users.example.com",
        target="/orders/1",
        rejections=frozenset({400, 403, 500}),
    ),
    Case("an audience that is the host", _for_orders, allowed=True, host=ORDERS),
    Case("an audience that is another host", _for_orders, host="users.example.com"),
    Case("a network that contains the client", _from_office, allowed=True, source=OFFICE),
    Case("a network that does not contain the client", _from_office, source=HOME),
    Case(
        "the same, and a header that says otherwise",
        lambda tokens: (*_from_office(tokens), ("X-Forwarded-For", OFFICE)),
        source=HOME,
    ),
    Case(
        "a fragment in the path",
        _reader,
        target="/orders/1#/../../users",
        rejections=_MALFORMED,
    ),
    Case("a backslash in the path", _reader, target="/orders/1\\..\\users", rejections=_MALFORMED),
    Case(
        "headers of another proxy that contradict",
        lambda tokens: (
            *_reader(tokens),
            ("X-Forwarded-Uri", "/orders/1"),
            ("X-Original-URI", "/orders/1"),
            ("X-Original-Method", "GET"),
            ("X-Original-URL", "http://x/orders/1"),
        ),
        target="/users",
        rejections=frozenset({400, 403, 500}),
    ),
    Case("upload of 1 MiB, valid token", _good, allowed=True, method="POST", size=1 << 20),
    Case("upload of 1 MiB, no token", _nobody, method="POST", size=1 << 20),
    Case("validator not ready, valid token", _good, validator="not ready", rejections=_BROKEN),
    Case("validator down, valid token", _good, validator="down", rejections=_BROKEN),
)
