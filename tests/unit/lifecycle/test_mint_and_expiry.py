"""Mint and expiry: when there is a credential, when it ends, and when another one comes after it."""

from dataclasses import replace

import pytest

from common.builders.facts import (
    DAY,
    NO_KEYS,
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
    with_status,
)
from common.builders.planning import plan
from servicetokens.api.values import format_time
from servicetokens.lifecycle.actions import MintCause, Plan, SecretWrite
from servicetokens.lifecycle.snapshot import AccountFacts, Memory


def test_a_new_token_is_minted_and_delivered() -> None:
    """Status and Secret in one plan, ready by its conditions, without an Event."""
    wanted = plan(a_snapshot(), NOW)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.key_id, wanted.mint.cause) == (1, "k1", MintCause.FIRST)
    assert wanted.deliver is not None
    assert wanted.deliver.write is SecretWrite.CREATE
    assert wanted.events == ()
    assert says(wanted, "Ready") == ("True", "Minted")
    assert says(wanted, "Active") == ("True", "Valid")
    assert says(wanted, "SecretSynced") == ("True", "Synced")
    assert says(wanted, "RolesAccepted") == ("True", "NoRoles")
    assert says(wanted, "ExpiringSoon") == ("False", "NotExpiringSoon")


def test_the_status_of_a_new_token_says_everything_in_absolute_times() -> None:
    """Serial, mint, end, whose account, which Secret."""
    status = settled().token.status
    assert (status.serial, status.mint_time, status.expiration_time) == (1, NOW, NOW + 30 * DAY)
    assert (status.account_uid, status.secret_name, status.token_id) == ("a-1", "ci-prod", "ID0000000001")
    assert status.next_rotation_time is None
    assert status.observed_generation == 1
    assert [credential.serial for credential in status.credentials] == [1]


def test_a_secret_may_have_another_name() -> None:
    """It is said on status, and in the condition."""
    wanted = plan(a_snapshot(a_token(secret={"name": "elsewhere"})), NOW)
    assert wanted.status is not None
    assert wanted.status.secret_name == "elsewhere"
    assert "'elsewhere'" in condition(wanted, "Ready").message


def test_a_reconciled_token_is_not_changed() -> None:
    """A second look writes nothing, sends nothing, and waits for the same moment."""
    snapshot = settled()
    for now in (NOW, NOW + 1, NOW + DAY):
        wanted = plan(snapshot, now)
        assert (wanted.status, wanted.mint, wanted.deliver, wanted.events) == (None, None, None, ())
        assert wanted.requeue_at == NOW + 20 * DAY


def test_a_token_that_is_being_deleted_says_so_and_nothing_else_happens() -> None:
    """Validators reject it from then on. Garbage collection takes the Secret."""
    for token in (a_token(deleting=True), replace(settled().token, deleting=True)):
        wanted = plan(a_snapshot(token), NOW)
        assert (wanted.mint, wanted.deliver, wanted.requeue_at) == (None, None, None)
        assert wanted.events == ()
        for kind in ("Ready", "Active", "SecretSynced"):
            assert says(wanted, kind) == ("False", "Deleting")
        assert plan(carried_out(a_snapshot(token), wanted), NOW + 1).status is None


def test_in_a_namespace_that_is_being_deleted_nothing_is_written() -> None:
    """The API server has reported so once. It is looked at again, since one of that name may be created again."""
    ending = replace(a_snapshot(), memory=Memory(namespace_ends=True))
    assert plan(ending, NOW) == Plan(requeue_at=NOW + 30)


def test_a_token_that_never_expires_has_no_expiration_and_no_deadline() -> None:
    """`never`, explicitly."""
    snapshot = settled(a_snapshot(a_token(expiresAfter="never")))
    assert snapshot.token.status.expiration_time is None
    assert plan(snapshot, NOW + 1000 * DAY).requeue_at is None
    assert says(snapshot, "ExpiringSoon") == ("False", "NotExpiringSoon")
    assert condition(snapshot, "Active").message == "The token is accepted."


def test_a_fixed_end_is_the_end() -> None:
    """`expirationTime` does not count from the mint."""
    snapshot = settled(a_snapshot(a_token(expirationTime=format_time(NOW + 5))))
    assert snapshot.token.status.expiration_time == NOW + 5


def test_a_token_expires_at_its_second() -> None:
    """Not one earlier; then its credential is forgotten, the Secret marked, and the moment kept."""
    snapshot = settled()
    end = NOW + 30 * DAY
    assert says(settled(snapshot, end - 1), "Active") == ("True", "Valid")
    wanted = plan(snapshot, end)
    assert says(wanted, "Active") == ("False", "Expired")
    assert says(wanted, "Ready") == ("True", "Expired")
    assert says(wanted, "SecretSynced") == ("True", "Synced")
    assert [event.reason for event in wanted.events] == ["TokenExpired"]
    assert wanted.status is not None
    assert wanted.status.credentials == ()
    assert (wanted.status.serial, wanted.status.expiration_time) == (1, end)
    assert wanted.deliver is not None
    assert (wanted.deliver.keeps_value, wanted.deliver.subject.expired, wanted.deliver.holds) == (
        True,
        True,
        None,
    )


def test_an_expired_token_whose_secret_cannot_be_marked_is_expired_nevertheless() -> None:
    """And the rejection is reported, with what it means."""
    later = NOW + 31 * DAY
    memory = Memory(delivery_error="exceeded quota", not_before=later + 8)
    wanted = plan(replace(settled(), memory=memory), later)
    assert says(wanted, "Active") == ("False", "Expired")
    assert says(wanted, "Ready") == ("False", "DeliveryFailed")
    message = condition(wanted, "Ready").message
    assert message.endswith("retries until it succeeds; the token has ended and stays rejected.")


def test_an_expired_token_stays_expired_whatever_is_edited_but_its_end() -> None:
    """A new description is no reason to mint."""
    snapshot = settled(settled(), NOW + 31 * DAY)
    later = settled(edited(snapshot, description="still dead"), NOW + 32 * DAY)
    assert later.token.status.credentials == ()
    assert says(later, "Active") == ("False", "Expired")
    assert plan(later, NOW + 90 * DAY).mint is None


def test_a_later_expiration_mints_again_for_an_expired_token() -> None:
    """The old one is not revived: the new one has another serial and counts from now."""
    now = NOW + 31 * DAY
    wanted = plan(edited(settled(settled(), now), expiresAfter="60d"), now)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.cause) == (2, MintCause.RENEWED)
    assert wanted.status is not None
    assert wanted.status.expiration_time == now + 60 * DAY
    assert [event.reason for event in wanted.events] == ["TokenMinted"]


def test_an_end_that_is_still_in_the_past_renews_nothing() -> None:
    """Forty days after a mint fifty days ago."""
    now = NOW + 50 * DAY
    assert plan(edited(settled(settled(), now), expiresAfter="40d"), now).mint is None


def test_a_fixed_end_that_is_moved_renews_an_expired_token() -> None:
    """And `never` does so too."""
    now = NOW + 10
    snapshot = settled(settled(a_snapshot(a_token(expirationTime=format_time(NOW + 5)))), now)
    assert says(snapshot, "Active") == ("False", "Expired")
    later = edited(snapshot, expirationTime=format_time(NOW + 500))
    assert (settled(later, now).token.status.serial, says(settled(later, now), "Active")) == (
        2,
        ("True", "Valid"),
    )
    forever = edited(snapshot, expirationTime=None, expiresAfter="never")
    assert settled(forever, now).token.status.serial == 2


def test_a_new_rotation_id_and_a_new_rotation_renew_an_expired_token() -> None:
    """Both say that a credential is wanted."""
    now = NOW + 31 * DAY
    snapshot = settled(settled(), now)
    for rotation, cause in (
        ({"id": "again"}, MintCause.ROTATION_REQUESTED),
        ({"every": "20d"}, MintCause.ROTATION_DUE),
    ):
        wanted = plan(edited(snapshot, rotation=rotation), now)
        assert wanted.mint is not None
        assert wanted.mint.cause is cause
        assert wanted.status is not None
        assert len(wanted.status.credentials) == 1


def test_a_credential_whose_stored_end_has_passed_is_never_revived() -> None:
    """The spec was extended while the operator was down; a validator has rejected it already."""
    now = NOW + 31 * DAY
    wanted = plan(edited(settled(), expiresAfter="60d"), now)
    assert wanted.mint is not None
    assert wanted.mint.cause is MintCause.RENEWED
    assert wanted.status is not None
    assert [credential.serial for credential in wanted.status.credentials] == [2]


def test_an_end_in_the_past_at_creation_is_called_a_mistake() -> None:
    """Most likely a wrong year: the token never lived, so it is not ready, and the message says what to change."""
    wanted = plan(a_snapshot(a_token(expirationTime=format_time(NOW - 1))), NOW)
    assert (wanted.mint, wanted.deliver, wanted.requeue_at) == (None, None, None)
    for kind in ("Active", "Ready"):
        assert says(wanted, kind) == ("False", "AlreadyExpired")
    assert says(wanted, "Stalled") == ("True", "AlreadyExpired")
    assert says(wanted, "SecretSynced") == ("False", "SecretMissing")
    assert "Set a time in the future" in condition(wanted, "Ready").message
    assert "rotation" not in condition(wanted, "Ready").message
    assert [event.reason for event in wanted.events] == ["AlreadyExpired"]
    stalled = carried_out(a_snapshot(a_token(expirationTime=format_time(NOW - 1))), wanted)
    assert plan(edited(stalled, expirationTime=format_time(NOW + DAY)), NOW).mint is not None


def test_an_expired_token_says_what_would_mint_a_fresh_one() -> None:
    """With a fixed end that has passed, another `rotation.id` would not."""
    fixed, counted = a_token(expirationTime=format_time(NOW + DAY)), a_token(expiresAfter="1d")
    for token, remedy in (
        (fixed, "A later `spec.expirationTime`"),
        (counted, "A new `spec.rotation.id` mints a new one, and so does a `spec.expiresAfter` by which"),
    ):
        expired = settled(settled(a_snapshot(token)), NOW + DAY)
        assert says(expired, "Ready") == ("True", "Expired")
        assert remedy in condition(expired, "Ready").message


def test_a_changed_lifetime_moves_the_end_of_the_live_credential() -> None:
    """Earlier and later, counted from its mint; the Secret's annotation follows, the token stays."""
    for lifetime, days in (("10d", 10), ("60d", 60), ("never", None)):
        wanted = plan(edited(settled(), expiresAfter=lifetime), NOW + DAY)
        assert wanted.mint is None
        assert wanted.status is not None
        expected = None if days is None else NOW + days * DAY
        assert wanted.status.expiration_time == expected
        assert wanted.status.credentials[0].expiration_time == expected
        assert wanted.deliver is not None
        assert wanted.deliver.keeps_value


def test_a_lifetime_that_is_shortened_below_the_age_ends_the_token() -> None:
    """At the next pass."""
    wanted = plan(edited(settled(), expiresAfter="5d"), NOW + 6 * DAY)
    assert says(wanted, "Active") == ("False", "Expired")
    assert wanted.status is not None
    assert wanted.status.expiration_time == NOW + 5 * DAY


def test_an_expired_token_without_a_secret_asks_for_none() -> None:
    """Nothing is left to deliver."""
    snapshot = replace(settled(settled(), NOW + 31 * DAY), secret=None)
    wanted = plan(snapshot, NOW + 31 * DAY)
    assert wanted.deliver is None
    assert says(wanted, "SecretSynced") == ("False", "SecretMissing")


def test_credentials_taken_off_status_are_replaced() -> None:
    """By hand, or by a restore: the token in the Secret cannot be verified any more."""
    wanted = plan(with_status(settled(), credentials=()), NOW + 1)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.cause) == (2, MintCause.SECRET_LOST)


def test_a_status_that_lost_everything_but_a_credential_is_completed() -> None:
    """The credential itself says serial, id and mint."""
    snapshot = settled()
    status = snapshot.token.status
    bare = with_status(snapshot, serial=None, mint_time=None, token_id=None, secret_name=None)
    assert settled(bare).token.status == status


def test_an_expiring_credential_keeps_its_serial_when_status_lost_it() -> None:
    """So that the next one gets another."""
    bare = with_status(settled(), serial=None, mint_time=None)
    expired = settled(bare, NOW + 31 * DAY)
    assert (expired.token.status.serial, expired.token.status.mint_time) == (1, NOW)


def test_an_account_that_never_was_and_one_that_goes_are_waited_for() -> None:
    """Without it nothing is minted; with it, immediately."""
    for account in (None, an_account(deleting=True)):
        wanted = plan(a_snapshot(account=account), NOW)
        assert wanted.mint is None
        assert says(wanted, "Ready") == ("False", "AccountNotFound")
        assert says(wanted, "Reconciling") == ("True", "AccountNotFound")
        assert says(wanted, "Active") == ("False", "AccountNotFound")
        assert [event.reason for event in wanted.events] == ["AccountNotFound"]
    snapshot = settled(a_snapshot(account=None))
    assert plan(replace(snapshot, account=an_account()), NOW).mint is not None


def test_an_account_that_goes_is_not_called_missing() -> None:
    """It can be seen, behind a finalizer: the sentences say what is happening to it."""
    going = plan(replace(settled(), account=an_account(deleting=True)), NOW + 1)
    for kind in ("Ready", "Active"):
        assert says(going, kind) == ("False", "AccountNotFound")
        assert "The ServiceAccount 'ci' is being deleted" in condition(going, kind).message


def test_an_unreadable_token_and_account_mint_nothing() -> None:
    """The sentence says what is wrong, and what lives goes on living."""
    broken = replace(a_token(), spec=None, spec_error="spec.expiresAfter: must be one whole number")
    wanted = plan(a_snapshot(broken), NOW)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Ready") == ("False", "InvalidSpec")
    assert says(wanted, "Active") == ("Unknown", "InvalidSpec")
    assert says(wanted, "Stalled") == ("True", "InvalidSpec")
    assert says(wanted, "RolesAccepted")[0] == "Unknown"
    assert "spec.expiresAfter" in condition(wanted, "Ready").message
    account = replace(an_account(), spec=None, spec_error="spec.roles: no list")
    wanted = plan(a_snapshot(account=account), NOW)
    assert wanted.mint is None
    assert "ServiceAccount 'ci'" in condition(wanted, "Ready").message


def test_a_live_token_whose_spec_becomes_unreadable_keeps_its_stored_end() -> None:
    """And ends there."""
    live = settled()
    broken = replace(live, token=replace(live.token, spec=None, spec_error="odd"))
    wanted = plan(broken, NOW + DAY)
    assert wanted.status is not None
    assert wanted.status.credentials[0].expiration_time == NOW + 30 * DAY
    assert wanted.requeue_at == NOW + 20 * DAY
    ended = plan(broken, NOW + 30 * DAY)
    assert ended.status is not None
    assert ended.status.credentials == ()


def test_an_older_credential_of_an_unreadable_spec_ends_by_what_is_stored() -> None:
    """There is no overlap to compute any more."""
    older, current = a_credential(1, end=NOW + 5), a_credential(2)
    live = settled()
    status = live.token.status.model_copy(update={"credentials": (older, current), "serial": 2})
    token = replace(live.token, spec=None, spec_error="odd", status=status)
    snapshot = replace(live, token=token, secret=a_secret(current))
    wanted = plan(snapshot, NOW + 4)
    assert wanted.status is not None
    assert len(wanted.status.credentials) == 2
    wanted = plan(snapshot, NOW + 5)
    assert wanted.status is not None
    assert len(wanted.status.credentials) == 1


def test_keys_that_are_missing_stop_mints_and_say_so() -> None:
    """Also of a live token: nothing can be verified."""
    wanted = plan(a_snapshot(keys=NO_KEYS), NOW)
    assert wanted.mint is None
    assert says(wanted, "Ready") == ("False", "KeyMissing")
    assert says(wanted, "Stalled") == ("True", "KeyMissing")
    assert "restore it from a backup" in condition(wanted, "Ready").message
    live = replace(settled(), keys=NO_KEYS)
    wanted = plan(replace(live, secret=replace(live.secret or a_secret(), verifiers={})), NOW)
    assert wanted.mint is None
    assert says(wanted, "Active") == ("False", "KeyMissing")
    assert says(wanted, "SecretSynced") == ("Unknown", "KeyMissing")
    assert wanted.status is not None
    assert len(wanted.status.credentials) == 1
    assert says(plan(replace(live, secret=None), NOW), "SecretSynced") == ("False", "SecretMissing")


@pytest.mark.parametrize(
    "account",
    [an_account(uid="a-2"), an_account(tokensNotBeforeTime=format_time(NOW + 35 * DAY))],
    ids=["replaced", "cut"],
)
def test_an_end_that_has_passed_is_final_whatever_came_after_it(account: AccountFacts) -> None:
    """The same as where the operator was there to see the end before the account changed."""
    now = NOW + 40 * DAY
    missed = settled(replace(settled(), account=account), now)
    seen = settled(replace(settled(settled(), NOW + 30 * DAY), account=account), now)
    for rested in (missed, seen):
        assert rested.token.status.credentials == ()
        assert says(rested, "Active") == ("False", "Expired")


def test_a_cut_that_came_before_the_end_is_answered_after_it() -> None:
    """Another one is minted, as it would have been at the cut."""
    cut = an_account(tokensNotBeforeTime=format_time(NOW + 29 * DAY))
    wanted = plan(replace(settled(), account=cut), NOW + 40 * DAY)
    assert wanted.mint is not None
    assert wanted.mint.cause is MintCause.NOT_BEFORE
