"""A rotation between its mint and its delivery: the next credential is pending until it is in the Secret."""

from dataclasses import replace

import pytest

from common.builders.facts import (
    DAY,
    HOUR,
    NOW,
    a_credential,
    a_secret,
    a_snapshot,
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
from servicetokens.api.conditions import ConditionType
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.actions import MintCause, Plan
from servicetokens.lifecycle.snapshot import Keys, Memory, Snapshot


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
    """No client uses the value yet: Secret, then status; and before that, no condition calls it usable."""
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
    """No client has it; a running overlap of the one before continues."""
    rotated = settled(edited(rotating(id="a"), rotation={"id": "b"}), NOW)
    waiting = replace(edited(rotated, rotation={"id": "c"}), secret=None)
    again = settled(waiting, NOW + 5)
    assert ends(again) == {1: NOW + HOUR, 3: NOW + 5 + 30 * DAY}


def test_a_pending_credential_alone_does_not_survive_another_account() -> None:
    """Without an overlap nothing else is listed: the new account gets a new token, and not that one."""
    asked, wanted = rotating_to_b("0s")
    waiting = refused(asked, wanted, not_before=NOW + 20)
    assert [(one.serial, one.is_pending) for one in waiting.token.status.credentials] == [(2, True)]
    other = plan(replace(waiting, account=an_account(uid="a-2")), NOW + 20)
    assert other.mint is not None
    assert (other.mint.serial, other.mint.cause) == (3, MintCause.ACCOUNT_REPLACED)
    assert other.status is not None
    assert [one.serial for one in other.status.credentials] == [3]
    assert other.status.account_uid == "a-2"
