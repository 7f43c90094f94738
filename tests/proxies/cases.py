"""What clients do: well-meant requests, and those of somebody who knows us."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxies.observing import Header

if TYPE_CHECKING:
    from proxies.clients import Client
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
    """One request, and what may come of it.

    Attributes:
        title: for the matrix.
        headers: gives the client's headers.
        allowed: whether it should reach the service.
        refusals: the statuses that a client may see when it does not.
        roles: what the service must learn of the roles.
        by_route: whether it is about a role that a route requires.
    """

    title: str
    headers: "Callable[[Tokens], Sequence[Header]]"
    allowed: bool = False
    target: str = "/"
    method: str = "GET"
    size: int = 0
    refusals: frozenset[int] = frozenset({401})
    roles: str = "member"
    validator: str = "works"
    by_route: bool = False

    def passes(self, client: "Client") -> bool:
        """Say whether it should reach the service behind *client*."""
        return self.allowed or (self.by_route and not client.requires_by_route)


def _nobody(_tokens: "Tokens") -> Sequence[Header]:
    return ()


def _good(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.good.text),)


def _reader(tokens: "Tokens") -> Sequence[Header]:
    return (bearer(tokens.reader.text),)


_FORBIDDEN: Final = frozenset({403})
# nginx refuses two such headers by itself; behind the others it is our 400, or our 401 where they join them.
_TWICE: Final = frozenset({400, 401})
# A path that names a parent is answered by some proxies themselves.
_ODD: Final = frozenset({400, 401, 404})
_BROKEN: Final = frozenset({403, 500, 502, 503})

CASES: Final = (
    Case("good token", _good, allowed=True),
    Case("unknown token", lambda _tokens: (bearer(UNKNOWN),)),
    Case("revoked token", lambda tokens: (bearer(tokens.revoked.text),)),
    Case("no token", _nobody),
    Case("another scheme", lambda _tokens: (("Authorization", "Basic eDp4"),)),
    Case(
        "role required by the route and missing",
        _good,
        target="/deploy/x",
        refusals=_FORBIDDEN,
        by_route=True,
    ),
    Case("forged identity headers, good token", lambda tokens: (*_good(tokens), *FORGED), allowed=True),
    Case("forged identity headers, no token", lambda _tokens: FORGED),
    Case("aliases with _, good token", lambda tokens: (*_good(tokens), *ALIASED), allowed=True),
    Case("aliases with _, no token", lambda _tokens: ALIASED),
    Case("two tokens: good, unknown", lambda tokens: (*_good(tokens), bearer(UNKNOWN)), refusals=_TWICE),
    Case("two tokens: unknown, good", lambda tokens: (bearer(UNKNOWN), *_good(tokens)), refusals=_TWICE),
    Case("/healthz, no token", _nobody, target="/healthz"),
    Case("/metrics, no token", _nobody, target="/metrics"),
    Case("/validate, no token", _nobody, target="/validate"),
    Case("//, no token", _nobody, target="//", refusals=_ODD),
    Case("/a/../b, no token", _nobody, target="/a/../b", refusals=_ODD),
    Case("/a%2fb, no token", _nobody, target="/a%2fb", refusals=_ODD),
    Case("?access_token=, no header", _nobody, target="/?access_token=x&token=y"),
    Case(
        "rule allows GET /orders/1", _reader, allowed=True, target="/orders/1?page=2", roles="orders-reader"
    ),
    Case("rule refuses POST /orders/1", _reader, target="/orders/1", method="POST", refusals=_FORBIDDEN),
    Case("rule refuses /users", _reader, target="/users", refusals=_FORBIDDEN),
    Case(
        "rule refuses /orders/..%2fusers",
        _reader,
        target="/orders/..%2fusers",
        refusals=frozenset({400, 403, 404}),
    ),
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
        refusals=frozenset({400, 403, 500}),
    ),
    Case("upload of 1 MiB, good token", _good, allowed=True, method="POST", size=1 << 20),
    Case("upload of 1 MiB, no token", _nobody, method="POST", size=1 << 20),
    Case("validator not ready, good token", _good, validator="not ready", refusals=_BROKEN),
    Case("validator down, good token", _good, validator="down", refusals=_BROKEN),
)
