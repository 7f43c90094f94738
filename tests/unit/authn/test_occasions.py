"""Restrictions: audiences, client networks, required roles, HTTP rules; and what is kept of the answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.builders.presenting import Surroundings
from servicetokens.authn.addresses import Origin, parse_address, parse_network
from servicetokens.authn.authenticator import common_audiences
from servicetokens.authn.decision import Accepted
from servicetokens.authn.requests import HttpRequest
from servicetokens.kube.watch import Identity

GET = HttpRequest("GET", "orders.example.com", "/orders/17")


@pytest.fixture
def it() -> Surroundings:
    """A valid token."""
    return Surroundings()


def test_a_token_with_audiences_is_accepted_for_these_only(it: Surroundings) -> None:
    """One audience is enough; none is not."""
    it.put_token(audiences=["orders", "https://orders.example.com"])
    it.accepted(audiences=("other", "orders"))
    assert it.reason(audiences=("other",)) == "Audience"
    assert it.reason(audiences=()) == "Audience"
    it.put_role("reader")
    it.put_account(roles=["reader"])
    it.accepted(audiences=None, original=lambda: GET)
    assert it.reason(audiences=None, original=lambda: HttpRequest("GET", "", "/")) == "Audience"
    assert it.reason(audiences=None) == "Audience"


def test_a_token_without_audiences_is_valid_for_every_audience(it: Surroundings) -> None:
    """And the answer names the audiences that match."""
    accepted = it.accepted(audiences=("a", "b"))
    assert common_audiences(accepted, ("a", "b")) == ("a", "b")
    it.put_token(audiences=["b"])
    assert common_audiences(it.accepted(audiences=("b",)), ("a", "b")) == ("b",)


def origin(peer: str, forwarded: str = "") -> Origin:
    """Return where a request comes from."""
    return Origin(parse_address(peer), forwarded)


def test_a_token_bound_to_networks_is_accepted_from_there_only() -> None:
    """By the peer, or by what a trusted proxy says."""
    it = Surroundings(trusted_proxies=(parse_network("10.0.0.0/8"),))
    it.put_token(allowedCIDRs=["192.0.2.0/24", "2001:db8::/32"])
    it.accepted(origin=origin("192.0.2.7"))
    it.accepted(origin=origin("::ffff:192.0.2.7"))
    it.accepted(origin=origin("10.0.0.1", "203.0.113.1, 192.0.2.7, 10.9.9.9"))
    it.accepted(origin=origin("10.0.0.1", "[2001:db8::1]:8080"))
    it.accepted(origin=origin("10.0.0.1", "192.0.2.7:443"))
    assert it.reason(origin=origin("192.0.3.7", "192.0.2.7")) == "ClientAddress"
    assert it.reason(origin=origin("10.0.0.1", "192.0.2.7, 203.0.113.1")) == "ClientAddress"
    for unknown in (
        None,
        Origin(None),
        origin("10.0.0.1"),
        origin("10.0.0.1", "unknown"),
        origin("10.0.0.1", "10.0.0.2"),
    ):
        assert it.reason(origin=unknown) == "NoClientAddress"
    assert it.reason(origin=origin("10.0.0.1", "x" * 1000)) == "NoClientAddress"


def test_effective_roles_are_those_of_token_account_and_catalogue_together(it: Surroundings) -> None:
    """Resolved now: one that is withdrawn is missing at the next request."""
    it.put_role("reader", permissions=["orders:read"])
    it.put_role("writer", permissions=["orders:write", "orders:read"], allowedNamespaces=["team-b"])
    it.put_role("short", maxLifetime="7d")
    it.put_role("long", maxLifetime="30d")
    it.put_account(roles=["reader", "writer", "short", "long", "unknown", "system:masters"])
    accepted = it.accepted()
    assert [role.name for role in accepted.roles] == ["long", "reader"]
    assert accepted.permissions == ("orders:read",)
    it.put_token(roles=["reader", "elsewhere"])
    assert [role.name for role in it.accepted().roles] == ["reader"]
    it.roles.remove(Identity("r-reader", "reader"))
    assert it.accepted().roles == ()
    it.put_token(expiresAfter="never")
    it.put_account(roles=["long"])
    assert it.accepted().roles == ()


def test_a_role_with_a_limit_of_never_is_granted_to_tokens_that_never_expire(it: Surroundings) -> None:
    """And to all others."""
    it.put_role("any", maxLifetime="never")
    it.put_role("long", maxLifetime="100y")
    it.put_account(roles=["any", "long"])
    assert [role.name for role in it.accepted().roles] == ["any", "long"]
    it.put_token(expiresAfter="never")
    assert [role.name for role in it.accepted().roles] == ["any"]


def test_a_role_that_cannot_be_read_grants_nothing(it: Surroundings) -> None:
    """Also one that could be read before."""
    it.put_account(roles=["reader"])
    it.put_role("reader")
    assert len(it.accepted().roles) == 1
    odd: tuple[dict[str, Any], ...] = (
        {"maxLifetime": "long"},
        {"permissions": ["a,b"]},
        {"permissions": ["a\nb"]},
        {"allowedNamespaces": ["*", "team-a"]},
        {"http": [{}]},
        {"http": [{"methods": ["GET"]}, {}]},
    )
    for spec in odd:
        it.put_role("reader", **spec)
        assert it.accepted().roles == (), spec
        assert it.reason(original=lambda: GET) == "RoleMissing", spec
    assert it.roles.unreadable == len(odd)


def test_a_role_that_is_being_deleted_counts_as_deleted(it: Surroundings) -> None:
    """A finalizer of another user must not keep it granted, whether it was there before or not."""
    it.put_account(roles=["reader"])
    it.put_role("reader")
    assert len(it.accepted(original=lambda: GET).roles) == 1
    for _ in range(2):
        it.put_role("reader", deleting=True)
        assert it.accepted().roles == ()
        assert it.reason(original=lambda: GET) == "RoleMissing"
    it.put_role("reader")
    assert len(it.accepted().roles) == 1


def test_required_roles_must_all_be_held(it: Surroundings) -> None:
    """Every one that is named."""
    it.put_account(roles=["reader", "writer"])
    it.put_role("reader")
    it.accepted(required_roles=("reader",))
    assert it.reason(required_roles=("reader", "writer")) == "RoleMissing"


def test_rules_about_requests_let_pass_what_one_role_allows(it: Surroundings) -> None:
    """Only the roles that allow it are reported to the service; an unknown request is allowed by none of them."""
    it.put_account(roles=["reader", "writer"])
    it.put_role("reader", http=[{"methods": ["GET"], "paths": ["/orders/*"]}])
    it.put_role("writer", http=[{"methods": ["POST", "GET"], "hosts": ["orders.example.com"]}])
    assert [role.name for role in it.accepted(original=lambda: GET).roles] == ["reader", "writer"]
    post = HttpRequest("POST", "orders.example.com", "/orders")
    first = it.accepted(original=lambda: post)
    assert [role.name for role in first.roles] == ["writer"]
    assert it.accepted(original=lambda: post) is first
    assert it.reason(original=lambda: HttpRequest("DELETE", "", "/")) == "RequestNotAllowed"
    assert it.reason(original=lambda: None) == "RequestNotAllowed"
    assert len(it.accepted().roles) == 2
    assert it.reason(original=lambda: post, required_roles=("reader",)) == "RoleMissing"


def test_one_role_without_rules_allows_every_request(it: Surroundings) -> None:
    """Then it is the one that counts."""
    it.put_account(roles=["reader", "all"])
    it.put_role("reader", http=[{"methods": ["GET"]}])
    it.put_role("all")
    delete = HttpRequest("DELETE", "", "/")
    assert [role.name for role in it.accepted(original=lambda: delete).roles] == ["all"]
    assert [role.name for role in it.accepted(original=lambda: None).roles] == ["all"]


def _without_roles(it: Surroundings) -> Iterator[str]:
    """Take every role away from the token, in each of the ways in which it can lose them."""
    it.put_role("reader", http=[{"paths": ["/**"]}])
    it.put_account(roles=["reader"])
    assert [role.name for role in it.accepted(original=lambda: GET).roles] == ["reader"]
    it.put_account()
    yield "the account has none"
    it.put_account(roles=["reader"])
    it.put_token(roles=["other"])
    yield "the token has none of its account's"
    it.put_token(roles=[])
    yield "the token's list is empty"
    it.put_token()
    it.put_role("reader", allowedNamespaces=["team-b"])
    yield "the role is for another namespace"
    it.put_role("reader", maxLifetime="1d")
    yield "the token lives too long for the role"
    it.put_role("reader", maxLifetime="soon")
    yield "the role cannot be read"
    it.put_role("reader")
    it.roles.remove(Identity("r-reader", "reader"))
    yield "the role does not exist"


def test_a_token_without_an_effective_role_passes_no_request(it: Surroundings) -> None:
    """Whatever the reason is that it has none; TokenReview and introspection, which check no request, accept it."""
    for why in _without_roles(it):
        for original in (lambda: GET, lambda: None):
            assert it.reason(original=original) == "RoleMissing", why
        assert it.authenticator.recognize(it.token.reveal().encode()) is None, why
        assert it.accepted().roles == (), why
        assert it.accepted().permissions == (), why


def test_tokens_without_roles_pass_where_configured() -> None:
    """With `allow_without_roles` a token that asks for no role passes; one that lost the roles it asks for does not."""
    it = Surroundings(allow_without_roles=True)
    it.accepted(original=lambda: GET)
    assert it.authenticator.recognize(it.token.reveal().encode()) is not None
    found = {why: isinstance(it.present(original=lambda: GET), Accepted) for why in _without_roles(it)}
    assert [why for why, passes in found.items() if passes] == ["the account has none"]


def test_kept_decisions_are_bounded(it: Surroundings) -> None:
    """The narrowed ones of each token, by the subsets of its roles."""
    names = [f"r{number}" for number in range(12)]
    it.put_account(roles=names)
    for name in names:
        it.put_role(name, http=[{"paths": [f"/{name}"]}])
    first, again = (
        [it.accepted(original=lambda name=name: HttpRequest("GET", "", f"/{name}")) for name in names]
        for _ in range(2)
    )
    assert [[role.name for role in accepted.roles] for accepted in again] == [[name] for name in names]
    assert [one is other for one, other in zip(first, again, strict=True)] == [True] * 8 + [False] * 4


def test_the_oldest_kept_decision_goes_when_there_are_too_many(
    it: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else changes."""
    monkeypatch.setattr("servicetokens.authn.decision_cache._MOST_KEPT", 1)
    other = it.mint()
    it.put_token(uid="u-2", name="other", credentials=[it.credential(other, uid="u-2")])
    first = it.accepted()
    it.accepted(other)
    assert it.accepted() is not first
