"""Unused tokens are flagged, then suspended; a use, `inUseTime` or another policy reverts that."""

from dataclasses import replace
from typing import Any

import pytest

from common.builders.facts import (
    DAY,
    NO_KEYS,
    NOW,
    a_snapshot,
    an_account,
    carried_out,
    condition,
    edited,
    has_condition,
    says,
    settled,
    with_status,
)
from common.builders.planning import plan
from servicetokens.api.values import format_time
from servicetokens.lifecycle.actions import Plan
from servicetokens.lifecycle.snapshot import Snapshot

HOUR = 3600
BOTH = {"unusedFor": "90d", "suspendUnusedAfter": "30d"}
FLAG_ONLY = {"unusedFor": "90d"}
FLAGGED = NOW + 90 * DAY
SUSPENDED = FLAGGED + 30 * DAY


def under(policy: dict[str, str] | None, snapshot: Snapshot | None = None, **account: Any) -> Snapshot:
    """Return a token without an expiration, minted at NOW, of an account with *policy*; others are in use."""
    found = snapshot or settled(edited(a_snapshot(), expiresAfter="never"))
    changed = {**account, **({} if policy is None else {"tokenPolicy": policy})}
    return replace(found, account=an_account(**changed), latest_use=10 * SUSPENDED)


def at(snapshot: Snapshot, now: int) -> Snapshot:
    """Return *snapshot* when the operator has done everything at *now*, in one pass."""
    found = carried_out(snapshot, plan(snapshot, now))
    again = plan(found, now)
    assert (again.status, again.events, again.mint) == (None, (), None), "one pass is enough"
    return found


def events(found: Plan) -> list[str]:
    """Return the reasons of the Events."""
    return [event.reason for event in found.events]


@pytest.fixture
def flagged() -> Snapshot:
    """A token that was not used for ninety days, and is to be suspended."""
    return at(under(BOTH), FLAGGED)


@pytest.fixture
def suspended(flagged: Snapshot) -> Snapshot:
    """The same a month later."""
    return at(flagged, SUSPENDED)


def test_it_is_flagged_when_the_time_is_over_and_not_before() -> None:
    """Nothing is written until then; the operator wakes for it."""
    snapshot = under(BOTH)
    early = plan(snapshot, FLAGGED - 1)
    assert (early.status, early.requeue_at) == (None, FLAGGED)
    wanted = plan(snapshot, FLAGGED)
    assert says(wanted, "Unused") == ("True", "UnusedForLong")
    assert says(wanted, "Active") == ("True", "Valid")
    assert wanted.status is not None
    assert (wanted.status.unused_since_time, wanted.status.suspension_time) == (NOW, None)
    assert events(wanted) == ["TokenUnused"]
    message = condition(wanted, "Unused").message
    assert format_time(NOW) in message
    assert "`unusedFor: 90d`" in message
    assert format_time(SUSPENDED) in message
    assert wanted.requeue_at == SUSPENDED


def test_it_is_suspended_after_it_was_flagged_for_long_enough(flagged: Snapshot) -> None:
    """The time is written down, and the message says how to undo it."""
    early = plan(flagged, SUSPENDED - 1)
    assert (early.status, early.events, early.requeue_at) == (None, (), SUSPENDED)
    wanted = plan(flagged, SUSPENDED + 5)
    assert says(wanted, "Active") == ("False", "UnusedForLong")
    assert says(wanted, "Ready") == ("True", "Minted")
    assert says(wanted, "Unused") == ("True", "UnusedForLong")
    assert wanted.status is not None
    assert wanted.status.suspension_time == SUSPENDED + 5
    assert events(wanted) == ["TokenSuspended"]
    assert "`spec.inUseTime`" in condition(wanted, "Active").message
    rest = plan(carried_out(flagged, wanted), SUSPENDED + 1000 * DAY)
    assert (rest.status, rest.requeue_at) == (None, None)


def test_without_a_second_period_it_is_only_flagged() -> None:
    """What a dry run is: the token stays valid indefinitely."""
    flagged = at(under(FLAG_ONLY), FLAGGED)
    assert "stays valid" in condition(flagged, "Unused").message
    rest = plan(flagged, FLAGGED + 1000 * DAY)
    assert (rest.status, rest.requeue_at) == (None, None)


def test_without_a_policy_nothing_is_unused() -> None:
    """However long it is, and whatever else the policy says."""
    wanted = plan(under(None), NOW + 10_000 * DAY)
    assert (wanted.status, wanted.requeue_at) == (None, None)
    limited = under({"maxLifetime": "100y"}, settled(edited(a_snapshot(), expiresAfter="100y")))
    assert plan(limited, NOW + 10_000 * DAY).status is None


@pytest.mark.parametrize("latest", [None, NOW - DAY, FLAGGED - 1])
def test_silence_is_no_evidence(latest: int | None) -> None:
    """While no use of any token is reported, none is flagged; the operator looks again in an hour."""
    snapshot = replace(under(BOTH), latest_use=latest)
    wanted = plan(snapshot, FLAGGED + 40 * DAY)
    assert (wanted.status, wanted.requeue_at) == (None, FLAGGED + 40 * DAY + HOUR)
    heard = at(replace(snapshot, latest_use=FLAGGED), FLAGGED + 40 * DAY)
    assert has_condition(heard, "Unused")


@pytest.mark.parametrize("latest", [None, FLAGGED, SUSPENDED - 1])
def test_nothing_is_suspended_in_silence(flagged: Snapshot, latest: int | None) -> None:
    """Validators that went away after it was flagged may have a use to report."""
    wanted = plan(replace(flagged, latest_use=latest), SUSPENDED + DAY)
    assert (wanted.status, wanted.requeue_at) == (None, SUSPENDED + DAY + HOUR)
    assert plan(replace(flagged, latest_use=SUSPENDED), SUSPENDED + DAY).status is not None


def test_a_suspension_stands_in_silence(suspended: Snapshot) -> None:
    """Also after a restart of the operator that has heard of no use since."""
    assert plan(replace(suspended, latest_use=None), SUSPENDED + DAY).status is None


def test_a_validator_whose_clock_is_ahead_hastens_nothing() -> None:
    """What was reported for tomorrow is known up to today."""
    snapshot = replace(under(BOTH), latest_use=NOW + 10_000 * DAY)
    assert plan(snapshot, FLAGGED - 1).status is None


def test_a_use_puts_it_off(flagged: Snapshot) -> None:
    """Before the flag, and after it: then the flag goes, without an Event."""
    used = with_status(under(BOTH), last_used_time=NOW + 60 * DAY)
    assert plan(used, FLAGGED).requeue_at == NOW + 150 * DAY
    wanted = plan(with_status(flagged, last_used_time=FLAGGED + 20 * DAY), FLAGGED + 20 * DAY)
    assert not has_condition(wanted, "Unused")
    assert wanted.status is not None
    assert wanted.status.unused_since_time is None
    assert events(wanted) == []
    assert wanted.requeue_at == FLAGGED + 110 * DAY


def test_a_notice_in_the_future_is_forged_and_begins_now(flagged: Snapshot) -> None:
    """One pass repairs it; from then on the notice has its whole time."""
    planted = tuple(
        one.model_copy(update={"last_transition_time": FLAGGED + 365 * DAY}) if one.type == "Unused" else one
        for one in flagged.token.status.conditions
    )
    found = at(with_status(flagged, conditions=planted), FLAGGED + DAY)
    assert says(plan(found, SUSPENDED + DAY), "Active") == ("False", "UnusedForLong")


def test_a_use_in_the_future_is_forged_and_delays_nothing() -> None:
    """A token would never be unused otherwise."""
    snapshot = with_status(under(BOTH), last_used_time=FLAGGED + 365 * DAY)
    assert says(plan(snapshot, FLAGGED), "Unused") == ("True", "UnusedForLong")


def test_a_use_that_was_reported_late_lifts_the_suspension(suspended: Snapshot) -> None:
    """Just before it, at a validator that had to wait for its turn to write."""
    wanted = plan(with_status(suspended, last_used_time=SUSPENDED - 10), SUSPENDED + 10)
    assert says(wanted, "Active") == ("True", "Valid")
    assert events(wanted) == ["TokenResumed"]
    assert not has_condition(wanted, "Unused")


def test_an_in_use_time_lifts_both(flagged: Snapshot, suspended: Snapshot) -> None:
    """It counts as a use at that moment; the same token is accepted again."""
    for before, now in ((flagged, FLAGGED + DAY), (suspended, SUSPENDED + DAY)):
        said = edited(before, inUseTime=format_time(now - 60))
        wanted = plan(said, now)
        assert says(wanted, "Active") == ("True", "Valid")
        assert not has_condition(wanted, "Unused")
        assert wanted.mint is None
        assert wanted.status is not None
        assert wanted.status.suspension_time is None
        assert wanted.requeue_at == now - 60 + 90 * DAY


def test_an_old_word_lifts_nothing(suspended: Snapshot) -> None:
    """It is over like a use of that time."""
    wanted = plan(edited(suspended, inUseTime=format_time(NOW + DAY)), SUSPENDED + DAY)
    assert says(wanted, "Active") == ("False", "UnusedForLong")
    assert events(wanted) == []


def test_after_it_was_lifted_it_has_as_long_as_any_other(suspended: Snapshot) -> None:
    """The word may be removed immediately: the time counts from when it was accepted again."""
    now = SUSPENDED + DAY
    lifted = at(edited(suspended, inUseTime=format_time(now)), now)
    assert plan(edited(lifted, inUseTime=None), now + DAY).requeue_at == now + 90 * DAY


def test_a_moment_to_come_exempts_until_then() -> None:
    """As for a token in a safe."""
    kept = edited(under(BOTH), inUseTime=format_time(NOW + 1000 * DAY))
    assert plan(kept, NOW + 900 * DAY).requeue_at == NOW + 1090 * DAY


@pytest.mark.parametrize(
    "policy",
    [
        None,
        FLAG_ONLY,
        {**BOTH, "unusedFor": "200d"},
        {**BOTH, "suspendUnusedAfter": "90d"},
    ],
)
def test_another_policy_lifts_the_suspension(suspended: Snapshot, policy: dict[str, str] | None) -> None:
    """Removed or raised: accepted again, and with the whole time before it."""
    now = SUSPENDED + DAY
    lifted = under(policy, suspended)
    wanted = plan(lifted, now)
    assert says(wanted, "Active") == ("True", "Valid")
    assert not has_condition(wanted, "Unused")
    assert events(wanted) == ["TokenResumed"]
    if policy and "unusedFor" in policy:
        assert wanted.requeue_at is not None
    again = at(under(BOTH, at(lifted, now)), now + DAY)
    assert plan(again, now + 2 * DAY).requeue_at == now + 90 * DAY


def test_a_shorter_policy_still_gives_notice() -> None:
    """A token that is unused for years is flagged for the whole second period first."""
    now = NOW + 1000 * DAY
    flagged = at(under({"unusedFor": "1d", "suspendUnusedAfter": "2d"}), now)
    assert plan(flagged, now + 2 * DAY - 1).status is None
    assert says(plan(flagged, now + 2 * DAY), "Active") == ("False", "UnusedForLong")


def test_an_operator_that_was_away_gives_notice_of_what_is_new(flagged: Snapshot) -> None:
    """It was used while the operator was away, and then unused for long again: the period counts from that."""
    used = FLAGGED + 10 * DAY
    now = used + 95 * DAY
    found = plan(with_status(flagged, last_used_time=used), now)
    assert not has_condition(found, "Unused")
    assert found.requeue_at == now + 1
    anew = plan(carried_out(flagged, found), now + 1)
    assert events(anew) == ["TokenUnused"]
    assert anew.requeue_at == now + 1 + 30 * DAY
    silent = plan(replace(carried_out(flagged, found), latest_use=used), now + 1)
    assert not has_condition(silent, "Unused"), "nothing is known of the time since"


def test_a_word_holds_that_was_said_while_the_operator_was_away(suspended: Snapshot) -> None:
    """The validator has accepted the token since then, so it is not rejected again without notice."""
    now = SUSPENDED + 500 * DAY
    said = edited(suspended, inUseTime=format_time(SUSPENDED))
    wanted = plan(said, now)
    assert says(wanted, "Active") == ("True", "Valid")
    assert plan(carried_out(said, wanted), now + 1).requeue_at == now + 90 * DAY


def test_what_cannot_be_used_is_not_unused() -> None:
    """The time of an account's suspension does not count; from its end on it does."""
    idle = at(under(BOTH, state="Suspended"), NOW + DAY)
    assert plan(idle, NOW + 500 * DAY).status is None
    back = at(under(BOTH, idle), NOW + 500 * DAY)
    assert not has_condition(back, "Unused")
    assert plan(back, NOW + 500 * DAY).requeue_at == NOW + 590 * DAY


def test_the_notice_does_not_run_while_the_account_is_suspended(flagged: Snapshot) -> None:
    """The flag stays meanwhile, and goes when the token can be used again."""
    idle = at(under(BOTH, flagged, state="Suspended"), FLAGGED + DAY)
    much_later = plan(idle, SUSPENDED + 500 * DAY)
    assert (much_later.status, much_later.requeue_at) == (None, None)
    assert has_condition(idle, "Unused")
    assert not has_condition(at(under(BOTH, idle), SUSPENDED), "Unused")


def test_a_suspension_outlives_that_of_the_account(suspended: Snapshot) -> None:
    """An incident must not restore an unused token."""
    both = at(under(BOTH, suspended, state="Suspended"), SUSPENDED + DAY)
    assert says(both, "Active") == ("False", "AccountSuspended")
    assert says(at(under(BOTH, both), SUSPENDED + 2 * DAY), "Active") == ("False", "UnusedForLong")


@pytest.mark.parametrize("what", ["no account", "a going account", "an invalid account", "an invalid token"])
def test_what_is_not_known_decides_nothing(suspended: Snapshot, what: str) -> None:
    """Neither for nor against: the times stay, and the condition is there again afterwards."""
    account = suspended.account
    assert account is not None
    unknown = {
        "no account": replace(suspended, account=None),
        "a going account": replace(suspended, account=replace(account, deleting=True)),
        "an invalid account": replace(suspended, account=replace(account, spec=None, spec_error="spec: odd")),
        "an invalid token": replace(
            suspended, token=replace(suspended.token, spec=None, spec_error="spec: odd")
        ),
    }[what]
    wanted = plan(unknown, SUSPENDED + DAY)
    assert says(wanted, "Active")[0] != "True"
    assert wanted.status is not None
    assert wanted.status.suspension_time == SUSPENDED
    after = carried_out(unknown, wanted)
    known = replace(after, account=account, token=replace(after.token, spec=suspended.token.spec))
    wanted = plan(known, SUSPENDED + 2 * DAY)
    assert says(wanted, "Active") == ("False", "UnusedForLong")
    assert events(wanted) == []


def test_revoking_and_restoring_is_an_undo(suspended: Snapshot) -> None:
    """Restoring a token counts as a need for it."""
    revoked = at(edited(suspended, state="Revoked"), SUSPENDED + DAY)
    assert says(revoked, "Active") == ("False", "Revoked")
    assert not has_condition(revoked, "Unused")
    assert revoked.token.status.suspension_time is None
    restored = at(edited(revoked, state=None), SUSPENDED + 2 * DAY)
    assert says(restored, "Active") == ("True", "Valid")
    assert plan(restored, SUSPENDED + 2 * DAY).requeue_at == SUSPENDED + 92 * DAY


def test_an_end_makes_an_end_of_it() -> None:
    """What is expired is neither flagged nor suspended; a later end begins again."""
    snapshot = edited(under(BOTH), expiresAfter="125d")
    gone = at(at(at(snapshot, FLAGGED), SUSPENDED), NOW + 125 * DAY)
    assert says(gone, "Active") == ("False", "Expired")
    assert not has_condition(gone, "Unused")
    fresh = settled(edited(gone, expiresAfter="1000d"), NOW + 130 * DAY)
    assert says(fresh, "Active") == ("True", "Valid")
    assert fresh.token.status.suspension_time is None


def test_a_rotation_is_no_use() -> None:
    """The clock does it; and it goes on after the suspension, so that what is restored works."""
    snapshot = settled(under(BOTH, edited(a_snapshot(), expiresAfter="never", rotation={"every": "40d"})))
    for days in (40, 80):
        snapshot = settled(snapshot, NOW + days * DAY)
    snapshot = at(snapshot, FLAGGED)
    assert has_condition(snapshot, "Unused")
    snapshot = at(settled(snapshot, SUSPENDED), SUSPENDED)
    assert says(snapshot, "Active") == ("False", "UnusedForLong")
    wanted = plan(snapshot, SUSPENDED + 41 * DAY)
    assert wanted.mint is not None
    assert says(wanted, "Active") == ("False", "UnusedForLong")
    assert says(wanted, "SecretSynced") == ("True", "Synced")


def test_a_forged_suspension_is_corrected() -> None:
    """By the policy, or without one."""
    for policy in (None, BOTH):
        wanted = plan(with_status(under(policy), suspension_time=NOW), NOW + DAY)
        assert wanted.status is not None
        assert wanted.status.suspension_time is None


def test_without_keys_nothing_is_decided_in_a_hurry(flagged: Snapshot) -> None:
    """Nothing can be used then; when they are back the time begins again."""
    lost = at(replace(flagged, keys=NO_KEYS), SUSPENDED + DAY)
    assert says(lost, "Active") == ("False", "KeyMissing")
    assert lost.token.status.suspension_time is None
    back = at(replace(lost, keys=flagged.keys), SUSPENDED + 2 * DAY)
    assert says(back, "Active") == ("True", "Valid")
    assert not has_condition(back, "Unused")
