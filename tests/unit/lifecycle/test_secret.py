"""The Secret: lost, edited, foreign, restored, immutable, drifted; and a status that was edited by hand."""

from dataclasses import replace

import pytest

from common.builders.facts import (
    DAY,
    NOW,
    a_secret,
    a_snapshot,
    an_account,
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
from servicetokens.api.conditions import ConditionType
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.actions import MintCause, SecretWrite
from servicetokens.lifecycle.snapshot import Controller, SecretFacts

A_CONFIG_MAP = Controller(api_version="v1", kind="ConfigMap", name="cm", uid="c")
OPAQUE = SecretFacts(uid="f", resource_version="3", type="Opaque", controller=None)


LOST = {
    "deleted": (None, SecretWrite.CREATE),
    "another value": (ours(verifiers={"k1": "something else"}), SecretWrite.REPLACE),
    "no value": (ours(verifiers={}), SecretWrite.REPLACE),
    "another serial": (ours(serial=7), SecretWrite.REPLACE),
    "no owner, another value": (ours(controller=None, verifiers={}), SecretWrite.REPLACE),
    "a dead owner of this name": (a_secret(None, uid="u-0"), SecretWrite.REPLACE),
    "another value, immutable": (ours(verifiers={}, immutable=True), SecretWrite.RECREATE),
}


@pytest.mark.parametrize(("secret", "write"), LOST.values(), ids=LOST)
def test_a_lost_token_is_minted_again(secret: SecretFacts | None, write: SecretWrite) -> None:
    """The plaintext is nowhere else, so the old credential goes immediately; nothing is read out of it."""
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
    """Clients with the older one are not affected."""
    rotated = settled(edited(settled(), rotation={"id": "a"}), NOW)
    wanted = plan(replace(rotated, secret=None), NOW + 5)
    assert wanted.status is not None
    assert [(one.serial, one.expiration_time) for one in wanted.status.credentials] == [
        (1, NOW + 3600),
        (3, NOW + 5 + 30 * DAY),
    ]


def test_a_token_restored_without_status_reclaims_its_old_secret() -> None:
    """What a backup tool restores is overwritten unread."""
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
    "no owner and no mark": "does not name the ServiceToken that it belongs to",
    "no owner, and the mark of another token": "that of ServiceToken 'other'",
    "no owner, and the id of another token": "a copy of that of ServiceToken team-b/ci-prod",
}


@pytest.mark.parametrize("case", HOLDERS)
def test_the_condition_says_whose_a_foreign_secret_is(case: str) -> None:
    """A person has to decide whether it may go."""
    assert HOLDERS[case] in condition(plan(a_snapshot(secret=FOREIGN[case]), NOW), "Ready").message


def test_our_secret_stays_ours_with_another_owner() -> None:
    """A user added it; the token is in there nevertheless."""
    secret = ours(other_owners=(A_CONFIG_MAP,))
    assert says(settled(now_with(secret)), "SecretSynced") == ("True", "Synced")


@pytest.mark.parametrize("secret", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_secret_is_not_changed(secret: SecretFacts) -> None:
    """Nothing is minted for a new token, and a person has to act; it is looked at again within seconds."""
    wanted = plan(a_snapshot(secret=secret), NOW)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Ready") == ("False", "SecretConflict")
    assert says(wanted, "Stalled") == ("True", "SecretConflict")
    assert says(wanted, "SecretSynced") == ("False", "SecretConflict")
    assert f"'{secret.type}'" in condition(wanted, "Ready").message
    assert wanted.requeue_at == NOW + 3
    stalled = carried_out(a_snapshot(secret=secret), wanted)
    for age, wait in ((450, 3), (3000, 20), (100_000, 60)):
        assert plan(stalled, NOW + age).requeue_at == NOW + age + wait
    assert [event.reason for event in wanted.events] == ["SecretConflict"]


def test_a_token_whose_secret_was_replaced_by_a_foreign_one_is_over() -> None:
    """As if its Secret had been deleted; there is only nowhere to deliver the next one to."""
    wanted = plan(now_with(OPAQUE), NOW + 1)
    assert (wanted.mint, wanted.deliver) == (None, None)
    assert says(wanted, "Active") == ("False", "SecretConflict")
    assert wanted.status is not None
    assert wanted.status.credentials == ()
    after = replace(carried_out(now_with(OPAQUE), wanted), secret=None)
    again = plan(after, NOW + 60)
    assert again.mint is not None
    assert (again.mint.serial, again.mint.cause) == (2, MintCause.SECRET_LOST)


def test_a_conflict_is_named_first_even_with_another_problem() -> None:
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
def test_edited_content_around_the_token_is_repaired_and_the_token_stays(
    secret: SecretFacts, write: SecretWrite
) -> None:
    """It is verified again before it is written; status says so only where the Secret is missing for a moment."""
    wanted = plan(now_with(secret), NOW + 1)
    assert wanted.mint is None
    assert wanted.deliver is not None
    assert (wanted.deliver.write, wanted.deliver.keeps_value) == (write, True)
    assert wanted.deliver.holds == settled().token.current
    if write is not SecretWrite.RECREATE:
        assert (wanted.ahead, wanted.status) == (None, None)
        return
    # For a moment there is none, and its token stays accepted.
    assert wanted.ahead is not None
    assert wanted.status is not None
    for kind, before, after in (
        ("Ready", "False", "True"),
        ("SecretSynced", "False", "True"),
        ("Active", "True", "True"),
    ):
        said = [conditions.find(one.conditions, ConditionType(kind)) for one in (wanted.ahead, wanted.status)]
        assert [one.status for one in said if one is not None] == [before, after]
    status = settled().token.status
    assert wanted.ahead.credentials == wanted.status.credentials == status.credentials


def test_a_changed_template_changes_the_secret_only() -> None:
    """As drift does."""
    changed = edited(settled(), secret={"template": {"data": {"header": "Bearer {token}"}}})
    wanted = plan(changed, NOW + 1)
    assert wanted.mint is None
    assert wanted.deliver is not None
    assert wanted.deliver.keeps_value


def test_drift_around_an_unverifiable_token_is_left_until_it_can_be_verified() -> None:
    """Without a mint there is nothing to write."""
    blocked = replace(
        now_with(ours(verifiers={}, fingerprint="x")),
        account=an_account(tokenPolicy={"maxLifetime": "1d"}),
    )
    assert plan(blocked, NOW + 1).deliver is None


# Edited by hand.


def test_a_forged_verifier_is_replaced_by_a_new_token() -> None:
    """The Secret's value does not hash to it."""
    token = settled().token
    current = token.current
    assert current is not None
    planted = current.model_copy(update={"verifier": current.verifier.model_copy(update={"value": "ff"})})
    status = token.status.model_copy(update={"credentials": (planted,)})
    wanted = plan(replace(settled(), token=replace(token, status=status)), NOW + 1)
    assert wanted.mint is not None
    assert wanted.mint.serial == 2


def test_a_later_expiration_on_status_is_corrected() -> None:
    """The spec knows better; the token stays."""
    token = settled().token
    current = token.current
    assert current is not None
    extended = current.model_copy(update={"expiration_time": NOW + 900 * DAY})
    status = token.status.model_copy(update={"credentials": (extended,), "expiration_time": NOW + 900 * DAY})
    wanted = plan(replace(settled(), token=replace(token, status=status)), NOW + 1)
    assert wanted.mint is None
    assert wanted.status == token.status


def test_an_older_credential_restored_by_hand_expires_with_the_overlap() -> None:
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


def test_a_mint_time_moved_to_now_is_corrected_from_the_secret() -> None:
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


def test_a_mint_in_the_future_counts_from_now_if_the_secret_holds_its_token() -> None:
    """A clock was ahead by more than a minute; the value is ours nevertheless. What is in no Secret was forged."""
    token = settled().token
    current = token.current
    assert current is not None
    future = current.model_copy(update={"mint_time": NOW + 3600})
    snapshot = replace(
        with_status(settled(), credentials=(future,)), secret=ours(mint_time=NOW + 3600, fingerprint="x")
    )
    healed = settled(snapshot, NOW)
    (credential,) = healed.token.status.credentials
    assert (credential.id, credential.mint_time) == (current.id, NOW)
    assert healed.secret is not None
    assert healed.secret.mint_time == NOW
    wanted = plan(replace(snapshot, secret=ours(verifiers={})), NOW)
    assert wanted.mint is not None


MARKS = {
    "another serial": ours(fingerprint="x"),
    "no owner": ours(controller=None),
    "a dead owner of this name": a_secret(settled().token.current, uid="u-0"),
}


@pytest.mark.parametrize("secret", MARKS.values(), ids=MARKS)
def test_a_secret_that_holds_the_token_is_healed_in_place(secret: SecretFacts) -> None:
    """The value decides, not the marks around it."""
    wanted = plan(now_with(secret), NOW + 1)
    assert (wanted.mint, wanted.status) == (None, None)
    assert wanted.deliver is not None
    assert wanted.deliver.keeps_value
