"""Revoking, restoring, rotating: by the clock, by a changed id, and while something else is going on."""

from dataclasses import replace

import pytest

from common.facts import (
    DAY,
    NOW,
    a_snapshot,
    a_token,
    an_account,
    carried_out,
    condition,
    edited,
    says,
    settled,
)
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.snapshot import Memory, Snapshot

HOUR = 3600


def ends(snapshot: Snapshot) -> dict[int, int | None]:
    """Return the ends of the live credentials by serial."""
    return {one.serial: one.expiration_time for one in snapshot.token.status.credentials}


# ----------------------------------------------------------------------------------------- revoking


def test_a_revoked_token_is_ready_and_not_active() -> None:
    """Nothing is minted or written to the Secret; the moment and the reason are told."""
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


def test_a_restored_token_is_the_very_same() -> None:
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


def test_a_token_applied_as_revoked_is_minted_and_refused() -> None:
    """So that restoring it finds a token that works."""
    wanted = plan(a_snapshot(a_token(state="Revoked")), NOW)
    assert wanted.mint is not None
    assert says(wanted, "Ready") == ("True", "Revoked")
    assert says(wanted, "Active") == ("False", "Revoked")


def test_a_revoked_token_rotates_and_is_repaired_like_any_other() -> None:
    """`state` says who is let in."""
    revoked = settled(edited(settled(), state="Revoked"), NOW)
    rotated = settled(edited(revoked, rotation={"id": "x"}), NOW + 1)
    assert list(ends(rotated)) == [1, 2]
    assert says(rotated, "Active") == ("False", "Revoked")
    wanted = plan(replace(revoked, secret=None), NOW + 1)
    assert wanted.mint is not None


def test_a_suspended_account_is_named_and_stops_nothing_else() -> None:
    """It is the account that is refused; the token stays ready."""
    wanted = plan(replace(settled(), account=an_account(state="Suspended")), NOW + 1)
    assert says(wanted, "Active") == ("False", "AccountSuspended")
    assert says(wanted, "Ready") == ("True", "Minted")
    assert wanted.mint is None


# ----------------------------------------------------------------------------------------- rotating


def rotating(**rotation: str) -> Snapshot:
    """Return a settled token of 30 days that rotates."""
    return settled(a_snapshot(a_token(rotation=rotation)))


def test_a_rotation_by_the_clock_keeps_the_old_one_for_its_overlap() -> None:
    """At its second, and announced on status."""
    snapshot = rotating(every="20d", overlap="1d")
    assert snapshot.token.status.next_rotation_time == NOW + 20 * DAY
    assert plan(snapshot, NOW + 20 * DAY - 1).mint is None
    assert plan(snapshot, NOW).requeue_at == NOW + 20 * DAY
    now = NOW + 20 * DAY
    wanted = plan(snapshot, now)
    assert wanted.mint is not None
    assert wanted.mint.cause is MintCause.ROTATION_DUE
    rotated = settled(carried_out(snapshot, wanted), now)
    assert ends(rotated) == {1: now + DAY, 2: now + 30 * DAY}
    assert rotated.token.status.next_rotation_time == now + 20 * DAY
    assert plan(rotated, now).requeue_at == now + DAY
    assert ends(settled(rotated, now + DAY - 1)) == {1: now + DAY, 2: now + 30 * DAY}
    assert ends(settled(rotated, now + DAY)) == {2: now + 30 * DAY}


def test_the_overlap_never_outlives_the_old_ones_own_end() -> None:
    """A rotation on request shortly before the expiry."""
    now = NOW + 30 * DAY - 60
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b", "overlap": "1d"}), now)
    assert ends(rotated)[1] == NOW + 30 * DAY


@pytest.mark.parametrize(
    ("rotation", "overlap"),
    [
        ({"id": "b"}, HOUR),
        ({"id": "b", "every": "20d"}, HOUR),
        ({"id": "b", "every": "100s"}, 10),
        ({"id": "b", "overlap": "5m"}, 300),
    ],
)
def test_the_overlap_left_out_is_an_hour_or_a_tenth(rotation: dict[str, str], overlap: int) -> None:
    """A tenth of the period where that is shorter."""
    rotated = settled(edited(rotating(id="a"), rotation=rotation), NOW + 10)
    assert ends(rotated)[1] == NOW + 10 + overlap


def test_no_overlap_drops_the_old_one_at_once() -> None:
    """That is for a leak."""
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b", "overlap": "0s"}), NOW + 10)
    assert list(ends(rotated)) == [2]


def test_a_changed_id_rotates_once() -> None:
    """It is remembered on status, so that neither a restart nor an hour rotates again."""
    wanted = plan(edited(rotating(id="a"), rotation={"id": "b"}), NOW + 10)
    assert wanted.mint is not None
    assert wanted.mint.cause is MintCause.ROTATION_REQUESTED
    assert [event.reason for event in wanted.events] == ["TokenRotated"]
    rotated = settled(carried_out(edited(rotating(id="a"), rotation={"id": "b"}), wanted), NOW + 10)
    assert rotated.token.status.rotation_id == "b"
    assert plan(rotated, NOW + DAY).mint is None


def test_the_id_of_a_new_token_does_not_rotate_it() -> None:
    """It is the id that the first credential was minted under."""
    assert rotating(id="a").token.status.rotation_id == "a"
    assert plan(rotating(id="a"), NOW + 10).mint is None


def test_an_id_added_to_a_live_token_rotates_and_one_taken_away_does_not() -> None:
    """Nor does the same one when it is put back."""
    added = edited(settled(), rotation={"id": "a"})
    assert plan(added, NOW).mint is not None
    rotated = settled(added, NOW)
    removed = settled(edited(rotated, rotation=None), NOW)
    assert removed.token.status.serial == 2
    assert removed.token.status.rotation_id == "a"
    assert settled(edited(removed, rotation={"id": "a"}), NOW).token.status.serial == 2


def test_a_third_rotation_during_an_overlap_drops_the_oldest() -> None:
    """There are never more than two."""
    snapshot = rotating(id="a")
    for number, name in enumerate("bcd"):
        snapshot = settled(edited(snapshot, rotation={"id": name}), NOW + number)
        assert list(ends(snapshot)) == [number + 1, number + 2]


def test_shortening_the_overlap_shortens_a_running_one_and_lengthening_does_not() -> None:
    """What has been promised to end does not come back."""
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b", "overlap": "1h"}), NOW)
    longer = settled(edited(rotated, rotation={"id": "b", "overlap": "2h"}), NOW + 1)
    assert ends(longer)[1] == NOW + HOUR
    shorter = settled(edited(rotated, rotation={"id": "b", "overlap": "10m"}), NOW + 1)
    assert ends(shorter)[1] == NOW + 600
    gone = settled(edited(rotated, rotation={"id": "b", "overlap": "0s"}), NOW + 1)
    assert list(ends(gone)) == [2]


def test_a_rotation_that_was_missed_is_made_up_for_once() -> None:
    """After 65 days one fresh credential, and none of the old."""
    now = NOW + 65 * DAY
    wanted = plan(rotating(every="20d"), now)
    assert wanted.mint is not None
    assert wanted.mint.serial == 2
    assert list(ends(settled(rotating(every="20d"), now))) == [2]


def test_a_fixed_end_stops_rotations_that_would_come_after_it() -> None:
    """There is nothing to rotate into."""
    snapshot = settled(a_snapshot(a_token(expirationTime="2027-02-04T08:00:00Z", rotation={"every": "15d"})))
    assert snapshot.token.status.next_rotation_time == NOW + 15 * DAY
    rotated = settled(snapshot, NOW + 15 * DAY)
    assert rotated.token.status.next_rotation_time is None
    ended = settled(rotated, NOW + 20 * DAY)
    assert says(ended, "Active") == ("False", "Expired")
    assert plan(edited(ended, rotation={"id": "again"}), NOW + 20 * DAY).mint is None


def test_a_credential_that_was_never_delivered_gets_no_overlap() -> None:
    """Nobody has it, also after a crash; a running overlap of the one before goes on."""
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b"}), NOW)
    for memory in (Memory(undelivered=2), Memory()):
        waiting = replace(edited(rotated, rotation={"id": "c"}), secret=None, memory=memory)
        again = settled(waiting, NOW + 5)
        assert ends(again) == {1: NOW + HOUR, 3: NOW + 5 + 30 * DAY}


# ------------------------------------------------------------------------------------ the kill switch


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
    """Which of the two came first nobody can tell; the fresh one is minted in the next second, and stays."""
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


# ----------------------------------------------------------------------------------- another account


def test_an_account_created_anew_gets_a_fresh_token_and_the_old_one_is_refused() -> None:
    """It is another user, whatever its name."""
    snapshot = replace(settled(), account=an_account(uid="a-2"))
    wanted = plan(snapshot, NOW + 1)
    assert wanted.mint is not None
    assert wanted.mint.cause is MintCause.ACCOUNT_REPLACED
    assert wanted.status is not None
    assert (wanted.status.account_uid, [one.serial for one in wanted.status.credentials]) == ("a-2", [2])
    assert [event.reason for event in wanted.events] == ["AccountReplaced"]


def test_an_account_replaced_while_nothing_can_be_minted_is_named() -> None:
    """The old credential goes at once all the same; the fresh one comes when it can."""
    limited = an_account(uid="a-2", tokenPolicy={"maxLifetime": "1d"})
    blocked = settled(replace(settled(), account=limited), NOW + 1)
    assert says(blocked, "Ready") == ("False", "LifetimeTooLong")
    assert says(blocked, "Active") == ("False", "AccountReplaced")
    assert blocked.token.status.credentials == ()
    wanted = plan(edited(blocked, expiresAfter="1d"), NOW + 2)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.cause) == (2, MintCause.ACCOUNT_REPLACED)


def test_an_account_that_is_gone_takes_nothing_off_status() -> None:
    """It may be a restore in the wrong order; the validator refuses meanwhile."""
    wanted = plan(replace(settled(), account=None), NOW + 1)
    assert says(wanted, "Active") == ("False", "AccountNotFound")
    assert wanted.status is not None
    assert len(wanted.status.credentials) == 1


def test_an_expired_token_of_a_replaced_account_stays_expired() -> None:
    """Nobody asked for another one."""
    expired = settled(settled(), NOW + 31 * DAY)
    wanted = plan(replace(expired, account=an_account(uid="a-2")), NOW + 31 * DAY)
    assert wanted.mint is None
