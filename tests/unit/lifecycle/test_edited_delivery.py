"""A status whose `delivery` and `mintTime` a user has edited, while the Secret is as it was: the Secret witnesses."""

from dataclasses import replace

import pytest

from common.builders.facts import (
    DAY,
    NOW,
    a_snapshot,
    a_token,
    an_account,
    carried_out,
    edited,
    says,
    settled,
    with_status,
)
from common.builders.planning import plan
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle.snapshot import Keys, Snapshot

HOUR = 3600


def marked_pending(snapshot: Snapshot, now: int, *before: Credential) -> Snapshot:
    """Return *snapshot* after its newest credential was made one that is pending and was minted at *now*."""
    newest = snapshot.token.status.credentials[-1]
    forged = newest.model_copy(update={"delivery": "Pending", "mint_time": now, "expiration_time": None})
    edit = with_status(
        snapshot,
        credentials=(*before, forged),
        mint_time=now,
        expiration_time=None,
        **({"token_id": before[0].id} if before else {}),
    )
    assert edit.secret == snapshot.secret
    return edit


def test_a_live_token_gets_no_longer_life_by_being_marked_as_pending() -> None:
    """On day 29 of 30 it has one more day; the Secret's mark stays as it is."""
    now = NOW + 29 * DAY
    wanted = plan(marked_pending(settled(), now), now)
    assert wanted.mint is None
    assert wanted.deliver is None
    assert wanted.status is not None
    (current,) = wanted.status.credentials
    assert (current.mint_time, current.expiration_time, current.is_pending) == (NOW, NOW + 30 * DAY, False)
    assert (wanted.status.mint_time, wanted.status.expiration_time) == (NOW, NOW + 30 * DAY)


def test_a_delivered_token_that_is_marked_as_pending_is_not_called_new() -> None:
    """Only the mark goes away: nothing was minted, and no Event says so."""
    wanted = plan(marked_pending(settled(), NOW), NOW + 10)
    assert (wanted.mint, wanted.deliver, wanted.arrives, wanted.events) == (None, None, None, ())
    assert wanted.status is not None
    assert [one.is_pending for one in wanted.status.credentials] == [False]


@pytest.mark.parametrize("is_blocked", [False, True])
def test_an_expired_token_does_not_come_back_by_being_marked_as_pending(is_blocked: bool) -> None:
    """Its value is over, and it leaves status, also where another one cannot be minted at the moment."""
    now = NOW + 40 * DAY
    expired = marked_pending(settled(), now)
    if is_blocked:
        expired = replace(expired, account=an_account(tokenPolicy={"maxLifetime": "1d"}))
    wanted = plan(expired, now)
    assert (wanted.mint is None) is is_blocked
    assert wanted.status is not None
    assert [one.serial for one in wanted.status.credentials] == ([] if is_blocked else [2])
    assert says(wanted, "Active")[0] == ("False" if is_blocked else "True")


def test_a_token_that_was_cut_does_not_come_back_by_being_marked_as_pending() -> None:
    """It was minted before `tokensNotBeforeTime`, whatever status says now."""
    cut = replace(settled(), account=an_account(tokensNotBeforeTime="2027-01-15T08:00:05Z"))
    wanted = plan(marked_pending(cut, NOW + 10), NOW + 10)
    assert wanted.mint is not None
    assert wanted.status is not None
    assert [one.serial for one in wanted.status.credentials] == [2]


def rotated() -> Snapshot:
    """Return a token that was rotated at NOW, with an overlap of an hour."""
    first = settled(a_snapshot(a_token(rotation={"id": "a", "overlap": "1h"})))
    return settled(edited(first, rotation={"id": "b", "overlap": "1h"}), NOW)


@pytest.mark.parametrize("after", [HOUR // 2, 2 * HOUR, 40 * DAY])
def test_the_old_token_gets_no_other_overlap_by_marking_the_new_one_as_pending(after: int) -> None:
    """It ends with the overlap after the delivery that the Secret witnesses, and with its successor at the latest."""
    there, now = rotated(), NOW + after
    old = there.token.status.credentials[0].model_copy(update={"expiration_time": None, "mint_time": now})
    wanted = plan(marked_pending(there, now, old), now)
    assert wanted.status is not None
    ends = {one.serial: one.expiration_time for one in wanted.status.credentials}
    if after < HOUR:
        assert ends == {1: NOW + HOUR, 2: NOW + 30 * DAY}
    elif after < 30 * DAY:
        assert ends == {2: NOW + 30 * DAY}
    else:
        assert ends == {3: now + 30 * DAY}


def test_repaired_content_stays_repaired() -> None:
    """The next pass finds nothing to do."""
    now = NOW + 29 * DAY
    forged = marked_pending(settled(), now)
    wanted = plan(forged, now)
    again = plan(carried_out(forged, wanted), now)
    assert (again.status, again.mint, again.deliver) == (None, None, None)


def test_a_pending_successor_ends_the_old_one_once_the_overlap_is_nothing() -> None:
    """Shortened while the delivery waits: the old one ends without it."""
    snapshot = edited(settled(), rotation={"id": "b", "overlap": "0s"})
    (old,) = snapshot.token.status.credentials
    pending = old.model_copy(update={"serial": 2, "id": "AAAAAAAAAAAA", "delivery": "Pending"})
    wanted = plan(with_status(snapshot, credentials=(old, pending), serial=2), NOW + 10)
    assert wanted.status is not None
    assert old.serial not in [one.serial for one in wanted.status.credentials]


def test_a_status_without_its_credentials_is_minted_again() -> None:
    """The serial tells that there was one."""
    wanted = plan(with_status(settled(), credentials=()), NOW + 10)
    assert wanted.mint is not None


def test_a_recreated_account_is_named_while_nothing_can_be_minted() -> None:
    """Active says that the token was the old account's."""
    snapshot = settled()
    assert snapshot.account is not None
    other = replace(an_account(tokenPolicy={"maxLifetime": "1d"}), uid="0f0f0f0f-0000-0000-0000-000000000000")
    wanted = plan(replace(snapshot, account=other), NOW + 10)
    assert wanted.status is not None
    (active,) = [one for one in wanted.status.conditions if one.type == "Active"]
    assert active.reason == "AccountReplaced"


def test_a_mint_in_the_future_that_nothing_witnesses_is_not_active() -> None:
    """Validators reject it; without keys the Secret cannot be verified."""
    snapshot = settled()
    (old,) = snapshot.token.status.credentials
    ahead = old.model_copy(update={"mint_time": NOW + HOUR})
    edit = replace(
        with_status(snapshot, credentials=(ahead,)), secret=None, keys=Keys(newest=None, error="Lost.")
    )
    wanted = plan(edit, NOW + 10)
    assert wanted.status is not None
    (active,) = [one for one in wanted.status.conditions if one.type == "Active"]
    assert (active.status, active.reason) == ("False", "MintedInFuture")
    assert "its mint time is in the future" in active.message


def test_a_status_without_its_credentials_and_its_mint_time_is_minted_again() -> None:
    """The serial alone tells that there was one."""
    wanted = plan(with_status(settled(), credentials=(), mint_time=None), NOW + 10)
    assert wanted.mint is not None
    assert wanted.mint.serial == 2


def test_without_an_overlap_the_old_credential_has_ended_before_the_next_is_delivered() -> None:
    """Also where status was edited so that it lists both."""
    before = settled()
    snapshot = replace(
        before, token=replace(before.token, spec=a_token(rotation={"id": "b", "overlap": "0s"}).spec)
    )
    (old,) = snapshot.token.status.credentials
    pending = old.model_copy(update={"serial": 2, "id": "AAAAAAAAAAAA", "delivery": "Pending"})
    both = with_status(snapshot, credentials=(old, pending), serial=2)
    wanted = plan(replace(both, memory=replace(both.memory, minted=pending)), NOW + 10)
    assert wanted.status is not None
    assert [one.serial for one in wanted.status.credentials] == [2]


def test_a_mint_time_that_was_moved_by_hand_escapes_no_cut() -> None:
    """The Secret witnesses when the next credential was written to it, before the operator could say so."""
    asked = edited(settled(), rotation={"id": "b", "overlap": "1h"})
    wanted = plan(asked, NOW + 2)
    written = carried_out(asked, wanted)
    assert wanted.ahead is not None
    old, new = wanted.ahead.credentials
    moved = new.model_copy(update={"mint_time": NOW + 60})
    status = wanted.ahead.model_copy(update={"credentials": (old, moved)})
    by_hand = replace(
        written,
        token=replace(written.token, status=status),
        account=an_account(tokensNotBeforeTime="2027-01-15T08:00:05Z"),
    )
    again = plan(by_hand, NOW + 10)
    assert again.mint is not None
    assert again.status is not None
    assert [one.serial for one in again.status.credentials] == [3]
