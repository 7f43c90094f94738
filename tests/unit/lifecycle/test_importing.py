"""Importing a value: once, at the first mint, alongside a minted token, until exactly the cut-over."""

from dataclasses import replace
from typing import Any

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
    has_condition,
    says,
    settled,
    with_status,
)
from common.builders.planning import plan
from servicetokens.api.service_token import ServiceTokenStatus, Verifier
from servicetokens.api.values import format_time
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.importing import find_imported
from servicetokens.lifecycle.snapshot import Importable, Memory, NotImportable, Snapshot

HANDLE = "imp-0123456789abcdef0123456789ab"
FOUND = Importable(HANDLE, Verifier(algorithm="HMACSHA256", key_id="k1", value="imported"))
UNTIL = NOW + 10 * DAY
ASKED: Any = {"secretRef": {"name": "legacy"}, "until": format_time(UNTIL)}


def importing(found: Importable | NotImportable | None = FOUND, **spec: Any) -> Snapshot:
    """Return a token without a credential that asks for an import, and what was found of the value."""
    return replace(a_snapshot(a_token(**({"import": ASKED} | spec))), imported=found)


def imported(now: int = NOW, **spec: Any) -> Snapshot:
    """Return a token whose import has been carried out; the gatherer finds nothing any more."""
    return replace(settled(importing(**spec), now), imported=None)


def ends(snapshot: Snapshot) -> dict[int, int | None]:
    """Return the ends of the live credentials by serial."""
    return {one.serial: one.expiration_time for one in snapshot.token.status.credentials}


def test_the_first_mint_imports_the_value_alongside_a_minted_token() -> None:
    """In one write: the imported value has serial 1 and ends at the cut-over, ours is the current one."""
    wanted = plan(importing(), NOW)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.cause) == (2, MintCause.FIRST)
    assert [(event.type, event.reason) for event in wanted.events] == [("Normal", "TokenImported")]
    assert HANDLE in wanted.events[0].note
    snapshot = imported()
    assert ends(snapshot) == {1: UNTIL, 2: NOW + 30 * DAY}
    taken = find_imported(snapshot.token.status.credentials)
    assert taken is not None
    assert (taken.id, taken.verifier, taken.mint_time) == (HANDLE, FOUND.verifier, NOW)
    assert (snapshot.token.status.serial, snapshot.token.status.token_id) == (2, "ID0000000002")
    assert says(snapshot, "Ready") == ("True", "Minted")
    assert format_time(UNTIL) in condition(snapshot, "Active").message
    assert plan(snapshot, NOW).requeue_at == UNTIL - DAY


def test_after_the_cut_over_it_is_forgotten() -> None:
    """At the very second; the token of our own goes on."""
    snapshot = imported()
    assert ends(settled(snapshot, UNTIL - 1)) == {1: UNTIL, 2: NOW + 30 * DAY}
    wanted = plan(snapshot, UNTIL)
    assert {event.reason for event in wanted.events} == {"ImportEnded"}
    assert HANDLE in wanted.events[0].note
    after = settled(snapshot, UNTIL)
    assert ends(after) == {2: NOW + 30 * DAY}
    assert format_time(UNTIL) not in condition(after, "Active").message


def test_what_is_found_in_the_secret_later_is_nothing_to_us() -> None:
    """Even if the gatherer showed it again, and also after the cut-over."""
    snapshot = replace(
        imported(), imported=Importable("imp-other", Verifier(algorithm="x", key_id="k1", value="x"))
    )
    for now in (NOW + 5, UNTIL, UNTIL + 1):
        wanted = plan(snapshot, now)
        assert wanted.mint is None
        assert "imp-other" not in repr(wanted.status)


def test_a_lost_status_brings_no_second_import() -> None:
    """The Secret of the token is the witness that something was minted: nothing is imported with the new token."""
    snapshot = replace(imported(), imported=FOUND)
    lost = replace(snapshot, token=replace(snapshot.token, status=ServiceTokenStatus()))
    wanted = plan(lost, NOW + 5)
    assert wanted.status is not None
    assert find_imported(wanted.status.credentials) is None
    assert [event.reason for event in wanted.events] == ["TokenReminted", "ImportSkipped"]


def test_a_status_of_which_only_the_imported_value_is_left_is_mended() -> None:
    """It never becomes the current one: a fresh token is minted next to it, and it lives as long as it was to."""
    snapshot = imported()
    left = tuple(one for one in snapshot.token.status.credentials if one.id == HANDLE)
    mended = settled(with_status(snapshot, credentials=left), NOW + 5)
    assert ends(mended) == {1: ends(snapshot)[1], 3: NOW + 5 + 30 * DAY}
    patient = replace(with_status(snapshot, credentials=left), memory=Memory(not_before=NOW + 100))
    waiting = plan(replace(patient, secret=None), NOW + 5)
    assert waiting.mint is None
    assert waiting.status is not None
    assert waiting.status.credentials == left
    assert says(waiting, "Active") == ("False", "SecretMissing")


def test_an_import_is_on_status_before_the_token_is_delivered_and_survives_a_crash_then() -> None:
    """The value is accepted from the first write on; the token next to it is minted again, and nothing is imported."""
    snapshot = importing()
    wanted = plan(snapshot, NOW)
    assert wanted.ahead is not None
    assert wanted.mint is not None
    assert [(one.id == HANDLE, one.is_pending) for one in wanted.ahead.credentials] == [
        (True, False),
        (False, True),
    ]
    assert wanted.ahead.account_uid == "a-1"
    crashed = replace(snapshot, token=replace(snapshot.token, status=wanted.ahead), imported=None)
    again = plan(crashed, NOW + 1)
    assert (again.ahead, again.arrives) == (None, MintCause.FIRST)
    assert again.status is not None
    assert [(one.serial, one.id == HANDLE) for one in again.status.credentials] == [(1, True), (3, False)]
    assert [event.reason for event in again.events] == ["TokenImported"]


def test_an_import_whose_delivery_was_rejected_is_reported_as_an_import_later() -> None:
    """Nothing of ours was lost, since nothing of ours was there; the message names what is accepted meanwhile."""
    snapshot = importing()
    wanted = plan(snapshot, NOW)
    assert wanted.ahead is not None
    assert wanted.mint is not None
    ahead = wanted.ahead
    minted = next(one for one in ahead.credentials if one.is_pending)
    memory = Memory(minted=minted, minted_for="a-1", delivery_error="exceeded quota", not_before=NOW + 8)
    waiting = replace(snapshot, token=replace(snapshot.token, status=ahead), memory=memory)
    told = plan(waiting, NOW + 1)
    assert told.status is not None
    assert told.status.mint_time is None
    assert "until then only the imported value is valid" in condition(told, "Ready").message
    waiting = replace(waiting, token=replace(waiting.token, status=told.status))
    delivered = plan(waiting, NOW + 8)
    assert delivered.arrives is MintCause.FIRST
    assert [event.reason for event in delivered.events] == ["TokenImported"]


def test_deleted_credentials_and_secret_cause_no_second_import() -> None:
    """The serial on status tells that something was minted."""
    gone = replace(with_status(imported(), credentials=()), secret=None, imported=FOUND)
    wanted = plan(gone, NOW + 5)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.cause) == (3, MintCause.SECRET_LOST)
    assert wanted.status is not None
    assert find_imported(wanted.status.credentials) is None


def test_too_late_for_an_import_a_token_is_minted_alone() -> None:
    """As with an old manifest: the token does not wait for a Secret that is not needed any more."""
    wanted = plan(importing(None), UNTIL)
    assert wanted.mint is not None
    assert wanted.mint.serial == 1
    assert [(event.type, event.reason) for event in wanted.events] == [("Warning", "ImportSkipped")]


@pytest.mark.parametrize(
    ("found", "reason", "stalled", "again"),
    [(None, "ImportSecretMissing", False, 10), (NotImportable("is short"), "ImportRejected", True, 60)],
    ids=["missing", "refused"],
)
def test_what_cannot_be_imported_yet_keeps_the_first_mint_waiting(
    found: NotImportable | None, reason: str, *, stalled: bool, again: int
) -> None:
    """An import could not be made up for. It is checked again later, since that Secret is not watched."""
    wanted = plan(importing(found), NOW)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Ready") == ("False", reason)
    assert [event.reason for event in wanted.events] == [reason]
    assert wanted.status is not None
    assert ("Stalled" in {one.type for one in wanted.status.conditions}) is stalled
    assert wanted.requeue_at == NOW + again
    assert "'token'" in condition(wanted, "Ready").message
    waiting = carried_out(importing(found), wanted)
    assert plan(waiting, UNTIL - 3).requeue_at == UNTIL
    assert plan(edited(waiting, **{"import": None}), NOW + 5).mint is not None
    assert ends(settled(replace(waiting, imported=FOUND), NOW + 5)) == {1: UNTIL, 2: NOW + 5 + 30 * DAY}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"import": ASKED | {"until": format_time(NOW + 90 * DAY + 1)}, "expiresAfter": "1y"}, "90d away"),
        ({"expiresAfter": "9d"}, "expire before"),
        ({"expirationTime": format_time(UNTIL - 1)}, "expire before"),
        ({"rotation": {"every": "9d"}}, "rotated before"),
    ],
)
def test_a_cut_over_that_cannot_be_kept_is_rejected(spec: dict[str, Any], words: str) -> None:
    """Better now than on the day when the value ends too early."""
    wanted = plan(importing(**spec), NOW)
    assert wanted.mint is None
    assert says(wanted, "Ready") == ("False", "ImportRejected")
    assert words in condition(wanted, "Ready").message


@pytest.mark.parametrize(
    "spec",
    [
        {"import": ASKED | {"until": format_time(NOW + 90 * DAY)}, "expiresAfter": "never"},
        {"expiresAfter": "10d"},
        {"rotation": {"every": "10d"}},
        {"rotation": {"id": "one"}},
        {"state": "Revoked"},
    ],
)
def test_a_cut_over_that_can_be_kept_is_kept(spec: dict[str, Any]) -> None:
    """At the bounds, and whatever else is requested."""
    assert len(ends(imported(**spec))) == 2


def test_whatever_else_stands_in_the_way_keeps_the_import_waiting_too() -> None:
    """Here the account. Nothing is half done."""
    wanted = plan(replace(importing(), account=None), NOW)
    assert (wanted.mint, says(wanted, "Ready")) == (None, ("False", "AccountNotFound"))


def test_the_cut_over_may_be_moved_and_removed() -> None:
    """Earlier, later, but not once it is over and not beyond a rotation; without the wish it ends immediately."""
    snapshot = imported()
    earlier = edited(snapshot, **{"import": ASKED | {"until": format_time(NOW + DAY)}})
    assert ends(settled(earlier, NOW + 5)) == {1: NOW + DAY, 2: NOW + 30 * DAY}
    later = edited(snapshot, **{"import": ASKED | {"until": format_time(NOW + 20 * DAY)}})
    assert ends(settled(later, NOW + 5)) == {1: NOW + 20 * DAY, 2: NOW + 30 * DAY}
    assert ends(settled(later, UNTIL)) == {2: NOW + 30 * DAY}
    assert ends(settled(edited(later, rotation={"every": "15d"}), NOW + 5))[1] == NOW + 15 * DAY
    wanted = plan(edited(snapshot, **{"import": None}), NOW + 5)
    assert [event.reason for event in wanted.events] == ["ImportEnded"]
    assert ends(settled(edited(snapshot, **{"import": None}), NOW + 5)) == {2: NOW + 30 * DAY}


@pytest.mark.parametrize("overlap", ["0s", "1h"])
@pytest.mark.parametrize("lost", [False, True], ids=["in order", "Secret lost"])
def test_any_rotation_ends_it_immediately(overlap: str, *, lost: bool) -> None:
    """Whether or not the token before keeps an overlap, and whether or not the Secret was there."""
    snapshot = imported()
    if lost:
        snapshot = replace(snapshot, secret=None)
    rotated = settled(edited(snapshot, rotation={"id": "leak", "overlap": overlap}), NOW + 5)
    assert 1 not in ends(rotated)
    assert rotated.token.status.serial == 3


def test_a_lost_secret_leaves_it() -> None:
    """As it does not change a running overlap: no program has another value yet."""
    assert ends(settled(replace(imported(), secret=None), NOW + 5)) == {1: UNTIL, 3: NOW + 5 + 30 * DAY}


def test_the_account_s_cut_and_another_account_end_it() -> None:
    """As every credential."""
    cut = replace(imported(), account=an_account(tokensNotBeforeTime=format_time(NOW + 5)))
    assert ends(settled(cut, NOW + 5)) == {3: NOW + 6 + 30 * DAY}
    replaced = replace(imported(), account=an_account(uid="a-2"))
    assert ends(settled(replaced, NOW + 5)) == {3: NOW + 5 + 30 * DAY}


def test_an_edited_expiration_on_status_is_repaired() -> None:
    """By the spec, by ninety days, and by the life of the token."""
    snapshot = imported()
    later = tuple(
        one.model_copy(update={"expiration_time": NOW + 80 * DAY}) if one.id == HANDLE else one
        for one in snapshot.token.status.credentials
    )
    assert ends(settled(with_status(snapshot, credentials=later), NOW + 5))[1] == UNTIL
    assert ends(settled(edited(snapshot, expiresAfter="5d"), NOW + 5))[1] == NOW + 5 * DAY


def test_a_near_cut_over_is_reported_once() -> None:
    """A tenth of ten days before it; the condition is there while it is true, and a later cut-over removes it."""
    snapshot = imported()
    assert plan(snapshot, NOW).requeue_at == UNTIL - DAY
    assert not has_condition(settled(snapshot, UNTIL - DAY - 1), "ImportEndingSoon")
    wanted = plan(snapshot, UNTIL - DAY)
    assert [(event.type, event.reason) for event in wanted.events] == [("Warning", "ImportEndingSoon")]
    assert HANDLE in wanted.events[0].note
    warned = settled(snapshot, UNTIL - DAY)
    assert says(warned, "ImportEndingSoon") == ("True", "CutOverNear")
    assert says(warned, "ExpiringSoon") == ("False", "NotExpiringSoon")
    assert plan(warned, UNTIL - DAY).requeue_at == UNTIL
    assert not has_condition(settled(warned, UNTIL), "ImportEndingSoon")
    later = edited(warned, **{"import": ASKED | {"until": format_time(NOW + 20 * DAY)}})
    assert not has_condition(settled(later, UNTIL - DAY), "ImportEndingSoon")


def test_while_the_spec_cannot_be_read_it_stays_as_it_was() -> None:
    """The validator rejects both meanwhile; no guess is made about what was requested."""
    snapshot = imported()
    broken = replace(snapshot, token=replace(snapshot.token, spec=None, spec_error="spec: is odd"))
    wanted = plan(broken, NOW + 5)
    assert wanted.status is not None
    assert wanted.status.credentials == snapshot.token.status.credentials
    assert wanted.events[0].reason == "InvalidSpec"


def test_an_ordinary_token_waits_for_no_import() -> None:
    """With a credential on status it is too late for one, whatever is written into the spec."""
    old = a_credential()
    asked: dict[str, Any] = {"import": ASKED}
    token = a_token(status=ServiceTokenStatus(serial=1, credentials=(old,)), **asked)
    wanted = plan(a_snapshot(token, secret=a_secret(old)), NOW + 5)
    assert says(wanted, "Ready")[1] not in {"ImportSecretMissing", "ImportRejected"}
