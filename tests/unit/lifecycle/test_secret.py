"""The Secret: lost, edited, foreign, restored, immutable, drifted; and what waits in memory."""

from dataclasses import replace

import pytest

from common.facts import (
    DAY,
    NOW,
    a_secret,
    a_snapshot,
    an_account,
    carried_out,
    condition,
    edited,
    says,
    settled,
)
from servicetokens.lifecycle.actions import MintCause, SecretWrite
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.snapshot import Controller, Memory, SecretFacts, Snapshot

A_CONFIG_MAP = Controller(api_version="v1", kind="ConfigMap", name="cm", uid="c")
OPAQUE = SecretFacts(uid="f", resource_version="3", type="Opaque", controller=None)


def now_with(secret: SecretFacts | None, memory: Memory | None = None) -> Snapshot:
    """Return a settled token whose Secret has become *secret*."""
    return replace(settled(), secret=secret, memory=memory or Memory())


def ours(**changes: object) -> SecretFacts:
    """Return the settled Secret with *changes*."""
    secret = settled().secret
    assert secret is not None
    return replace(secret, **changes)  # type: ignore[arg-type] # each test names fields of its own


LOST = {
    "deleted": (None, SecretWrite.CREATE),
    "another value": (ours(verifiers={"k1": "something else"}), SecretWrite.REPLACE),
    "no value": (ours(verifiers={}), SecretWrite.REPLACE),
    "another serial": (ours(serial=7), SecretWrite.REPLACE),
    "no owner": (ours(controller=None), SecretWrite.REPLACE),
    "a dead owner of this name": (a_secret(settled().token.current, uid="u-0"), SecretWrite.REPLACE),
    "another value, immutable": (ours(verifiers={}, immutable=True), SecretWrite.RECREATE),
}


@pytest.mark.parametrize(("secret", "write"), LOST.values(), ids=LOST)
def test_a_lost_token_is_minted_afresh(secret: SecretFacts | None, write: SecretWrite) -> None:
    """The plaintext is nowhere else, so the old credential goes at once; nothing is read out of it."""
    wanted = plan(now_with(secret), NOW + 5)
    assert wanted.mint is not None
    assert (wanted.mint.serial, wanted.mint.cause) == (2, MintCause.SECRET_LOST)
    assert wanted.deliver is not None
    assert (wanted.deliver.write, wanted.deliver.keeps_value) == (write, False)
    if secret is not None:
        assert (wanted.deliver.resource_version, wanted.deliver.uid) == (secret.resource_version, secret.uid)
    assert wanted.status is not None
    assert [one.serial for one in wanted.status.credentials] == [2]
    assert [event.reason for event in wanted.events] == ["TokenReminted"]
    assert says(wanted, "Ready") == ("True", "Minted")


def test_a_running_overlap_survives_a_fresh_mint() -> None:
    """Whoever still uses the older one is not punished."""
    rotated = settled(edited(settled(), rotation={"id": "a"}), NOW)
    wanted = plan(replace(rotated, secret=None), NOW + 5)
    assert wanted.status is not None
    assert [(one.serial, one.expiration_time) for one in wanted.status.credentials] == [
        (1, NOW + 3600),
        (3, NOW + 5 + 30 * DAY),
    ]


def test_a_token_restored_without_status_reclaims_its_old_secret() -> None:
    """What a backup tool brings back is overwritten unread."""
    dead = Controller(api_version="servicetokens.dev/v1beta1", kind="ServiceToken", name="ci-prod", uid="u-0")
    for secret in (
        a_secret(uid="u-0"),
        a_secret(controller=None),
        a_secret(controller=None, marked_for="", other_owners=(dead,)),
    ):
        wanted = plan(a_snapshot(secret=secret), NOW)
        assert wanted.mint is not None
        assert wanted.deliver is not None
        assert wanted.deliver.write is SecretWrite.REPLACE
        assert not wanted.deliver.keeps_value


FOREIGN = {
    "another type": OPAQUE,
    "another type with our token as its controller": replace(a_secret(), type="Opaque"),
    "another token's": a_secret(name="other", uid="u-9"),
    "another kind's": a_secret(
        controller=Controller(api_version="apps/v1", kind="Deployment", name="ci-prod", uid="d")
    ),
    "another group's": a_secret(
        controller=Controller(api_version="x.dev/v1", kind="ServiceToken", name="ci-prod", uid="d")
    ),
    "owned by something that is no controller": a_secret(controller=None, other_owners=(A_CONFIG_MAP,)),
    "a dead owner of this name, and another": a_secret(uid="u-0", other_owners=(A_CONFIG_MAP,)),
    "no owner and no mark": a_secret(controller=None, marked_for=""),
    "no owner, and the mark of another token": a_secret(controller=None, marked_for="other"),
    "no owner, and the id of another token": a_secret(controller=None, copied_from="team-b/ci-prod"),
}
HOLDERS = {
    "another token's": "belongs to ServiceToken 'other'",
    "owned by something that is no controller": "belongs to ConfigMap 'cm'",
    "a dead owner of this name, and another": "belongs to ConfigMap 'cm'",
    "no owner and no mark": "does not say which ServiceToken it is of",
    "no owner, and the mark of another token": "that of ServiceToken 'other'",
    "no owner, and the id of another token": "a copy of that of ServiceToken team-b/ci-prod",
}


@pytest.mark.parametrize("case", HOLDERS)
def test_the_condition_says_whose_a_foreign_secret_is(case: str) -> None:
    """A person has to decide whether it may go."""
    assert HOLDERS[case] in condition(plan(a_snapshot(secret=FOREIGN[case]), NOW), "Ready").message


def test_a_secret_that_is_ours_stays_ours_with_another_owner_beside() -> None:
    """Somebody added it; the token is in there all the same."""
    secret = ours(other_owners=(A_CONFIG_MAP,))
    assert says(settled(now_with(secret)), "SecretSynced") == ("True", "Synced")


@pytest.mark.parametrize("secret", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_secret_is_left_alone(secret: SecretFacts) -> None:
    """Nothing is minted for a new token, and a person has to act; somebody looks again in a minute."""
    wanted = plan(a_snapshot(secret=secret), NOW)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Ready") == ("False", "SecretConflict")
    assert says(wanted, "Stalled") == ("True", "SecretConflict")
    assert says(wanted, "SecretSynced") == ("False", "SecretConflict")
    assert f"'{secret.type}'" in condition(wanted, "Ready").message
    assert wanted.requeue_at == NOW + 60
    assert [event.reason for event in wanted.events] == ["SecretConflict"]


def test_a_live_token_whose_secret_was_replaced_by_a_foreign_one_goes_on() -> None:
    """Whoever has it may use it; it is neither minted anew nor delivered."""
    wanted = plan(now_with(OPAQUE), NOW + 1)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Active") == ("True", "Valid")
    assert wanted.status is not None
    assert len(wanted.status.credentials) == 1


def test_a_conflict_ends_when_the_foreign_secret_goes() -> None:
    """A never delivered credential was dropped meanwhile; the next one has its own serial."""
    minted = plan(a_snapshot(), NOW)
    blocked = replace(carried_out(a_snapshot(), minted), secret=OPAQUE, memory=Memory(undelivered=1))
    stalled = settled(blocked, NOW)
    assert stalled.token.status.credentials == ()
    assert says(stalled, "Active") == ("False", "NotMinted")
    wanted = plan(replace(stalled, secret=None), NOW + 60)
    assert wanted.mint is not None
    assert wanted.mint.serial == 2


def test_a_conflict_is_named_first_even_beside_another_problem() -> None:
    """Where both stand in the way, the order of the checks decides."""
    suspended = replace(now_with(OPAQUE), account=an_account(tokenPolicy={"maxLifetime": "1d"}))
    wanted = plan(suspended, NOW + 1)
    assert says(wanted, "Ready") == ("False", "LifetimeTooLong")
    assert says(wanted, "SecretSynced") == ("False", "SecretConflict")


DRIFT = {
    "content": (ours(fingerprint="something else"), SecretWrite.REPLACE),
    "immutable": (ours(immutable=True), SecretWrite.RECREATE),
}


@pytest.mark.parametrize(("secret", "write"), DRIFT.values(), ids=DRIFT)
def test_what_surrounds_the_token_is_put_right_and_the_token_stays(
    secret: SecretFacts, write: SecretWrite
) -> None:
    """It is verified once more before it is written back; status has nothing to say about it."""
    wanted = plan(now_with(secret), NOW + 1)
    assert (wanted.mint, wanted.status) == (None, None)
    assert wanted.deliver is not None
    assert (wanted.deliver.write, wanted.deliver.keeps_value) == (write, True)
    assert wanted.deliver.holds == settled().token.current


def test_a_changed_template_changes_the_secret_only() -> None:
    """As drift does."""
    changed = edited(settled(), secret={"template": {"data": {"header": "Bearer {token}"}}})
    wanted = plan(changed, NOW + 1)
    assert wanted.mint is None
    assert wanted.deliver is not None
    assert wanted.deliver.keeps_value


def test_drift_beside_a_token_that_cannot_be_verified_is_left_until_it_can() -> None:
    """Without a mint there is nothing to write."""
    blocked = replace(
        now_with(ours(verifiers={}, fingerprint="x")),
        account=an_account(tokenPolicy={"maxLifetime": "1d"}),
    )
    assert plan(blocked, NOW + 1).deliver is None


# ------------------------------------------------------------------------------------------ memory


def test_a_token_that_waits_to_be_delivered_is_not_minted_again() -> None:
    """Its status is written already."""
    waiting = now_with(None, Memory(undelivered=1))
    wanted = plan(waiting, NOW + 1)
    assert wanted.mint is None
    assert wanted.deliver is not None
    assert (wanted.deliver.write, wanted.deliver.keeps_value) == (SecretWrite.CREATE, False)
    assert wanted.deliver.subject.serial == 1


def test_a_refused_secret_is_told_and_tried_again_later() -> None:
    """The sentence is the API server's, with the moment of the next try."""
    waiting = now_with(None, Memory(undelivered=1, delivery_error="exceeded quota", not_before=NOW + 10))
    wanted = plan(waiting, NOW + 1)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Ready") == ("False", "SecretMissing")
    assert says(wanted, "SecretSynced") == ("False", "SecretMissing")
    assert "exceeded quota. Trying again at 2027-01-15T08:00:10Z." in condition(wanted, "Ready").message
    assert wanted.requeue_at == NOW + 10
    later = plan(waiting, NOW + 10)
    assert later.deliver is not None
    told = replace(carried_out(waiting, wanted), memory=waiting.memory)
    assert says(plan(told, NOW + 10), "SecretSynced") == ("True", "Synced")


def test_a_secret_that_is_undone_again_waits_and_names_who_did_it() -> None:
    """Or says that it was deleted, which leaves no name."""
    impatient = Memory(not_before=NOW + 10)
    changed = plan(now_with(ours(verifiers={}, changed_by="rival"), impatient), NOW + 1)
    assert (changed.mint, changed.deliver) == (None, None)
    assert says(changed, "Ready") == ("False", "SecretMissing")
    assert "was changed again by 'rival'" in condition(changed, "Ready").message
    assert changed.requeue_at == NOW + 10
    deleted = plan(now_with(None, impatient), NOW + 1)
    assert "was deleted again soon" in condition(deleted, "Ready").message
    assert plan(now_with(None, impatient), NOW + 10).mint is not None


def test_drift_that_is_undone_again_waits_too() -> None:
    """The token itself is fine, so nothing is said."""
    impatient = Memory(not_before=NOW + 10)
    wanted = plan(now_with(ours(fingerprint="x"), impatient), NOW + 1)
    assert wanted.deliver is None
    assert wanted.status is None
    assert plan(now_with(ours(fingerprint="x"), impatient), NOW + 10).deliver is not None


def test_patience_does_not_hold_back_what_nobody_undid() -> None:
    """A restored Secret in order needs no mint, whatever was remembered."""
    wanted = plan(replace(settled(), memory=Memory(not_before=NOW + 10)), NOW + 1)
    assert (wanted.status, wanted.mint, wanted.deliver) == (None, None, None)


# ----------------------------------------------------------------------------------- edited by hand


def test_a_planted_verifier_is_replaced_by_a_fresh_token() -> None:
    """The Secret's value does not hash to it."""
    token = settled().token
    current = token.current
    assert current is not None
    planted = current.model_copy(update={"verifier": current.verifier.model_copy(update={"value": "ff"})})
    status = token.status.model_copy(update={"credentials": (planted,)})
    wanted = plan(replace(settled(), token=replace(token, status=status)), NOW + 1)
    assert wanted.mint is not None
    assert wanted.mint.serial == 2


def test_a_later_end_on_status_is_put_back() -> None:
    """The spec knows better; the token stays."""
    token = settled().token
    current = token.current
    assert current is not None
    extended = current.model_copy(update={"expiration_time": NOW + 900 * DAY})
    status = token.status.model_copy(update={"credentials": (extended,), "expiration_time": NOW + 900 * DAY})
    wanted = plan(replace(settled(), token=replace(token, status=status)), NOW + 1)
    assert wanted.mint is None
    assert wanted.status == token.status


def test_an_older_credential_put_back_by_hand_ends_with_the_overlap() -> None:
    """However far in the future its end was written."""
    rotated = settled(edited(settled(), rotation={"id": "a", "overlap": "10m"}), NOW)
    older = rotated.token.status.credentials[0]
    forever = older.model_copy(update={"expiration_time": None})
    status = rotated.token.status.model_copy(
        update={"credentials": (forever, *rotated.token.status.credentials[1:])}
    )
    back = replace(rotated, token=replace(rotated.token, status=status))
    assert settled(back, NOW + 1).token.status.credentials[0].expiration_time == NOW + 600
    assert len(settled(back, NOW + 600).token.status.credentials) == 1


def test_a_mint_time_moved_back_to_now_is_put_right_by_the_secret() -> None:
    """It bears witness, unless it does not hold this credential or is not this token's."""
    token = settled().token
    current = token.current
    assert current is not None
    moved = current.model_copy(update={"mint_time": NOW + 9 * DAY})
    status = token.status.model_copy(update={"credentials": (moved,)})
    later = replace(settled(), token=replace(token, status=status))
    wanted = plan(later, NOW + 10 * DAY)
    assert wanted.status is not None
    assert wanted.status.credentials[0].mint_time == NOW
    assert wanted.status.expiration_time == NOW + 30 * DAY
    unknown = replace(later, secret=ours(mint_time=None))
    assert plan(unknown, NOW + 10 * DAY).status is not None


def test_a_mint_in_the_future_was_planted() -> None:
    """More than a minute ahead, and the credential is replaced."""
    token = settled().token
    current = token.current
    assert current is not None
    future = current.model_copy(update={"mint_time": NOW + 61})
    status = token.status.model_copy(update={"credentials": (future,)})
    snapshot = replace(settled(), token=replace(token, status=status), secret=ours(mint_time=None))
    wanted = plan(snapshot, NOW)
    assert wanted.mint is not None
    assert plan(snapshot, NOW + 1).mint is None
