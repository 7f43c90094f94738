"""Revoking and restoring, the kill switch of an account, and an account that was replaced."""

from dataclasses import replace

from common.builders.facts import (
    DAY,
    HOUR,
    NOW,
    a_snapshot,
    a_token,
    an_account,
    carried_out,
    condition,
    edited,
    ends,
    rotating,
    says,
    settled,
)
from common.builders.planning import plan
from servicetokens.lifecycle.actions import MintCause


def test_a_revoked_token_is_ready_and_not_active() -> None:
    """Nothing is minted or written to the Secret; the moment and the reason are reported."""
    wanted = plan(edited(settled(), state="Revoked", revocationReason="KeyCompromise"), NOW + 5)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Ready") == ("True", "Revoked")
    assert says(wanted, "Active") == ("False", "Revoked")
    assert "KeyCompromise" in condition(wanted, "Active").message
    assert wanted.status is not None
    assert (wanted.status.revocation_time, wanted.status.restoration_time) == (NOW + 5, None)
    assert [(event.reason, "KeyCompromise" in event.note) for event in wanted.events] == [
        ("TokenRevoked", True)
    ]


def test_a_restored_token_is_the_same() -> None:
    """Not another credential, not another Secret."""
    revoked = settled(edited(settled(), state="Revoked"), NOW + 5)
    wanted = plan(edited(revoked, state="Active"), NOW + 9)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Active") == ("True", "Valid")
    assert wanted.status is not None
    assert wanted.status.credentials == revoked.token.status.credentials
    assert (wanted.status.revocation_time, wanted.status.restoration_time) == (NOW + 5, NOW + 9)
    assert [event.reason for event in wanted.events] == ["TokenRestored"]


def test_revoked_restored_and_revoked_within_one_second_are_three_steps() -> None:
    """Times are whole seconds, and yet none of them is missed."""
    snapshot, reasons = settled(), []
    for state in ("Revoked", "Active", "Revoked"):
        snapshot = edited(snapshot, state=state)
        wanted = plan(snapshot, NOW)
        reasons += [event.reason for event in wanted.events]
        snapshot = carried_out(snapshot, wanted)
    assert reasons == ["TokenRevoked", "TokenRestored", "TokenRevoked"]
    assert says(snapshot, "Active") == ("False", "Revoked")


def test_an_expiry_runs_on_while_revoked() -> None:
    """A restored token that has expired meanwhile stays expired."""
    revoked = settled(edited(settled(), state="Revoked"), NOW + 5)
    expired = settled(revoked, NOW + 31 * DAY)
    assert says(expired, "Active") == ("False", "Expired")
    restored = settled(edited(expired, state=None), NOW + 31 * DAY)
    assert says(restored, "Active") == ("False", "Expired")
    assert restored.token.status.credentials == ()


def test_a_token_applied_as_revoked_is_minted_and_rejected() -> None:
    """So that restoring it finds a token that works."""
    wanted = plan(a_snapshot(a_token(state="Revoked")), NOW)
    assert wanted.mint is not None
    assert says(wanted, "Ready") == ("True", "Revoked")
    assert says(wanted, "Active") == ("False", "Revoked")


def test_a_revoked_token_rotates_and_is_repaired_like_any_other() -> None:
    """`state` says who is accepted."""
    revoked = settled(edited(settled(), state="Revoked"), NOW)
    rotated = settled(edited(revoked, rotation={"id": "x"}), NOW + 1)
    assert list(ends(rotated)) == [1, 2]
    assert says(rotated, "Active") == ("False", "Revoked")
    wanted = plan(replace(revoked, secret=None), NOW + 1)
    assert wanted.mint is not None


def test_a_suspended_account_is_named_and_stops_nothing_else() -> None:
    """It is the account that is rejected; the token stays ready."""
    wanted = plan(replace(settled(), account=an_account(state="Suspended")), NOW + 1)
    assert says(wanted, "Active") == ("False", "AccountSuspended")
    assert says(wanted, "Ready") == ("True", "Minted")
    assert wanted.mint is None


# The kill switch.


def test_the_kill_switch_replaces_what_was_minted_before_it() -> None:
    """Without overlap, and also what was in an overlap."""
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b"}), NOW + 1)
    now = NOW + 10
    snapshot = replace(rotated, account=an_account(tokensNotBeforeTime="2027-01-15T08:00:05Z"))
    wanted = plan(snapshot, now)
    assert wanted.mint is not None
    assert wanted.mint.cause is MintCause.NOT_BEFORE
    assert [event.reason for event in wanted.events] == ["TokenReminted"]
    assert list(ends(settled(snapshot, now))) == [3]


def test_what_was_minted_after_the_cut_stays() -> None:
    """Only the older one of two goes."""
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b"}), NOW + 10)
    cut = replace(rotated, account=an_account(tokensNotBeforeTime="2027-01-15T08:00:09Z"))
    assert list(ends(settled(cut, NOW + 20))) == [2]


def test_a_cut_in_the_second_of_the_mint_replaces_the_credential_once() -> None:
    """Which of the two came first is unknown; the new one is dated to the next second, and stays."""
    cut = replace(settled(), account=an_account(tokensNotBeforeTime="2027-01-15T08:00:00Z"))
    fresh = settled(cut, NOW)
    (credential,) = fresh.token.status.credentials
    assert (credential.serial, credential.mint_time) == (2, NOW + 1)
    assert credential.expiration_time == NOW + 1 + 30 * DAY
    for later in range(3):
        assert plan(fresh, NOW + later).mint is None
    late = settled(cut, NOW + 7)
    assert late.token.status.mint_time == NOW + 7


def test_a_token_that_is_first_minted_in_the_second_of_the_cut_is_accepted() -> None:
    """It is minted once."""
    fresh = settled(a_snapshot(account=an_account(tokensNotBeforeTime="2027-01-15T08:00:00Z")))
    assert [(one.serial, one.mint_time) for one in fresh.token.status.credentials] == [(1, NOW + 1)]


def test_no_overlap_drops_the_old_one_also_in_the_second_of_a_cut() -> None:
    """What is minted then is dated a second later; the old one does not live until that date."""
    fresh = settled(a_snapshot(account=an_account(tokensNotBeforeTime="2027-01-15T08:00:00Z")))
    rotated = settled(edited(fresh, rotation={"id": "b", "overlap": "0s"}))
    assert [one.serial for one in rotated.token.status.credentials] == [2]


def test_a_cut_to_come_is_waited_for() -> None:
    """Admission has no clock: a future moment is a scheduled cut."""
    snapshot = replace(settled(), account=an_account(tokensNotBeforeTime="2027-01-15T09:00:00Z"))
    assert plan(snapshot, NOW).mint is None
    assert plan(snapshot, NOW).requeue_at == NOW + HOUR
    wanted = plan(snapshot, NOW + HOUR)
    assert wanted.mint is not None
    assert plan(carried_out(snapshot, wanted), NOW + HOUR).mint is None


def test_a_fraction_of_a_second_in_the_cut_is_rounded_up() -> None:
    """What was minted in the second before it is cut, too."""
    account = an_account(tokensNotBeforeTime="2027-01-15T08:00:00.5Z")
    wanted = plan(replace(settled(), account=account), NOW + 1)
    assert wanted.mint is not None


# Another account.


def test_a_recreated_account_gets_a_new_token_and_the_old_one_is_rejected() -> None:
    """It is another user, whatever its name."""
    snapshot = replace(settled(), account=an_account(uid="a-2"))
    wanted = plan(snapshot, NOW + 1)
    assert wanted.mint is not None
    assert wanted.mint.cause is MintCause.ACCOUNT_REPLACED
    assert wanted.status is not None
    assert (wanted.status.account_uid, [one.serial for one in wanted.status.credentials]) == ("a-2", [2])
    assert [event.reason for event in wanted.events] == ["AccountReplaced"]


def test_an_account_replaced_while_nothing_can_be_minted_is_named() -> None:
    """The old credential goes immediately nevertheless; the fresh one comes when it can."""
    limited = an_account(uid="a-2", tokenPolicy={"maxLifetime": "1d"})
    blocked = settled(replace(settled(), account=limited), NOW + 1)
    assert says(blocked, "Ready") == ("False", "LifetimeTooLong")
    assert says(blocked, "Active") == ("False", "AccountReplaced")
    assert blocked.token.status.credentials == ()
    wanted = plan(edited(blocked, expiresAfter="1d"), NOW + 2)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.cause) == (2, MintCause.ACCOUNT_REPLACED)


def test_a_deleted_account_removes_nothing_from_status() -> None:
    """It may be a restore in the wrong order; the validator rejects meanwhile."""
    wanted = plan(replace(settled(), account=None), NOW + 1)
    assert says(wanted, "Active") == ("False", "AccountNotFound")
    assert wanted.status is not None
    assert len(wanted.status.credentials) == 1


def test_an_expired_token_of_a_replaced_account_stays_expired() -> None:
    """No other token was requested."""
    expired = settled(settled(), NOW + 31 * DAY)
    wanted = plan(replace(expired, account=an_account(uid="a-2")), NOW + 31 * DAY)
    assert wanted.mint is None


def test_what_was_cut_before_its_end_is_minted_again_also_after_a_rejected_status() -> None:
    """The operator was away for both. The status before the delivery is written, and the one after it is not."""
    snapshot = settled(a_snapshot(a_token(expiresAfter="60s")))
    cut = replace(snapshot, account=an_account(tokensNotBeforeTime="2027-01-15T08:00:30Z"))
    wanted = plan(cut, NOW + 90)
    assert (wanted.arrives, wanted.mint is not None) == (MintCause.NOT_BEFORE, True)
    assert wanted.ahead is not None
    crashed = replace(cut, token=replace(cut.token, status=wanted.ahead))
    again = plan(crashed, NOW + 90)
    assert (again.arrives, again.mint is not None) == (MintCause.NOT_BEFORE, True)
    ended = settled(carried_out(crashed, again), NOW + 150)
    assert says(ended, "Active") == ("False", "Expired")
