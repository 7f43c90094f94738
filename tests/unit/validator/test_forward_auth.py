"""Forward-auth: the two forms of a yes, and what happens to those who fail too often."""

import json

import pytest

from common.builders.presenting import Surroundings
from common.drivers.asking import PEER, ask, make_authorizer
from servicetokens.validator.failures import BURST
from servicetokens.validator.forward_auth import ForwardAuth

WRONG = ("Authorization", "Bearer svt_AAAAAAAAAAAA_" + "a" * 49)


@pytest.fixture
def around() -> Surroundings:
    """A token with one role."""
    found = Surroundings()
    found.put_role("orders-reader", permissions=["orders:read"])
    found.put_account(roles=["orders-reader"])
    return found


@pytest.fixture
def handler(around: Surroundings) -> ForwardAuth:
    """The handler, not behind another proxy."""
    return ForwardAuth(make_authorizer(around), behind_proxies=False)


def bearer(around: Surroundings) -> tuple[str, str]:
    """Return the header that presents the token."""
    return ("Authorization", f"Bearer {around.token.reveal()}")


def test_a_body_is_sent_only_when_json_is_requested(handler: ForwardAuth, around: Surroundings) -> None:
    """Also when the same token is presented in turn by those who want it and those who do not."""
    for _ in range(2):
        for accept in ((), (("Accept", "*/*"),), (("Accept", "text/html, */*;q=0.1"),)):
            assert ask(handler, bearer(around), *accept).body == b""
        reply = ask(handler, bearer(around), ("Accept", "text/plain, application/json;q=0.9"))
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["X-ServiceToken-Roles"] == "orders-reader"
        said = json.loads(reply.body)
        assert said["sub"] == "servicetoken:team-a:ci"
        assert said["extra"] == {
            "account": "ci",
            "namespace": "team-a",
            "roles": ["orders-reader"],
            "permissions": ["orders:read"],
            "id": around.token.id,
            "expires": int(reply.headers["X-ServiceToken-Expires"]),
        }


def test_a_token_without_roles_passes_no_request(handler: ForwardAuth, around: Surroundings) -> None:
    """An account that loses its last role gets less, never more; and it is no failure to authenticate."""
    assert ask(handler, bearer(around)).status == 200
    around.put_account()
    for _ in range(BURST + 1):
        reply = ask(handler, bearer(around), ("X-Forwarded-Method", "DELETE"), ("X-Forwarded-Uri", "/admin"))
        assert reply.status == 403
        assert reply.headers["WWW-Authenticate"].endswith(', error="insufficient_scope"')


def test_a_client_that_fails_too_often_is_throttled_and_valid_tokens_pass(
    handler: ForwardAuth, around: Surroundings
) -> None:
    """A flood from one address takes nothing from valid tokens, not even from that address."""
    answers = [ask(handler, WRONG).status for _ in range(BURST + 50)]
    assert answers == [401] * BURST + [429] * 50
    limited = ask(handler, ("Authorization", "Bearer  x"))
    assert (limited.status, limited.headers["Retry-After"]) == (429, "1")
    assert "WWW-Authenticate" not in limited.headers
    assert ask(handler, bearer(around)).status == 200
    assert ask(handler, WRONG, peer="192.0.2.8").status == 401
    assert ask(handler).status == 401, f"no token is no failure of {PEER}"


def test_a_valid_token_without_permission_is_not_a_failure(
    handler: ForwardAuth, around: Surroundings
) -> None:
    """However often it asks for a role that it does not have."""
    for _ in range(BURST + 10):
        assert ask(handler, bearer(around), target="/validate/role/other").status == 403
