"""Setting conditions, announcing ends, and the words for both."""

import dataclasses

import pytest

from common.builders.facts import DAY, NOW, a_snapshot, a_token, condition, edited, says, settled, with_status
from common.builders.planning import plan
from servicetokens.api import times
from servicetokens.api.conditions import Condition, ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.lifecycle.checks import Check, Finding, find_obstacles
from servicetokens.lifecycle.conditions import ConditionUpdate, find, merge
from servicetokens.lifecycle.plan import evaluate
from servicetokens.lifecycle.schedule import (
    delivery_delay,
    expiry_warnings,
    longest_delay,
    next_deadline,
    retry_delay,
)

READY = ConditionType.READY


def test_the_transition_time_moves_only_when_the_status_flips() -> None:
    """Another reason or message is no transition."""
    first = merge((), [ConditionUpdate(READY, "True", Reason.MINTED, "a")], generation=1, now=10)
    same = merge(first, [ConditionUpdate(READY, "True", Reason.REVOKED, "b")], generation=2, now=20)
    flipped = merge(
        same, [ConditionUpdate(READY, "False", Reason.SECRET_CONFLICT, "c")], generation=2, now=30
    )
    assert [found[0].last_transition_time for found in (first, same, flipped)] == [10, 10, 30]
    assert [found[0].observed_generation for found in (first, same, flipped)] == [1, 2, 2]


def test_transient_conditions_are_removed_when_they_are_not_updated() -> None:
    """And keep the moment at which they came while they last."""
    stalled = [ConditionUpdate(ConditionType.STALLED, "True", Reason.INVALID_SPEC, "a")]
    first = merge((), stalled, generation=1, now=10)
    assert merge(first, stalled, generation=1, now=20) == first
    assert merge(first, [], generation=1, now=30) == ()


def test_conditions_of_others_stay_and_the_order_is_the_alphabets() -> None:
    """Whatever other writers add, in any order."""
    foreign = Condition(type="Zebra", status="True", last_transition_time=1, reason="X", message="")
    updates = [
        ConditionUpdate(READY, "True", Reason.MINTED, ""),
        ConditionUpdate(ConditionType.ACTIVE, "True", Reason.VALID, ""),
    ]
    merged = merge((foreign,), updates, generation=1, now=2)
    assert [one.type for one in merged] == ["Active", "Ready", "Zebra"]
    assert merged[2] is foreign
    assert find(merged, READY) is merged[1]
    assert find(merged, ConditionType.STALLED) is None


def test_both_generations_follow_every_change_of_the_spec() -> None:
    """Or `kubectl wait` hangs; nothing else moves."""
    before = settled()
    wanted = plan(edited(before, description="x"), NOW + 9)
    assert wanted.status is not None
    assert wanted.status.observed_generation == 2
    assert {one.observed_generation for one in wanted.status.conditions} == {2}
    assert [one.last_transition_time for one in wanted.status.conditions] == [
        one.last_transition_time for one in before.token.status.conditions
    ]
    assert wanted.events == ()


def test_the_last_use_is_the_validators_and_stays() -> None:
    """The operator writes all of status, and nothing over this."""
    wanted = plan(edited(with_status(settled(), last_used_time=77), description="x"), NOW)
    assert wanted.status is not None
    assert wanted.status.last_used_time == 77


# Announcing the expiration.


@pytest.mark.parametrize(
    ("life", "expected"),
    [
        (365 * DAY, [(30 * DAY, "30Days"), (7 * DAY, "7Days"), (DAY, "1Day")]),
        (90 * DAY, [(30 * DAY, "30Days"), (7 * DAY, "7Days"), (DAY, "1Day")]),
        (60 * DAY, [(20 * DAY, "AThird"), (6 * DAY, "ATenth"), (DAY, "1Day")]),
        (9 * DAY, [(3 * DAY, "AThird"), (9 * DAY // 10, "ATenth")]),
        (60, [(20, "AThird"), (6, "ATenth")]),
    ],
)
def test_an_expiration_is_announced_by_days_or_by_shares_of_a_short_lifetime(
    life: int, expected: list[tuple[int, str]]
) -> None:
    """The further away, the earlier; always in this order."""
    warnings = expiry_warnings(NOW, NOW + life)
    assert [(NOW + life - one.at, one.reason.value) for one in warnings] == [
        (left, f"ExpiresWithin{reason}") for left, reason in expected
    ]


def test_each_threshold_is_one_warning_at_its_second() -> None:
    """The condition flips once, its reason changes with each of them, and it waits for the next."""
    snapshot, told = settled(a_snapshot(a_token(expiresAfter="100d"))), []
    for day in (70, 93, 99):
        assert plan(snapshot, NOW + day * DAY - 1).events == ()
        assert plan(snapshot, NOW + day * DAY - 1).requeue_at == NOW + day * DAY
        wanted = plan(snapshot, NOW + day * DAY)
        told += [(event.type, event.reason) for event in wanted.events]
        snapshot = settled(snapshot, NOW + day * DAY)
        assert says(snapshot, "ExpiringSoon")[0] == "True"
        assert condition(snapshot, "ExpiringSoon").last_transition_time == NOW + 70 * DAY
    assert told == [("Warning", "TokenExpiringSoon")] * 3


def test_a_token_that_rotates_is_never_announced() -> None:
    """Its end does not come."""
    snapshot = settled(a_snapshot(a_token(rotation={"every": "29d"})))
    assert says(settled(snapshot, NOW + 28 * DAY), "ExpiringSoon") == ("False", "NotExpiringSoon")
    assert plan(snapshot, NOW).requeue_at == NOW + 29 * DAY
    by_id = settled(a_snapshot(a_token(rotation={"id": "a"})))
    assert says(settled(by_id, NOW + 28 * DAY), "ExpiringSoon")[0] == "True"


def test_a_fixed_end_after_the_last_rotation_is_announced() -> None:
    """From then on nothing is renewed."""
    token = a_token(expirationTime="2027-02-04T08:00:00Z", rotation={"every": "15d"})
    rotated = settled(settled(a_snapshot(token)), NOW + 15 * DAY)
    assert plan(rotated, NOW + 15 * DAY).requeue_at is not None
    soon = settled(rotated, NOW + 20 * DAY - 60)
    assert says(soon, "ExpiringSoon")[0] == "True"


def test_rotations_before_a_fixed_end_neither_prevent_nor_delay_its_announcement() -> None:
    """Days before it as for any other token, without a change at the rotations, and with advice that helps."""
    token = a_token(expirationTime="2027-04-15T08:00:00Z", rotation={"every": "9d"})
    token = dataclasses.replace(token, created_at=NOW)
    snapshot = settled(a_snapshot(token))
    end = snapshot.token.status.expiration_time
    assert end is not None
    said = []
    for day in range((end - NOW) // DAY):
        # With a rotation in between the Secret follows, and is looked at again.
        snapshot = settled(snapshot, NOW + day * DAY)
        found = condition(snapshot, "ExpiringSoon")
        assert (found.status == "True") is (end - NOW - day * DAY <= 30 * DAY), day
        said.append(found)
    assert (snapshot.token.status.serial or 0) > 4
    assert {one.last_transition_time for one in said if one.status == "True"} == {end - 30 * DAY}
    assert "A rotation does not change that; set a later `spec.expirationTime`." in said[-1].message
    assert "`spec.rotation.every`" not in said[-1].message
    assert said[-1].reason == "ExpiresWithin1Day"


# Words.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(60, "1m"), (90, "90s"), (3600, "1h"), (90 * DAY, "90d"), (7 * DAY, "1w"), (365 * DAY, "1y"), (0, "0s")],
)
def test_durations_are_said_as_people_write_them(seconds: int, text: str) -> None:
    """In the largest unit that is exact."""
    assert times.duration(seconds) == text


def test_moments_are_rfc_3339_or_never() -> None:
    """As on status."""
    assert times.moment(NOW) == "2027-01-15T08:00:00Z"
    assert times.moment(None) == "never"


def test_the_next_deadline_is_the_first_that_is_still_to_come() -> None:
    """One that has come is no reason to be woken again."""
    assert next_deadline(10, 5, 10, 30, None, 20) == 20
    assert next_deadline(10, 10, None) is None


def test_delays_grow_to_five_minutes_whatever_the_count() -> None:
    """Also after years of failures."""
    assert [retry_delay(attempts) for attempts in (0, 1, 2, 5, 6, 10**9)] == [0, 10, 20, 160, 300, 300]


def test_a_rejected_secret_is_retried_within_ten_seconds_however_often_it_failed() -> None:
    """Only very many tokens that wait at the same time wait longer."""
    assert [delivery_delay(failures, 1, 0.1) for failures in range(1, 8)] == [1, 2, 4, 8, 8, 8, 8]
    assert delivery_delay(10_000, 1, 0.1) == 8
    assert delivery_delay(1, 1000, 0.0) == 20


def test_what_an_attempt_took_counts_as_waiting() -> None:
    """A webhook that hangs is asked again soon after each time-out, unless many tokens wait for it."""
    assert [delivery_delay(9, 1, took) for took in (0.0, 2.9, 5.0, 10.0)] == [8, 6, 3, 1]
    assert delivery_delay(9, 80, 10.0) == 90


def test_other_failures_are_retried_as_soon_unless_many_requests_fail() -> None:
    """Together they ask the API server a bounded number of times, and occupy a bounded number of workers."""
    assert longest_delay(1, 0.0) == 8
    assert longest_delay(1000, 0.0) == 20
    assert longest_delay(80, 10.0) == 90
    assert longest_delay(10**6, 0.0) == 300


def finding_always(found: Finding | None) -> Check:
    """Return a check with that result."""
    return lambda _: found


def test_a_finding_that_blocks_nothing_hides_none_that_does() -> None:
    """Whatever the order of the checks becomes: they are asked up to the first that blocks the mint."""
    said = Finding(Reason.ROLE_NOT_GRANTED, "It goes on without.", blocks_mint=False)
    blocks = Finding(Reason.KEY_MISSING, "It does not.")
    later = Finding(Reason.SECRET_CONFLICT, "It is not asked.")
    ordered = tuple(finding_always(found) for found in (None, said, blocks, later))
    assert find_obstacles(evaluate(a_snapshot(), NOW), ordered) == (said, blocks)
