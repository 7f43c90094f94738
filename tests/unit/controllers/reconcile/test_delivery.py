"""Writing the Secret: what is kept and restored, and what a rejection leaves behind."""

import base64
from collections.abc import Callable
from copy import deepcopy

import pytest

from common.drivers.reconciling import KEY, SECRET, Operator
from servicetokens.kube.errors import (
    AlreadyExists,
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    TooManyRequests,
    Unprocessable,
)
from servicetokens.kube.object_key import Key

REFUSALS = {
    "a quota": Forbidden("exceeded quota: secrets=10", status=403),
    "a policy": Unprocessable("denied by a policy", status=422),
    "a webhook that fails": ApiUnavailable("failed calling webhook", status=500),
    "a webhook that is busy": TooManyRequests("too many requests", status=429, retry_after=1),
    "a webhook that hangs": ApiUnavailable("the API server did not answer in time", timed_out=True),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_rejected_secret_is_reported_at_the_first_failure(it: Operator, refusal: KubeError) -> None:
    """By a condition and an Event. Nothing is on status before it is delivered, and nothing looks ready meanwhile."""
    it.cluster.fails["create secret"] = refusal
    assert await it.reconcile()
    assert not await it.reconcile()
    ready = it.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "DeliveryFailed")
    assert refusal.message in ready["message"]
    assert it.cluster.events == ["DeliveryFailed"]
    assert it.credentials() == []
    calls = list(it.cluster.calls)
    assert not await it.reconcile()
    assert it.cluster.calls == calls
    it.clock.advance(8)
    assert not await it.reconcile()
    assert it.is_delivered()
    assert it.condition("Ready")["status"] == "True"
    assert it.status()["serial"] == 1


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_rejected_rotation_keeps_the_old_token_and_a_pending_one(
    it: Operator, refusal: KubeError
) -> None:
    """Again and again: no second one is minted, no condition flaps, and the one that waits is delivered."""
    await it.reconcile()
    it.edit(rotation={"id": "now"})
    seen = set()
    for _ in range(4):
        it.cluster.fails["patch secret"] = refusal
        while await it.reconcile():
            pass
        seen.add((it.condition("Ready")["status"], it.condition("SecretSynced")["status"]))
        assert [(one["serial"], one.get("delivery")) for one in it.credentials()] == [
            (1, None),
            (2, "Pending"),
        ]
        assert it.is_known_value()
        it.clock.advance(8)
    assert seen == {("False", "False")}
    assert it.cluster.events == ["DeliveryFailed"]
    await it.reconcile()
    assert [(one["serial"], one.get("delivery")) for one in it.credentials()] == [(1, None), (2, None)]
    assert it.is_known_value()
    assert it.cluster.events == ["DeliveryFailed", "TokenRotated"]


async def test_an_immutable_secret_is_not_deleted_where_its_successor_would_be_rejected(it: Operator) -> None:
    """It holds a token that is accepted, and a quota must not cost that."""
    await it.reconcile()
    assert it.cluster.secret is not None
    value = it.value()
    it.cluster.secret["immutable"] = True
    it.see_secret()
    it.cluster.fails["rehearse secret"] = Forbidden("exceeded quota: secrets=1", status=403)
    it.cluster.calls.clear()
    while await it.reconcile():
        pass
    assert it.cluster.calls == [
        "put status",
        "get secret",
        "get secret",
        "rehearse secret",
        "put status",
        "event",
    ]
    assert it.value() == value
    assert it.is_delivered()
    it.clock.advance(8)
    await it.reconcile()
    assert (it.value(), it.is_delivered()) == (value, True)
    assert not it.cluster.secret.get("immutable")


async def test_a_webhook_that_cannot_be_rehearsed_does_not_keep_a_secret_immutable(it: Operator) -> None:
    """It says that of every rehearsal, and nothing about this Secret."""
    await it.reconcile()
    assert it.cluster.secret is not None
    it.cluster.secret["immutable"] = True
    it.see_secret()
    it.cluster.fails["rehearse secret"] = Unprocessable(
        "admission webhook does not support dry run", status=400
    )
    await it.reconcile()
    assert not it.cluster.secret.get("immutable")
    assert it.is_delivered()


async def test_the_next_attempt_waits_until_the_failure_was_reported(it: Operator) -> None:
    """However late the pass comes that tells it, as on a busy machine."""
    it.cluster.fails["create secret"] = Forbidden("exceeded quota: secrets=10", status=403)
    assert await it.reconcile()
    it.clock.advance(60)
    it.cluster.calls.clear()
    assert not await it.reconcile()
    assert it.cluster.calls == ["put status", "event"]
    assert it.condition("Ready")["reason"] == "DeliveryFailed"
    it.clock.advance(1)
    await it.reconcile()
    assert it.is_delivered()


async def test_a_failure_is_forgotten_with_the_withdrawn_rotation(it: Operator) -> None:
    """Neither conditions nor memory speak of it any more, and what comes later is not delayed by it."""
    it.edit(rotation={"id": "a"})
    await it.reconcile()
    it.edit(rotation={"id": "b"})
    it.cluster.fails["patch secret"] = Forbidden("exceeded quota: secrets=10", status=403)
    while await it.reconcile():
        pass
    it.edit(rotation={"id": "a"})
    await it.reconcile()
    for kind in ("Ready", "SecretSynced"):
        assert it.condition(kind)["status"] == "True"
    assert not it.memories.has_failed(KEY)
    assert it.is_delivered()


FAILS_AFTER = {
    "5xx": ApiUnavailable("etcdserver: request timed out", status=500),
    "no answer": ApiUnavailable("the API server did not answer in time", timed_out=True),
}


@pytest.mark.parametrize("failure", FAILS_AFTER.values(), ids=FAILS_AFTER)
@pytest.mark.parametrize("what", ["create", "patch", "surroundings"])
async def test_a_write_that_failed_and_was_applied_is_not_reported_as_a_failure(
    it: Operator, failure: ApiUnavailable, what: str, logged: Callable[[], str]
) -> None:
    """The Secret is read before anything is said of it, and nothing of the failure stays in memory."""
    if what != "create":
        await it.reconcile()
        it.cluster.events.clear()
        it.edit(
            **(
                {"rotation": {"id": "now"}}
                if what == "patch"
                else {"secret": {"template": {"labels": {"a": "b"}}}}
            )
        )
    it.cluster.applied = True
    it.cluster.fails[f"{'create' if what == 'create' else 'patch'} secret"] = failure
    assert await it.reconcile()
    while await it.reconcile():
        pass
    for kind in ("Ready", "SecretSynced"):
        assert it.condition(kind)["status"] == "True"
    assert it.is_known_value()
    assert "DeliveryFailed" not in it.cluster.events
    assert it.memories.find_missing_permission() is None
    assert not it.memories.has_failed(KEY)
    assert "recovered" in logged()


async def test_a_namespace_that_was_made_again_holds_nothing_up(it: Operator) -> None:
    """One of its name was deleted a moment ago; the first Secret that is created shows that this is another."""
    it.memories.namespace_ends(Key(KEY.kind, KEY.namespace, "gone"), "gone", it.clock.now())
    await it.reconcile()
    value = it.value()
    it.edit(rotation={"id": "now"})
    while await it.reconcile():
        pass
    assert it.value() != value


async def test_removed_annotations_are_restored_around_the_same_token(it: Operator) -> None:
    """The value is read once more and decides; nothing is minted."""
    await it.reconcile()
    assert it.cluster.secret is not None
    value = it.value()
    for damage in ("serial", "owner", "both"):
        meta = it.cluster.secret["metadata"]
        if damage != "owner":
            del meta["annotations"]["servicetokens.dev/serial"]
        if damage != "serial":
            del meta["ownerReferences"]
        it.see_secret()
        await it.reconcile()
        assert it.value() == value
        assert it.status()["serial"] == 1
        assert it.cluster.secret["metadata"]["annotations"]["servicetokens.dev/serial"] == "1"
        assert it.cluster.secret["metadata"]["ownerReferences"][0]["uid"] == "u-1"
        it.memories.clear()


async def test_a_taken_name_is_found_out_and_the_credential_is_dropped(it: Operator) -> None:
    """No client ever got its plaintext. The foreign Secret is not touched."""
    foreign = it.cluster.put(SECRET, {"type": "Opaque", "data": {"token": "eA=="}})
    copy = deepcopy(foreign)
    await it.fails_with(AlreadyExists)
    await it.reconcile()
    assert it.cluster.secret is foreign
    assert foreign == copy
    assert it.condition("Stalled")["reason"] == "SecretConflict"
    assert it.cluster.token is not None
    assert "credentials" not in it.cluster.token["status"]


async def test_a_rotation_keeps_what_others_put_on_the_secret(it: Operator) -> None:
    """A merge touches our keys only."""
    await it.reconcile()
    assert it.cluster.secret is not None
    it.cluster.secret["metadata"]["labels"]["team"] = "orders"
    it.cluster.secret["data"]["note"] = "aGk="
    it.edit(rotation={"id": "now"})
    await it.reconcile()
    assert it.cluster.secret["metadata"]["labels"]["team"] == "orders"
    assert it.cluster.secret["data"]["note"] == "aGk="
    assert it.cluster.events == ["TokenRotated"]


async def test_what_leaves_the_template_leaves_the_secret(it: Operator) -> None:
    """And what the template says is rendered with the token that is there."""
    it.edit(secret={"template": {"data": {"header": "Bearer {token}"}, "labels": {"team": "a"}}})
    await it.reconcile()
    assert it.cluster.secret is not None
    header = base64.b64decode(it.cluster.secret["data"]["header"]).decode()
    assert header == "Bearer " + base64.b64decode(it.cluster.secret["data"]["token"]).decode()
    it.edit(secret={"template": {"annotations": {"team": "a"}}})
    await it.reconcile()
    assert set(it.cluster.secret["data"]) == {"token"}
    assert "team" not in it.cluster.secret["metadata"]["labels"]
    assert it.cluster.secret["metadata"]["annotations"]["team"] == "a"
    assert it.is_delivered()
    calls = list(it.cluster.calls)
    await it.reconcile()
    assert it.cluster.calls == calls


async def test_an_immutable_secret_is_made_again_with_the_same_token(it: Operator) -> None:
    """Deleted and created; what others put there moves along."""
    await it.reconcile()
    assert it.cluster.secret is not None
    value = it.cluster.secret["data"]["token"]
    it.cluster.secret["immutable"] = True
    it.cluster.secret["metadata"]["labels"]["team"] = "orders"
    it.restart()
    await it.reconcile()
    assert it.cluster.calls[-3:] == ["delete secret", "create secret", "put status"]
    assert it.cluster.secret["data"]["token"] == value
    assert it.cluster.secret["metadata"]["labels"]["team"] == "orders"
    assert "immutable" not in it.cluster.secret


async def test_a_secret_that_changes_while_it_is_refreshed_is_looked_at_again(it: Operator) -> None:
    """The value is verified once more before it is written back."""
    await it.reconcile()
    it.edit(secret={"template": {"labels": {"team": "a"}}})
    assert it.cluster.secret is not None
    it.cluster.secret["data"]["token"] = base64.b64encode(b"something else").decode()
    await it.fails_with(Conflict)
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.events == ["TokenReminted"]
