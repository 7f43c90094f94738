"""Rotating: automatically, or by a changed id."""

import pytest

from common.builders.facts import (
    DAY,
    HOUR,
    NOW,
    a_snapshot,
    a_token,
    carried_out,
    edited,
    ends,
    rotating,
    says,
    settled,
)
from common.builders.planning import plan
from servicetokens.lifecycle.actions import MintCause


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
