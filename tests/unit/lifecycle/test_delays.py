"""Repairs and rejected writes: what waits, for how long, and what is reported meanwhile."""

from dataclasses import replace

from common.builders.facts import (
    NOW,
    a_snapshot,
    carried_out,
    condition,
    edited,
    now_with,
    ours,
    says,
    settled,
    with_status,
)
from common.builders.planning import plan
from servicetokens.lifecycle.snapshot import Memory


def test_a_rejected_secret_is_reported_and_retried_later() -> None:
    """The sentence is the API server's. It changes nothing while it stays the same, and nothing looks ready before."""
    waiting = a_snapshot(memory=Memory(delivery_error="exceeded quota", not_before=NOW + 8))
    wanted = plan(waiting, NOW + 1)
    assert (wanted.mint, wanted.deliver) == (None, None)
    for kind in ("Ready", "SecretSynced", "Active"):
        assert says(wanted, kind) == ("False", "DeliveryFailed")
    assert "exceeded quota. The operator retries" in condition(wanted, "Ready").message
    assert wanted.requeue_at == NOW + 8
    assert [event.reason for event in wanted.events] == ["DeliveryFailed"]
    told = replace(carried_out(waiting, wanted), memory=waiting.memory)
    later = plan(told, NOW + 8)
    assert later.deliver is not None
    assert later.ahead is None
    assert says(later, "SecretSynced") == ("True", "Synced")
    again = replace(told, memory=replace(waiting.memory, not_before=NOW + 16))
    assert plan(again, NOW + 9).status is None


def test_a_secret_that_is_undone_again_waits_and_names_who_did_it() -> None:
    """Or says that it was deleted, which leaves no name. What the Secret does not hold is dropped meanwhile."""
    impatient = Memory(not_before=NOW + 10)
    changed = plan(now_with(ours(verifiers={}, changed_by="rival"), impatient), NOW + 1)
    assert (changed.mint, changed.deliver) == (None, None)
    assert says(changed, "Ready") == ("False", "SecretMissing")
    assert says(changed, "Active") == ("False", "SecretMissing")
    message = condition(changed, "Ready").message
    assert "was changed again by 'rival'" in message
    assert "with delays that double from 10 s to 5 min" in message
    assert "The next token is minted at 2027-01-15T08:00:10Z." in message
    assert changed.status is not None
    assert changed.status.credentials == ()
    assert changed.requeue_at == NOW + 10
    deleted = plan(now_with(None, impatient), NOW + 1)
    assert "was deleted again soon" in condition(deleted, "Ready").message
    assert (
        "changed again soon" in condition(plan(now_with(ours(verifiers={}), impatient), NOW), "Ready").message
    )
    assert plan(now_with(None, impatient), NOW + 10).mint is not None


def test_a_rotation_that_falls_due_while_the_secret_is_fought_over_waits_as_well() -> None:
    """There is nothing to rotate, and the condition has named the time of the next token."""
    rotating = settled(edited(settled(), rotation={"every": "60s"}), NOW)
    impatient = replace(rotating, secret=None, memory=Memory(not_before=NOW + 100))
    waiting = replace(carried_out(impatient, plan(impatient, NOW + 1)), memory=impatient.memory)
    later = plan(waiting, NOW + 70)
    assert (later.mint, later.status, later.requeue_at) == (None, None, NOW + 100)
    assert plan(waiting, NOW + 100).mint is not None
    asked = edited(waiting, rotation={"every": "60s", "id": "now"})
    assert plan(asked, NOW + 70).mint is not None, "somebody asks for it"


def test_an_event_about_a_fight_names_no_time() -> None:
    """Or each would be another Event, instead of one that is counted."""
    notes = set()
    for moment in (10, 20):
        wanted = plan(now_with(None, Memory(not_before=NOW + moment)), NOW + 1)
        notes |= {event.note for event in wanted.events if event.reason == "SecretMissing"}
    assert len(notes) == 1
    assert "2027" not in notes.pop()


def test_an_expired_credential_that_is_written_back_is_dropped_although_nothing_can_be_minted() -> None:
    """Back-off or not: the Secret does not hold it, and no overlap is running."""
    rotated = settled(edited(settled(), rotation={"id": "a", "overlap": "0s"}), NOW)
    dead = settled().token.current
    assert dead is not None
    impatient = Memory(not_before=NOW + 10)
    for credentials in ((dead,), (dead, *rotated.token.status.credentials)):
        revived = replace(with_status(rotated, credentials=credentials), memory=impatient)
        wanted = plan(revived, NOW + 1)
        assert wanted.status is not None
        assert dead.id not in {one.id for one in wanted.status.credentials}


def test_a_new_token_during_an_overlap_says_that_the_older_one_is_valid() -> None:
    """While a rival undoes the Secret, and none is minted."""
    rotated = settled(edited(settled(), rotation={"id": "a"}), NOW)
    waiting = replace(rotated, secret=None, memory=Memory(not_before=NOW + 10))
    wanted = plan(waiting, NOW + 1)
    assert (
        "only the previous token is valid, at most until 2027-01-15t09:00:00z"
        in condition(wanted, "Ready").message.lower()
    )
    alone = carried_out(waiting, wanted)
    assert [one.serial for one in alone.token.status.credentials] == [1]
    assert [one.serial for one in settled(alone, NOW + 20).token.status.credentials] == [1, 3]
    assert settled(alone, NOW + 3600).token.status.credentials[0].serial == 3


def test_a_repeatedly_undone_repair_waits_and_is_reported() -> None:
    """The token itself is fine, so it stays ready; the condition about the Secret says who and when."""
    impatient = Memory(not_before=NOW + 10)
    drifting = now_with(ours(fingerprint="x", changed_by="rival"), impatient)
    wanted = plan(drifting, NOW + 1)
    assert wanted.deliver is None
    assert says(wanted, "Ready") == ("True", "Minted")
    assert says(wanted, "SecretSynced") == ("True", "Synced")
    message = condition(wanted, "SecretSynced").message
    assert "changed again by 'rival'" in message
    assert "The next repair is at 2027-01-15T08:00:10Z." in message
    assert plan(drifting, NOW + 10).deliver is not None


def test_a_rejected_repair_around_the_token_leaves_the_secret_in_sync() -> None:
    """It holds the token; but what the template asks for does not exist."""
    memory = Memory(delivery_error="denied", not_before=NOW + 10)
    wanted = plan(now_with(ours(fingerprint="x"), memory), NOW + 1)
    assert says(wanted, "Ready") == ("False", "DeliveryFailed")
    assert says(wanted, "SecretSynced") == ("True", "Synced")
    assert "denied" in condition(wanted, "SecretSynced").message


def test_the_delay_does_not_apply_to_changes_that_were_not_undone() -> None:
    """A restored Secret in order needs no mint, whatever was remembered."""
    wanted = plan(replace(settled(), memory=Memory(not_before=NOW + 10)), NOW + 1)
    assert (wanted.status, wanted.mint, wanted.deliver) == (None, None, None)
