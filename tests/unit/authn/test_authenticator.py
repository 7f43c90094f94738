"""Every check, in its order, and that nothing is accepted a moment longer than the objects say."""

import pytest

from common.presenting import DAY, RING, STALENESS, Surroundings
from servicetokens.api.values import format_time
from servicetokens.authn.addresses import Origin, parse_address, parse_network
from servicetokens.authn.authenticator import common_audiences
from servicetokens.authn.decision import Accepted, Presented, Unavailable
from servicetokens.authn.requests import HttpRequest
from servicetokens.kube.watch import Identity
from servicetokens.tokens.verifier import KeyRing

GET = HttpRequest("GET", "orders.example.com", "/orders/17")


@pytest.fixture
def it() -> Surroundings:
    """A good token."""
    return Surroundings()


def test_a_good_token_is_accepted_again_and_again(it: Surroundings) -> None:
    """The second decision is the kept one."""
    first = it.accepted()
    assert (first.record.name, first.record.account.name, first.token_id) == ("ci-prod", "ci", it.token.id)
    assert it.accepted() is first


def test_what_was_presented_is_not_shown() -> None:
    """Not even its id, which may be a piece of somebody else's secret."""
    assert "svt_" not in repr(Presented("svt_0123456789AB_secret"))


@pytest.mark.parametrize("text", ["", "x", "svt_", "é" * 66, "svt_0123456789AB-" + "a" * 49, "\udc80" * 66])
def test_what_has_not_the_shape_is_malformed(it: Surroundings, text: str) -> None:
    """And costs no hash."""
    assert it.reason(text) == "Malformed"


def test_an_unknown_token_and_one_with_another_secret_are_told_apart_in_the_log_only(
    it: Surroundings,
) -> None:
    """The same id with another secret part; an id that nobody claims."""
    assert it.reason(it.mint()) == "Unknown"
    text = it.token.reveal()
    assert it.reason(text[:-7] + ("a" if text[-7] != "a" else "b") + text[-6:]) == "WrongSecret"
    it.accepted()
    assert it.reason(text[:-1] + ("a" if text[-1] != "a" else "b")) == "WrongSecret"


def test_a_planted_or_copied_verifier_never_fits(it: Surroundings) -> None:
    """It is bound to the object's uid; and the copy does not get in the way of the original."""
    copied = it.credential(it.token)
    it.put_token(uid="u-2", name="copy", credentials=[copied])
    it.accepted()
    it.remove_token()
    assert it.reason() == "WrongSecret"
    for value, reason in (
        ("ab" * 32, "WrongSecret"),
        ("AB" * 32, "UnknownKey"),
        ("short", "UnknownKey"),
        ("", "UnknownKey"),
    ):
        planted = it.credential(it.token)
        planted["verifier"] = planted["verifier"] | {"value": value}
        it.put_token(credentials=[planted])
        assert it.reason() == reason


def test_another_algorithm_or_key_is_refused(it: Surroundings) -> None:
    """The latter asks for the keys to be read again, since it may be new."""
    asked = []
    it.index.on_unknown_key = lambda: asked.append(1)
    other = it.credential(it.token)
    other["verifier"] = other["verifier"] | {"algorithm": "MD5"}
    it.put_token(credentials=[other])
    assert it.reason() == "UnknownKey"
    newer = KeyRing({"k2": bytes(32)})
    it.put_token(credentials=[it.credential(it.token, ring=newer)])
    assert it.reason() == "UnknownKey"
    assert asked
    it.index.set_keys(KeyRing({"k1": bytes(range(0x20, 0x40)), "k2": bytes(32)}))
    it.accepted()


def test_other_keys_undo_what_was_decided_with_the_old_ones(it: Surroundings) -> None:
    """A kept decision is good for its keys only."""
    it.accepted()
    it.index.set_keys(KeyRing({"k1": bytes(32)}))
    assert it.reason() == "WrongSecret"


# ------------------------------------------------------------------------------- objects and their states


def test_a_deleted_token_is_refused(it: Surroundings) -> None:
    """While it goes, and when it is gone."""
    it.accepted()
    it.put_token(deleting=True)
    assert it.reason() == "Deleted"
    it.remove_token()
    assert it.reason() == "Unknown"


def test_a_token_lives_and_dies_with_the_very_account_it_was_minted_for(it: Surroundings) -> None:
    """Not with its name."""
    it.accepted()
    it.accounts.remove(Identity("a-1", "ci", "team-a"))
    it.accounts.remove(Identity("a-9", "never-seen", "team-a"))
    assert it.reason() == "AccountNotFound"
    it.put_account(uid="a-2")
    assert it.reason() == "AccountReplaced"
    it.put_account(deleting=True)
    assert it.reason() == "AccountNotFound"
    it.put_account()
    it.accepted()
    it.put_token(account_uid="")
    assert it.reason() == "AccountReplaced"


@pytest.mark.parametrize("state", ["Revoked", "revoked", "Paused"])
def test_a_token_in_any_state_but_active_is_refused(it: Surroundings, state: str) -> None:
    """A word that we do not know is no permission."""
    it.accepted()
    it.put_token(state=state)
    assert it.reason() == "Revoked"
    it.put_token(state="Active")
    it.accepted()


def test_a_suspended_account_refuses_all_of_its_tokens(it: Surroundings) -> None:
    """And takes them back."""
    it.accepted()
    it.put_account(state="Suspended")
    assert it.reason() == "AccountSuspended"
    it.put_account()
    it.accepted()


def test_an_object_that_cannot_be_read_refuses_its_own_tokens_and_nobody_elses(it: Surroundings) -> None:
    """Spec, status, account: each is one object's problem."""
    other = it.mint()
    it.put_token(uid="u-2", name="other", credentials=[it.credential(other, uid="u-2")])
    for spec in (
        {"expiresAfter": "soon"},
        {"expirationTime": "9999-12-31T23:59:59-14:00"},
        {"allowedCIDRs": ["10.0.0.1/8"]},
        {"rotation": {"every": "1d", "overlap": "later"}},
    ):
        it.put_token(**spec)
        assert it.reason() == "Unreadable"
    it.put_token(credentials=[it.credential(it.token, mintTime="yesterday")])
    assert it.reason() == "Unreadable"
    it.put_token()
    it.put_account(tokensNotBeforeTime="tomorrow")
    assert it.reason() == "Unreadable"
    assert it.reason(other) == "Unreadable"
    it.put_account()
    it.accepted(other)
    it.tokens.put_unreadable(Identity("u-1", "ci-prod", "team-a"))
    assert it.reason() == "Unknown"
    it.accounts.put_unreadable(Identity("a-1", "ci", "team-a"))
    assert it.reason(other) == "Unreadable"


def test_a_token_without_a_status_or_an_end_is_no_credential(it: Surroundings) -> None:
    """Nothing minted, nothing accepted; a spec that names no end ended at its mint."""
    it.put_token(credentials=[])
    assert it.reason() == "Unknown"
    it.put_token(expirationTime=None)
    assert it.reason() == "Expired"


# ---------------------------------------------------------------------------------------------- time


def test_a_token_expires_to_the_second(it: Surroundings) -> None:
    """Whether or not an operator has written it down, and however often it was accepted before."""
    it.put_token(expiresAfter="60s")
    it.clock.advance(59)
    assert it.accepted().end == it.clock.now() + 1
    it.clock.advance(1)
    it.confirm()
    assert it.reason() == "Expired"


def test_a_fixed_end_and_no_end(it: Surroundings) -> None:
    """By the clock, and never."""
    it.put_token(expirationTime=format_time(it.clock.now() + 5))
    it.accepted()
    it.clock.advance(5)
    assert it.reason() == "Expired"
    it.put_token(expiresAfter="never")
    it.clock.advance(5000 * DAY)
    it.confirm()
    assert it.accepted().end is None


def test_a_later_end_on_status_is_not_believed_and_an_earlier_one_is(it: Surroundings) -> None:
    """Whoever may write status can only shorten."""
    now = it.clock.now()
    it.put_token(expiresAfter="60s", credentials=[it.credential(it.token, end=now + 10**6)])
    assert it.accepted().end == now + 60
    it.put_token(expiresAfter="60s", credentials=[it.credential(it.token, end=now + 5)])
    assert it.accepted().end == now + 5


def test_an_older_credential_ends_with_its_overlap(it: Surroundings) -> None:
    """Whatever status says about it; a third one was planted."""
    now = it.clock.now()
    newer = it.mint()
    credentials = [
        it.credential(it.token, minted=now - DAY, end=now + 20 * DAY),
        it.credential(newer, serial=2),
    ]
    it.put_token(rotation={"id": "x", "overlap": "10m"}, credentials=credentials)
    assert it.accepted().end == now + 600
    it.accepted(newer)
    it.clock.advance(600)
    it.confirm()
    assert it.reason() == "Expired"
    it.accepted(newer)
    third = it.mint()
    it.put_token(credentials=[*credentials, it.credential(third, serial=3)])
    assert it.reason() == "Unknown"
    it.accepted(third)


def test_the_kill_switch_refuses_what_was_minted_before_it(it: Surroundings) -> None:
    """From its moment on, also a token that was accepted just before."""
    cut = it.clock.now() + 10
    it.put_account(tokensNotBeforeTime=format_time(cut))
    it.accepted()
    it.clock.advance(10)
    assert it.reason() == "MintedTooEarly"
    it.put_token(credentials=[it.credential(it.token, minted=cut)])
    it.accepted()


def test_a_mint_in_the_future_was_planted(it: Surroundings) -> None:
    """Clocks may differ by a minute, not more."""
    it.put_token(credentials=[it.credential(it.token, minted=it.clock.now() + 61)])
    assert it.reason() == "MintedInFuture"
    it.put_token(credentials=[it.credential(it.token, minted=it.clock.now() + 60)])
    it.accepted()


# ------------------------------------------------------------------------------------------ occasions


def test_a_token_with_audiences_is_good_for_those_who_say_so(it: Surroundings) -> None:
    """One of them is enough; nobody is not."""
    it.put_token(audiences=["orders", "https://orders.example.com"])
    it.accepted(audiences=("other", "orders"))
    assert it.reason(audiences=("other",)) == "Audience"
    assert it.reason(audiences=()) == "Audience"
    it.accepted(audiences=None, original=lambda: GET)
    assert it.reason(audiences=None, original=lambda: HttpRequest("GET", "", "/")) == "Audience"
    assert it.reason(audiences=None) == "Audience"


def test_a_token_without_audiences_is_good_for_whoever_asks(it: Surroundings) -> None:
    """And the answer says for whom it was asked."""
    accepted = it.accepted(audiences=("a", "b"))
    assert common_audiences(accepted, Presented(it.token.reveal(), ("a", "b"))) == ("a", "b")
    it.put_token(audiences=["b"])
    assert common_audiences(it.accepted(audiences=("b",)), Presented("", ("a", "b"))) == ("b",)


def origin(peer: str, forwarded: str = "") -> Origin:
    """Return where a request comes from."""
    return Origin(parse_address(peer), forwarded)


def test_a_token_bound_to_networks_is_good_from_there() -> None:
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
    """Resolved now: one that is withdrawn is gone at the next request."""
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


def test_a_role_that_cannot_be_read_grants_nothing(it: Surroundings) -> None:
    """Also one that could be read before."""
    it.put_account(roles=["reader"])
    it.put_role("reader")
    assert len(it.accepted().roles) == 1
    for odd in ({"maxLifetime": "long"}, {"permissions": ["a,b"]}, {"permissions": ["a\nb"]}):
        it.put_role("reader", **odd)
        assert it.accepted().roles == ()
    assert it.roles.unreadable == 3


def test_required_roles_must_all_be_held(it: Surroundings) -> None:
    """Every one that is named."""
    it.put_account(roles=["reader", "writer"])
    it.put_role("reader")
    it.accepted(required_roles=("reader",))
    assert it.reason(required_roles=("reader", "writer")) == "RoleMissing"


def test_rules_about_requests_let_pass_what_one_role_allows(it: Surroundings) -> None:
    """Only the roles that allow it are told to the service; an unknown request is allowed by none of them."""
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


def test_a_token_whose_every_role_was_withdrawn_lets_no_request_pass(it: Surroundings) -> None:
    """It was meant to have some, and what they allowed is not known any more."""
    it.put_account(roles=["reader"])
    assert it.reason(original=lambda: GET) == "RoleMissing"
    it.put_account()
    it.accepted(original=lambda: GET)


def test_kept_decisions_are_bounded(it: Surroundings) -> None:
    """The narrowed ones of each token, by the subsets of its roles."""
    names = [f"r{number}" for number in range(12)]
    it.put_account(roles=names)
    for name in names:
        it.put_role(name, http=[{"paths": [f"/{name}"]}])
    for name in names:
        accepted = it.accepted(original=lambda name=name: HttpRequest("GET", "", f"/{name}"))
        assert [role.name for role in accepted.roles] == [name]
    narrowed = it.accepted().narrowed
    assert narrowed is not None
    assert len(narrowed) == 8


def test_the_oldest_kept_decision_goes_when_there_are_too_many(
    it: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else changes."""
    monkeypatch.setattr("servicetokens.authn.authenticator._MOST_KEPT", 1)
    other = it.mint()
    it.put_token(uid="u-2", name="other", credentials=[it.credential(other, uid="u-2")])
    first = it.accepted()
    it.accepted(other)
    assert it.accepted() is not first


# ------------------------------------------------------------------------------------- cannot tell


def test_before_everything_is_known_nothing_is_said(it: Surroundings) -> None:
    """Not "invalid": cannot tell, and why."""
    fresh = Surroundings()
    fresh.index.expect("more")
    decision = fresh.present()
    assert isinstance(decision, Unavailable)
    assert decision.problems == ("the first list of more is not complete",)
    fresh.index.confirm("more", fresh.clock.monotonic())
    fresh.accepted()


def test_a_watch_that_is_silent_for_too_long_is_not_believed(it: Surroundings) -> None:
    """Until it gives a sign of life again."""
    it.accepted()
    it.clock.advance(STALENESS)
    decision = it.present()
    assert isinstance(decision, Unavailable)
    assert "has been silent for 60 s" in decision.problems[0]
    assert it.index.staleness(it.clock.monotonic()) == STALENESS
    it.confirm()
    it.accepted()


def test_without_keys_or_with_something_on_hold_nothing_is_said() -> None:
    """Each says its sentence."""
    it = Surroundings()
    it.index.hold("schema", "the CRDs are too old")
    decision = it.present()
    assert isinstance(decision, Unavailable)
    assert decision.problems == ("the CRDs are too old",)
    it.index.release("schema")
    it.accepted()
    it.index.keys = None
    decision = it.present()
    assert isinstance(decision, Unavailable)
    assert decision.problems == ("the keys have not been read",)


def test_the_first_sign_of_life_counts_after_the_first_list() -> None:
    """A watch alone has not told what there is."""
    it = Surroundings()
    fresh = type(it.tokens)(it.index, "late")
    fresh.begin()
    fresh.confirm(it.clock.monotonic())
    assert isinstance(it.present(), Unavailable)
    fresh.end()
    fresh.confirm(it.clock.monotonic())
    it.accepted()


# ------------------------------------------------------------------------------- lists that start over


def test_a_list_that_starts_over_sweeps_away_what_it_does_not_name(it: Surroundings) -> None:
    """What was deleted while nobody watched: tokens, accounts, roles."""
    it.put_role("reader")
    for table in (it.tokens, it.accounts, it.roles):
        table.begin()
    it.put_account()
    it.tokens.end()
    it.accounts.end()
    it.roles.end()
    assert it.reason() == "Unknown"
    assert len(it.tokens) == 0
    assert it.index.roles == {}
    it.put_token()
    it.accepted()
    it.accounts.begin()
    it.accounts.end()
    assert it.reason() == "AccountNotFound"


def test_many_objects_may_claim_one_id_and_the_true_one_is_found(it: Surroundings) -> None:
    """Up to a bound, which a person with the right to write so many statuses would not need."""
    for number in range(40):
        it.put_token(uid=f"u-{number + 2}", name=f"copy-{number}", credentials=[it.credential(it.token)])
    it.accepted()
    it.remove_token("u-3")
    it.accepted()
    assert len(it.index) == 1
    for number in range(40):
        it.remove_token(f"u-{number + 2}")
    it.accepted()
    it.remove_token()
    assert it.reason() == "Unknown"


def test_equal_terms_are_shared() -> None:
    """A hundred thousand tokens with the same restrictions keep them once."""
    it = Surroundings()
    other = it.mint()
    it.put_token(uid="u-2", name="other", credentials=[it.credential(other, uid="u-2")])
    assert it.accepted().record.terms is it.accepted(other).record.terms
    assert isinstance(it.present(), Accepted)
    assert RING.newest == "k1"
