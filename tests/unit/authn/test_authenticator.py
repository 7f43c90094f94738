"""Every check, in its order, and that nothing is accepted a moment longer than the objects say."""

import pytest

from common.builders.presenting import DAY, RING, STALENESS, Surroundings
from servicetokens.api.values import format_time
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Unavailable
from servicetokens.kube.watch import Identity
from servicetokens.tokens.verifier import KeyRing


@pytest.fixture
def it() -> Surroundings:
    """A valid token."""
    return Surroundings()


def test_a_valid_token_is_accepted_repeatedly(it: Surroundings) -> None:
    """The second decision is the kept one."""
    first = it.accepted()
    assert (first.record.name, first.record.account.name, first.token_id) == ("ci-prod", "ci", it.token.id)
    assert it.accepted() is first


def test_what_was_presented_is_not_shown() -> None:
    """Not even its id, which may be a piece of another user's secret."""
    assert "svt_" not in repr(AuthenticationRequest("svt_0123456789AB_secret"))


@pytest.mark.parametrize("text", ["", "x", "svt_", "é" * 66, "svt_0123456789AB-" + "a" * 49, "\udc80" * 66])
def test_a_text_without_the_shape_of_a_token_is_malformed(it: Surroundings, text: str) -> None:
    """And costs no hash."""
    assert it.reason(text) == "Malformed"


def test_an_unknown_token_and_one_with_another_secret_differ_in_the_log_only(
    it: Surroundings,
) -> None:
    """The same id with another secret part; an id that no object claims."""
    assert it.reason(it.mint()) == "Unknown"
    text = it.token.reveal()
    assert it.reason(text[:-7] + ("a" if text[-7] != "a" else "b") + text[-6:]) == "WrongSecret"
    it.accepted()
    assert it.reason(text[:-1] + ("a" if text[-1] != "a" else "b")) == "WrongSecret"


def test_a_forged_or_copied_verifier_never_fits(it: Surroundings) -> None:
    """It is bound to the object's uid; and the copy does not affect the original."""
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


def test_another_algorithm_or_key_is_rejected(it: Surroundings) -> None:
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


def test_a_deleted_token_is_rejected(it: Surroundings) -> None:
    """While it is being deleted, and afterwards."""
    it.accepted()
    it.put_token(deleting=True)
    assert it.reason() == "Deleting"
    it.remove_token()
    assert it.reason() == "Deleted"


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
def test_a_token_in_any_state_but_active_is_rejected(it: Surroundings, state: str) -> None:
    """A word that we do not know is no permission."""
    it.accepted()
    it.put_token(state=state)
    assert it.reason() == "Revoked"
    it.put_token(state="Active")
    it.accepted()


def test_a_suspended_account_rejects_all_of_its_tokens(it: Surroundings) -> None:
    """And reverts to them."""
    it.accepted()
    it.put_account(state="Suspended")
    assert it.reason() == "AccountSuspended"
    it.put_account()
    it.accepted()


def test_a_token_suspended_for_disuse_is_rejected(it: Surroundings) -> None:
    """Whatever the clock says: it is the operator who decides that, and only when it is time."""
    it.accepted()
    for at in (it.clock.now() - DAY, it.clock.now(), it.clock.now() + DAY):
        it.put_token(suspended=format_time(at))
        assert it.reason() == "UnusedForLong"
    it.put_account(state="Suspended")
    assert it.reason() == "AccountSuspended"
    it.put_token(state="Revoked", suspended=format_time(it.clock.now()))
    assert it.reason() == "Revoked"
    it.put_account()
    it.put_token()
    it.accepted()


@pytest.mark.parametrize(
    ("word", "helps"),
    [
        ("2026-11-28T09:00:00Z", True),
        ("2026-11-28T10:00:00.9+01:00", True),
        ("2099-01-01T00:00:00Z", True),
        ("2026-11-28T08:59:59Z", False),
        ("2026-11-28T09:59:59+01:00", False),
        ("now", False),
    ],
)
def test_resuming_a_token_works_without_the_operator(it: Surroundings, word: str, *, helps: bool) -> None:
    """If it is no older than the suspension; an older one is for the operator to check."""
    it.put_token(suspended="2026-11-28T09:00:00Z", inUseTime=word)
    if helps:
        it.accepted()
    else:
        assert it.reason() == "UnusedForLong"


def test_a_suspension_that_cannot_be_read_is_one(it: Surroundings) -> None:
    """Nothing is guessed in its favour."""
    it.put_token(suspended="yesterday", inUseTime="2099-01-01T00:00:00Z")
    assert it.reason() == "UnusedForLong"


def test_an_unreadable_object_rejects_its_own_tokens_only(it: Surroundings) -> None:
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
    """Nothing minted, nothing accepted; with a spec without a lifetime a token expires when it is minted."""
    it.put_token(credentials=[])
    assert it.reason() == "Replaced"
    it.put_token(expirationTime=None)
    assert it.reason() == "Expired"


def test_before_everything_is_known_nothing_is_said(it: Surroundings) -> None:
    """Not "invalid" but "unknown", with the reason."""
    fresh = Surroundings()
    fresh.index.expect("more", missing="nobody has told more", silent="more has not come")
    decision = fresh.present()
    assert isinstance(decision, Unavailable)
    assert decision.problems == ("nobody has told more",)
    fresh.index.confirm("more", fresh.clock.monotonic())
    fresh.accepted()


def test_a_watch_without_data_for_too_long_is_not_trusted(it: Surroundings) -> None:
    """Until it gives a sign of life again."""
    it.accepted()
    it.clock.advance(STALENESS)
    decision = it.present()
    assert isinstance(decision, Unavailable)
    assert "has received nothing for 60 s" in decision.problems[0]
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
    assert it.authenticator.recognize(it.token.reveal().encode()) is None
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


def test_a_list_that_starts_over_sweeps_away_what_it_does_not_name(it: Surroundings) -> None:
    """What was deleted while no watch was open: tokens, accounts, roles."""
    it.put_role("reader")
    for table in (it.tokens, it.accounts, it.roles):
        table.begin()
    it.put_account()
    it.tokens.end()
    it.accounts.end()
    it.roles.end()
    assert it.reason() == "Deleted"
    assert len(it.tokens) == 0
    assert it.index.roles == {}
    it.put_token()
    it.accepted()
    it.accounts.begin()
    it.accounts.end()
    assert it.reason() == "AccountNotFound"


def test_equal_terms_are_shared() -> None:
    """A hundred thousand tokens with the same restrictions keep them once."""
    it = Surroundings()
    other = it.mint()
    it.put_token(uid="u-2", name="other", credentials=[it.credential(other, uid="u-2")])
    assert it.accepted().record.restrictions is it.accepted(other).record.restrictions
    assert isinstance(it.present(), Accepted)
    assert RING.newest == "k1"
