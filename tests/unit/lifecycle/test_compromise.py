"""A value that has leaked has no overlap, also once the token is restored; and values that status does not list."""

from dataclasses import replace
from typing import Any

import pytest

from common.builders.facts import (
    NOW,
    a_credential,
    a_secret,
    a_snapshot,
    a_token,
    carried_out,
    condition,
    edited,
    says,
    settled,
)
from common.builders.planning import plan
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.lifecycle.snapshot import Memory, Snapshot

HOUR = 3600
WITHOUT_OVERLAP = "there is no overlap"


def revoked(snapshot: Snapshot, reason: str, **spec: object) -> Snapshot:
    """Return *snapshot* after it was revoked for *reason*."""
    return edited(snapshot, state="Revoked", revocationReason=reason, **spec)


def serials(snapshot: Snapshot) -> list[int]:
    """Return the serials on status."""
    return [one.serial for one in snapshot.token.status.credentials]


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("KeyCompromise", [2]),
        ("Superseded", [1, 2]),
        ("Unspecified", [1, 2]),
        ("CessationOfOperation", [1, 2]),
    ],
)
def test_a_rotation_of_a_compromised_token_has_no_overlap(reason: str, kept: list[int]) -> None:
    """Restored within the hour, the value that leaked is not valid again; after other revocations it is."""
    snapshot = settled(revoked(settled(), reason), NOW + 5)
    asked = edited(snapshot, rotation={"id": "b", "overlap": "1h"})
    wanted = plan(asked, NOW + 9)
    (rotated,) = (event for event in wanted.events if event.reason == "TokenRotated")
    assert (WITHOUT_OVERLAP in rotated.note) is (kept == [2])
    after = settled(carried_out(asked, wanted), NOW + 9)
    assert serials(after) == kept
    assert ("Only its newest credential is kept" in condition(after, "Active").message) is (kept == [2])
    restored = settled(edited(after, state=None, revocationReason=None), NOW + 20)
    assert serials(restored) == kept
    assert says(restored, "Active") == ("True", "Valid")


def test_a_compromise_ends_an_overlap_that_is_running() -> None:
    """Which of the two values leaked is unknown; a token that is restored accepts the one in its Secret."""
    rotated = settled(edited(settled(), rotation={"id": "b", "overlap": "1h"}), NOW + 5)
    assert serials(rotated) == [1, 2]
    compromised = settled(revoked(rotated, "KeyCompromise"), NOW + 9)
    assert serials(compromised) == [2]
    restored = settled(edited(compromised, state=None, revocationReason=None), NOW + 20)
    assert serials(restored) == [2]


def test_the_old_value_of_a_compromised_token_does_not_wait_for_the_delivery() -> None:
    """And the condition names what ended it."""
    snapshot = settled(revoked(settled(), "KeyCompromise"), NOW + 5)
    asked = edited(snapshot, rotation={"id": "b", "overlap": "1h"})
    wanted = plan(asked, NOW + 9)
    assert wanted.ahead is not None
    assert [(one.serial, one.is_pending) for one in wanted.ahead.credentials] == [(2, True)]
    memory = Memory(
        minted=wanted.ahead.credentials[0],
        minted_for="a-1",
        delivery_error="exceeded quota",
        not_before=NOW + 30,
    )
    told = plan(replace(asked, token=replace(asked.token, status=wanted.ahead), memory=memory), NOW + 10)
    assert "`revocationReason: KeyCompromise` ended the previous one" in condition(told, "Ready").message


@pytest.mark.parametrize(("overlap", "says_so"), [("0s", True), ("1h", False)])
def test_the_event_of_a_rotation_says_that_there_is_no_overlap(overlap: str, says_so: bool) -> None:
    """Workloads that have not read the new value are rejected from now on."""
    wanted = plan(edited(settled(), rotation={"id": "b", "overlap": overlap}), NOW + 5)
    (rotated,) = wanted.events
    assert rotated.reason == "TokenRotated"
    assert (WITHOUT_OVERLAP in rotated.note) is says_so


# Values that status does not list.


@pytest.mark.parametrize("spec", [{}, {"state": "Revoked"}, {"rotation": {"id": "a"}}], ids=str)
def test_a_status_that_was_emptied_by_hand_is_an_event(spec: dict[str, Any]) -> None:
    """The value in the Secret, which clients use, is replaced: an Event reports that, as when the Secret was lost."""
    before = settled(a_snapshot(a_token(**spec)))
    assert before.secret is not None
    emptied = replace(
        before,
        token=replace(before.token, status=ServiceTokenStatus()),
        secret=replace(before.secret, verifiers={"k1": "of a value that was minted before"}),
    )
    wanted = plan(emptied, NOW + 9)
    assert wanted.mint is not None
    (reminted,) = (event for event in wanted.events if event.reason == "TokenReminted")
    assert "matches no token in status" in reminted.note
    after = carried_out(emptied, wanted)
    assert not any(event.reason == "TokenReminted" for event in plan(after, NOW + 9).events)


def test_a_secret_from_a_backup_whose_value_is_replaced_is_an_event() -> None:
    """It came back before its token, which has no status: the old value is rejected."""
    for secret in (a_secret(uid="u-0"), a_secret(controller=None)):
        wanted = plan(a_snapshot(secret=secret), NOW)
        assert [event.reason for event in wanted.events] == ["TokenReminted"]


def test_a_first_mint_that_replaces_nothing_is_no_event() -> None:
    """Neither an ordinary one, nor one whose status was rejected after the Secret had been written."""
    assert plan(a_snapshot(), NOW).events == ()
    minted = a_credential()
    written = a_snapshot(secret=a_secret(minted), memory=Memory(minted=minted, minted_for="a-1"))
    wanted = plan(written, NOW + 1)
    assert (wanted.mint, wanted.arrives is not None) == (None, True)
    assert wanted.events == ()
