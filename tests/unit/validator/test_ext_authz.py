"""ext_authz over HTTP: every path is a check, and nothing that a client writes makes it easier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.builders.presenting import Surroundings
from common.drivers.asking import ask, make_authorizer
from servicetokens.validator.ext_authz import ExtAuthz
from servicetokens.validator.forward_auth import ForwardAuth

REQUIRED = "X-ServiceToken-Required-Roles"


@pytest.fixture
def around() -> Surroundings:
    """The account has two roles, one of which is for reading orders only; the token has both."""
    found = Surroundings()
    found.put_role("orders-reader", permissions=["orders:read"])
    found.put_role("orders-writer", permissions=["orders:write"])
    found.put_account(roles=["orders-reader", "orders-writer"])
    found.put_token(roles=["orders-reader"])
    return found


@pytest.fixture
def handler(around: Surroundings) -> ExtAuthz:
    """The handler, not behind another proxy."""
    return ExtAuthz(make_authorizer(around), behind_proxies=False)


def bearer(around: Surroundings) -> tuple[str, str]:
    """Return the header that presents the token."""
    return ("Authorization", f"Bearer {around.token.reveal()}")


@pytest.mark.parametrize(
    "target",
    ["/", "/healthz", "/metrics", "//", "/a/../b", "/a%2fb", "/introspect", "/validate", "*", "/livez?x"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "BREW"])
def test_every_path_is_a_check(handler: ExtAuthz, around: Surroundings, target: str, method: str) -> None:
    """Without a token it is 401, with one exactly 200: 204 would be a no to Envoy."""
    refused = ask(handler, ("Host", "x"), target=target, method=method)
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="servicetokens"')
    assert ask(handler, ("Host", "x"), bearer(around), target=target, method=method).status == 200


def test_a_token_without_roles_passes_no_request(handler: ExtAuthz, around: Surroundings) -> None:
    """An account that loses its last role gets less, never more: 403, as for a role that is missing."""
    around.put_account()
    around.put_token()
    reply = ask(handler, ("Host", "x"), bearer(around), target="/", method="DELETE")
    assert reply.status == 403
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="servicetokens", error="insufficient_scope"'


@given(target=st.text(st.characters(max_codepoint=255, exclude_characters=" \r\n\x00"), min_size=1))
def test_no_path_bypasses_the_check(target: str) -> None:
    """Whatever the client asks for, without a token it does not pass."""
    handler = ExtAuthz(make_authorizer(Surroundings()), behind_proxies=False)
    assert ask(handler, ("Host", "x"), target=target).status in {400, 401}


def test_a_yes_overwrites_every_identity_header(handler: ExtAuthz, around: Surroundings) -> None:
    """Also with nothing, since Envoy leaves a client's own where ours is missing; and it removes the aliases."""
    around.put_role("orders-reader")
    headers = ask(handler, bearer(around)).headers
    assert headers["X-ServiceToken-Account"] == "ci"
    assert headers["X-ServiceToken-Namespace"] == "team-a"
    assert headers["X-ServiceToken-Id"] == around.token.id
    assert headers["X-ServiceToken-Roles"] == "orders-reader"
    assert headers["X-ServiceToken-Permissions"] == ""
    assert headers["X-ServiceToken-Expires"].isdigit()
    removed = headers["X-Envoy-Auth-Headers-To-Remove"].split(",")
    assert removed[0] == "authorization"
    assert {"x_servicetoken_roles", "x-servicetoken_roles", "x_servicetoken-roles"} <= set(removed)


@pytest.mark.parametrize(
    ("required", "status"),
    [
        ("orders-reader", 200),
        ("orders-writer", 403),
        ("orders-reader,orders-writer", 403),
        ("orders-reader, orders-reader", 200),
        ("", 400),
        ("Orders", 400),
        ("a,,b", 400),
        (",".join(["r"] * 17), 400),
        ("r" * 5000, 400),
    ],
)
def test_the_proxy_may_require_roles_by_a_header(
    handler: ExtAuthz, around: Surroundings, required: str, status: int
) -> None:
    """All of them; what cannot be read is rejected, never taken for nothing."""
    reply = ask(handler, bearer(around), (REQUIRED, required), target="/")
    assert reply.status == status
    if status == 403:
        assert 'error="insufficient_scope", scope="' in reply.headers["WWW-Authenticate"]


def test_a_client_that_adds_to_the_required_roles_gets_less(handler: ExtAuthz, around: Surroundings) -> None:
    """In whichever order the two arrive."""
    proxys, clients = (REQUIRED, "orders-writer"), (REQUIRED, "orders-reader")
    for headers in ((proxys, clients), (clients, proxys)):
        assert ask(handler, bearer(around), *headers, target="/").status == 403


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/validate/role/orders-reader", 200),
        ("/validate/role/orders-reader/orders/1?x=1", 200),
        ("/validate/role/orders-reader?role=orders-writer", 200),
        ("/validate/role/orders-writer/orders/1", 403),
        ("/validate/role/orders-reader,orders-writer/", 403),
        ("/validate/role/orders-reader/../../role/orders-writer", 200),
        ("/validate/role/ORDERS/1", 200),
    ],
)
def test_a_prefix_may_require_roles_too(
    handler: ExtAuthz, around: Surroundings, target: str, status: int
) -> None:
    """The first segment after our prefix counts, compared raw; anything else is a path like all others."""
    assert ask(handler, ("Host", "x"), bearer(around), target=target).status == status


def test_the_rules_of_a_role_see_the_request_itself(handler: ExtAuthz, around: Surroundings) -> None:
    """Method, host and raw path. Behind a prefix the beginning of the client's path is unknown, so they reject."""
    rule = {"hosts": ["orders.example.com"], "methods": ["GET"], "paths": ["/orders/*"]}
    around.put_role("orders-reader", http=[rule])
    host = ("Host", "Orders.example.com:8443")
    assert ask(handler, host, bearer(around), target="/orders/1?x").status == 200
    assert ask(handler, host, bearer(around), target="/orders/1", method="POST").status == 403
    assert ask(handler, host, bearer(around), target="/users/1").status == 403
    assert ask(handler, host, bearer(around), target="/orders/..%2fusers").status == 403
    assert ask(handler, ("Host", "other"), bearer(around), target="/orders/1").status == 403
    assert ask(handler, host, bearer(around), target="/validate/role/orders-reader/orders/1").status == 403


def test_several_tokens_are_rejected(handler: ExtAuthz, around: Surroundings) -> None:
    """Two headers by 400, and the one that Envoy makes of them by 401, in both orders."""
    bad = ("Authorization", "Bearer bad")
    for pair in ((bearer(around), bad), (bad, bearer(around))):
        assert ask(handler, *pair, target="/").status == 400
        joined = ",".join(value for _, value in pair)
        assert ask(handler, ("Authorization", joined), target="/").status == 401


def test_the_answer_of_one_listener_is_never_given_by_another(around: Surroundings) -> None:
    """Both keep theirs with the same decision."""
    authorizer = make_authorizer(around)
    authz, forward = ExtAuthz(authorizer, behind_proxies=False), ForwardAuth(authorizer, behind_proxies=False)
    for _ in range(2):
        assert "X-Envoy-Auth-Headers-To-Remove" in ask(authz, bearer(around)).headers
        assert "X-Envoy-Auth-Headers-To-Remove" not in ask(forward, bearer(around)).headers
