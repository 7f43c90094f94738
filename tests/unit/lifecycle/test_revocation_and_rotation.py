"""Revoking, restoring, rotating: automatically, by a changed id, and while something else is going on."""

from dataclasses import replace

import pytest

from common.builders.facts import (
    DAY,
    NOW,
    a_credential,
    a_secret,
    a_snapshot,
    a_token,
    an_account,
    carried_out,
    condition,
    edited,
    says,
    settled,
)
from common.builders.planning import plan
from servicetokens.api.conditions import ConditionType
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.actions import MintCause, Plan
from servicetokens.lifecycle.snapshot import Keys, Memory, Snapshot

HOUR = 3600


def ends(snapshot: Snapshot) -> dict[int, int | None]:
    """Return the ends of the live credentials by serial."""
    return {one.serial: one.expiration_time for one in snapshot.token.status.credentials}


# Revoking.


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


# Rotating.


def rotating(**rotation: str) -> Snapshot:
    """Return a settled token of 30 days that rotates."""
    return settled(a_snapshot(a_token(rotation=rotation)))


def test_an_automatic_rotation_keeps_the_old_one_for_its_overlap() -> None:
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


def test_no_overlap_drops_the_old_one_immediately() -> None:
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


def test_an_added_rotation_id_rotates_and_a_removed_one_does_not() -> None:
    """Nor does the same one when it is restored."""
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


def rotating_to_b(overlap: str = "1h") -> tuple[Snapshot, Plan]:
    """Return a settled token whose rotation has just been asked for, and what is planned for it."""
    asked = edited(rotating(id="a"), rotation={"id": "b", "overlap": overlap})
    return asked, plan(asked, NOW + 10)


def refused(asked: Snapshot, wanted: Plan, *, not_before: int) -> Snapshot:
    """Return what is known after the status ahead was written and the Secret was rejected."""
    assert wanted.ahead is not None
    assert wanted.mint is not None
    status = wanted.ahead
    (minted,) = (one for one in status.credentials if one.is_pending)
    memory = Memory(minted=minted, minted_for="a-1", delivery_error="exceeded quota", not_before=not_before)
    return replace(asked, token=replace(asked.token, status=status), memory=memory)


def test_a_rotation_lists_the_next_credential_as_pending_before_it_is_in_the_secret() -> None:
    """Validators know it by then; all else, also what is ready and which rotation was answered, is as before."""
    asked, wanted = rotating_to_b()
    assert wanted.ahead is not None
    before = asked.token.status
    old, new = wanted.ahead.credentials
    assert old == before.credentials[0]
    assert (new.serial, new.is_pending) == (2, True)
    assert wanted.ahead.serial == 2
    unchanged = {"serial": before.serial, "credentials": before.credentials}
    assert wanted.ahead.model_copy(update=unchanged) == before
    assert wanted.status is not None
    assert [(one.serial, one.is_pending) for one in wanted.status.credentials] == [(1, False), (2, False)]
    assert (wanted.status.rotation_id, wanted.status.token_id != before.token_id) == ("b", True)


@pytest.mark.parametrize("cause", ["first", "lost", "cut", "renewed"])
def test_where_nothing_accepted_is_in_the_secret_no_credential_is_on_status_before_it_is_delivered(
    cause: str,
) -> None:
    """Nobody waits for the value yet: Secret, then status; and before that, nothing is called usable any more."""
    snapshot, now = a_snapshot(), NOW
    if cause == "lost":
        snapshot = replace(settled(), secret=None)
    elif cause == "cut":
        snapshot = replace(settled(), account=an_account(tokensNotBeforeTime="2027-01-15T08:00:05Z"))
        now = NOW + 10
    elif cause == "renewed":
        now = NOW + 31 * DAY
        snapshot = edited(settled(settled(), now), expiresAfter="60d")
    wanted = plan(snapshot, now)
    assert wanted.mint is not None
    assert wanted.deliver is not None
    if cause == "first":
        assert wanted.ahead is None
        return
    assert wanted.ahead is not None
    assert wanted.ahead.credentials == ()
    for kind in ("Ready", "Active", "SecretSynced"):
        said = conditions.find(wanted.ahead.conditions, ConditionType(kind))
        assert said is not None
        # What has expired is not active before that, and says why.
        assert (said.status, said.reason) == (
            "False",
            "Expired" if (cause, kind) == ("renewed", "Active") else "Delivering",
        )
    crashed = replace(snapshot, token=replace(snapshot.token, status=wanted.ahead))
    again = plan(crashed, now)
    assert again.ahead is None
    assert (again.arrives, again.deliver) == (wanted.arrives, wanted.deliver)


@pytest.mark.parametrize("loss", ["deleted", "edited"])
def test_what_waits_goes_on_waiting_when_the_secret_is_lost_meanwhile(loss: str) -> None:
    """And what was called active is not any more, before the next attempt."""
    asked, wanted = rotating_to_b()
    waiting = refused(asked, wanted, not_before=NOW + 20)
    waiting = replace(carried_out(waiting, plan(waiting, NOW + 15)), memory=waiting.memory)
    assert waiting.secret is not None
    lost = replace(waiting, secret=None if loss == "deleted" else replace(waiting.secret, verifiers={}))
    next_one = plan(lost, NOW + 20)
    assert next_one.mint is None
    assert next_one.deliver is not None
    assert next_one.ahead is not None
    assert [(one.serial, one.is_pending) for one in next_one.ahead.credentials] == [(2, True)]
    active = conditions.find(next_one.ahead.conditions, ConditionType.ACTIVE)
    assert active is not None
    assert (active.status, active.reason) == ("False", "Delivering")


def test_the_old_token_keeps_its_own_end_until_the_new_one_is_delivered() -> None:
    """However long that takes: one credential waits, nothing is minted, and the condition says what is valid."""
    asked, wanted = rotating_to_b()
    waiting = refused(asked, wanted, not_before=NOW + 20)
    told = plan(waiting, NOW + 15)
    assert (told.mint, told.deliver, told.ahead) == (None, None, None)
    assert told.status is not None
    assert [(one.serial, one.is_pending, one.expiration_time) for one in told.status.credentials] == [
        (1, False, NOW + 30 * DAY),
        (2, True, NOW + 10 + 30 * DAY),
    ]
    for kind in ("Ready", "SecretSynced"):
        assert says(told, kind) == ("False", "DeliveryFailed")
    assert says(told, "Active") == ("True", "Valid")
    assert "exceeded quota" in condition(told, "Ready").message
    assert "stays valid until then" in condition(told, "Ready").message
    assert told.status.rotation_id == "a"
    assert [event.reason for event in told.events] == ["DeliveryFailed"]
    again = replace(carried_out(waiting, told), memory=waiting.memory, secret=waiting.secret)
    assert plan(replace(again, memory=replace(waiting.memory, not_before=NOW + 28)), NOW + 20).status is None


def test_a_rejection_is_forgotten_once_nothing_has_to_be_written() -> None:
    """The rotation was withdrawn: the Secret holds the token that is wanted, and nothing is retried."""
    asked, wanted = rotating_to_b()
    waiting = refused(asked, wanted, not_before=NOW + 20)
    told = plan(waiting, NOW + 15)
    assert told.owes
    waiting = replace(carried_out(waiting, told), memory=waiting.memory)
    back = plan(edited(waiting, rotation={"id": "a", "overlap": "1h"}), NOW + 16)
    assert not back.owes
    assert (back.mint, back.deliver) == (None, None)
    assert back.status is not None
    assert [one.serial for one in back.status.credentials] == [1]
    for kind, reason in (("Ready", "Minted"), ("SecretSynced", "Synced"), ("Active", "Valid")):
        assert says(back, kind) == ("True", reason)


def test_a_pending_token_is_reported_even_when_other_content_is_wrong() -> None:
    """The Secret holds a token that is accepted, and not the newest: it is not in sync."""
    asked, wanted = rotating_to_b()
    waiting = refused(asked, wanted, not_before=NOW + 20)
    assert waiting.secret is not None
    damaged = replace(waiting, secret=replace(waiting.secret, fingerprint="another"))
    assert says(plan(damaged, NOW + 15), "SecretSynced") == ("False", "DeliveryFailed")


def test_the_overlap_and_the_lifetime_begin_at_the_delivery() -> None:
    """An hour later."""
    asked, wanted = rotating_to_b()
    now = NOW + 10 + HOUR
    delivered = plan(refused(asked, wanted, not_before=now), now)
    assert delivered.mint is None
    assert delivered.deliver is not None
    assert (delivered.deliver.keeps_value, delivered.deliver.subject.mint_time) == (False, now)
    assert delivered.arrives is MintCause.ROTATION_REQUESTED
    assert delivered.status is not None
    assert {one.serial: one.expiration_time for one in delivered.status.credentials} == {
        1: now + HOUR,
        2: now + 30 * DAY,
    }
    assert [event.reason for event in delivered.events] == ["TokenRotated"]
    assert says(delivered, "Ready") == ("True", "Minted")


def test_no_overlap_ends_the_old_token_without_waiting_for_the_delivery() -> None:
    """That is for a leak; and until the delivery nothing says that the token is ready."""
    asked, wanted = rotating_to_b("0s")
    assert wanted.ahead is not None
    assert [one.serial for one in wanted.ahead.credentials] == [2]
    for kind, status in (
        ("Ready", "False"),
        ("Active", "False"),
        ("SecretSynced", "False"),
        ("Reconciling", "True"),
    ):
        said = conditions.find(wanted.ahead.conditions, ConditionType(kind))
        assert said is not None
        assert (said.status, said.reason) == (status, "Delivering")
    told = plan(refused(asked, wanted, not_before=NOW + 20), NOW + 15)
    assert says(told, "Active") == ("False", "DeliveryFailed")
    assert "`rotation.overlap: 0s` ended the previous one" in condition(told, "Ready").message
    assert told.status is not None
    assert [one.serial for one in told.status.credentials] == [2]


def test_a_revoked_token_stays_revoked_while_its_successor_is_delivered() -> None:
    """The reason that lasts is said, not the one of the moment; and a rejected delivery promises no valid token."""
    revoked = settled(edited(rotating(id="a"), state="Revoked"), NOW + 1)
    for overlap in ("0s", "1h"):
        asked = edited(revoked, state="Revoked", rotation={"id": "b", "overlap": overlap})
        wanted = plan(asked, NOW + 2)
        assert wanted.ahead is not None
        said = conditions.find(wanted.ahead.conditions, ConditionType.ACTIVE)
        assert said is not None
        assert (said.status, said.reason) == ("False", "Revoked")
        told = plan(refused(asked, wanted, not_before=NOW + 20), NOW + 15)
        assert "stays valid" not in condition(told, "Ready").message


def test_after_a_crash_a_pending_credential_is_replaced_or_has_arrived() -> None:
    """By what the Secret holds: the plaintext of one that is not in it was lost with the process."""
    asked, wanted = rotating_to_b()
    crashed = replace(refused(asked, wanted, not_before=0), memory=Memory())
    again = plan(crashed, NOW + 20)
    assert again.mint is not None
    assert (again.mint.serial, again.mint.cause) == (3, MintCause.ROTATION_REQUESTED)
    assert again.ahead is not None
    assert [one.serial for one in again.ahead.credentials] == [1, 3]
    pending = crashed.token.status.credentials[1]
    arrived = plan(replace(crashed, secret=a_secret(pending, mint_time=NOW + 12)), NOW + 20)
    assert (arrived.mint, arrived.ahead) == (None, None)
    assert arrived.status is not None
    assert {one.serial: one.expiration_time for one in arrived.status.credentials} == {
        1: NOW + 12 + HOUR,
        2: NOW + 12 + 30 * DAY,
    }
    assert arrived.status.rotation_id == "b"
    forged = replace(crashed, secret=a_secret(pending, mint_time=NOW + 9999))
    assert plan(forged, NOW + 20).status.credentials[0].expiration_time == NOW + 10 + HOUR  # type: ignore[union-attr]


def test_a_status_that_could_not_be_written_after_the_secret_is_written_by_the_next_pass() -> None:
    """The Secret holds what this process has minted: nothing is minted again, for whatever the mint was."""
    for snapshot in (a_snapshot(), replace(settled(), secret=None)):
        wanted = plan(snapshot, NOW)
        assert wanted.mint is not None
        serial = wanted.mint.serial
        minted = a_credential(serial, minted=NOW)
        stranded = replace(snapshot, secret=a_secret(minted), memory=Memory(minted=minted, minted_for="a-1"))
        arrived = plan(stranded, NOW + 1)
        assert (arrived.mint, arrived.arrives) == (None, wanted.mint.cause)
        assert says(arrived, "Ready") == ("True", "Minted")
        for changed in (
            replace(stranded, account=an_account(uid="a-2")),
            replace(stranded, account=an_account(tokensNotBeforeTime="2027-01-15T08:00:01Z")),
        ):
            again = plan(changed, NOW + 5)
            assert again.mint is not None
            assert again.mint.serial == serial


def test_a_rotation_withdrawn_before_its_delivery_drops_the_pending_credential() -> None:
    """Unless the Secret holds it already: then it is carried through."""
    asked, wanted = rotating_to_b()
    waiting = refused(asked, wanted, not_before=NOW + 20)
    taken_back = plan(edited(waiting, rotation=None), NOW + 15)
    assert taken_back.status is not None
    assert [one.serial for one in taken_back.status.credentials] == [1]
    pending = waiting.token.status.credentials[1]
    there = replace(edited(waiting, rotation=None), secret=a_secret(pending), memory=Memory())
    arrived = plan(there, NOW + 15)
    assert arrived.arrives is MintCause.ROTATION_REQUESTED
    assert arrived.status is not None
    assert [one.serial for one in arrived.status.credentials] == [1, 2]


def test_a_rotation_that_was_begun_is_finished_while_other_repairs_wait() -> None:
    """In a scheduled rotation without overlap nothing is valid until then: edited labels are no reason to wait."""
    asked = edited(rotating(id="a"), rotation={"every": "60s", "overlap": "0s"})
    wanted = plan(asked, NOW + 60)
    begun = refused(asked, wanted, not_before=NOW + 200)
    waiting = replace(begun, memory=replace(begun.memory, delivery_error=""))
    again = plan(waiting, NOW + 61)
    assert again.mint is None
    assert again.deliver is not None
    assert again.deliver.subject.serial == 2


def test_a_pending_credential_obeys_the_kill_switch_the_account_and_the_keys() -> None:
    """It is replaced like any other."""
    asked, wanted = rotating_to_b()
    waiting = refused(asked, wanted, not_before=0)
    for changed in (
        replace(waiting, account=an_account(tokensNotBeforeTime="2027-01-15T08:00:15Z")),
        replace(waiting, account=an_account(uid="a-2")),
        replace(waiting, keys=Keys(newest="k2", ids=frozenset({"k2"}))),
    ):
        again = plan(changed, NOW + 20)
        assert again.mint is not None
        assert again.mint.serial == 3


def test_a_credential_that_was_never_delivered_gets_no_overlap() -> None:
    """Nobody has it; a running overlap of the one before goes on."""
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b"}), NOW)
    waiting = replace(edited(rotated, rotation={"id": "c"}), secret=None)
    again = settled(waiting, NOW + 5)
    assert ends(again) == {1: NOW + HOUR, 3: NOW + 5 + 30 * DAY}


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
    """Nobody asked for another one."""
    expired = settled(settled(), NOW + 31 * DAY)
    wanted = plan(replace(expired, account=an_account(uid="a-2")), NOW + 31 * DAY)
    assert wanted.mint is None
