"""Carrying out plans: the order of writes, and what is left behind when one of them fails."""

import base64

import pytest

from common.enforcing import NobodyAsked
from common.executing import KEY, PLACE, Operator
from servicetokens.controllers import facts
from servicetokens.controllers.gather import Gatherer
from servicetokens.kube.errors import (
    AlreadyExists,
    ApiUnavailable,
    Conflict,
    Forbidden,
    NotFound,
)
from servicetokens.lifecycle.plan import plan


@pytest.fixture
def it() -> Operator:
    """A token that was just applied."""
    return Operator()


async def test_a_new_token_is_two_writes_status_first(it: Operator) -> None:
    """And no read, and no Event; the second pass does nothing."""
    assert not await it.reconcile()
    assert it.cluster.calls == ["put status", "create secret"]
    assert it.is_delivered()
    assert not await it.reconcile()
    assert it.cluster.calls == ["put status", "create secret"]


async def test_a_crash_between_the_writes_is_healed_by_a_fresh_mint(it: Operator) -> None:
    """The plaintext died with the process, so its credential must not stay."""
    it.cluster.fails["create secret"] = ApiUnavailable("no answer", may_have_been_applied=False)
    await it.fails_with(ApiUnavailable)
    it.restart()
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.token is not None
    assert it.cluster.token["status"]["serial"] == 2


async def test_a_secret_that_fails_for_a_moment_costs_no_second_mint(it: Operator) -> None:
    """The plaintext waits in memory, and is delivered by the next pass."""
    it.cluster.fails["create secret"] = ApiUnavailable("no answer")
    await it.fails_with(ApiUnavailable)
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.token is not None
    assert it.cluster.token["status"]["serial"] == 1
    assert it.cluster.calls == ["put status", "create secret", "get secret", "create secret"]


async def test_a_creation_whose_answer_got_lost_is_looked_up(it: Operator) -> None:
    """It was applied: nothing is minted, nothing is written."""
    it.cluster.applied = True
    it.cluster.fails["create secret"] = ApiUnavailable("timed out")
    await it.fails_with(ApiUnavailable)
    await it.reconcile()
    assert it.cluster.calls.count("create secret") == 1
    assert it.is_delivered()


async def test_a_status_write_whose_answer_got_lost_is_looked_up(it: Operator) -> None:
    """It was applied: the very token that is on status is delivered."""
    it.cluster.applied = True
    it.cluster.fails["put status"] = ApiUnavailable("timed out")
    await it.fails_with(ApiUnavailable)
    assert it.cluster.secret is None
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.calls.count("put status") == 1


async def test_a_status_write_that_was_not_applied_is_made_again(it: Operator) -> None:
    """The token of the first try is forgotten."""
    it.cluster.fails["put status"] = ApiUnavailable("timed out")
    await it.fails_with(ApiUnavailable)
    await it.reconcile()
    assert it.is_delivered()


async def test_a_conflict_is_read_again_before_anything_is_written(it: Operator) -> None:
    """The cache was behind."""
    it.edit(description="changed meanwhile")
    it.caches.tokens._facts[PLACE] = facts.token_facts(
        {
            **(it.cluster.token or {}),
            "metadata": {**(it.cluster.token or {})["metadata"], "resourceVersion": "3"},
        }
    )
    await it.fails_with(Conflict)
    await it.reconcile()
    assert "get token" in it.cluster.calls
    assert it.is_delivered()


async def test_a_token_that_is_gone_is_forgotten(it: Operator) -> None:
    """The write says so, and then the object itself is asked for; there is nothing to deliver any more."""
    it.cluster.token = None
    await it.fails_with(NotFound)
    assert not await it.reconcile()
    assert len(it.memories) == 0
    assert it.cluster.secret is None


async def test_a_namespace_that_goes_is_no_error(it: Operator) -> None:
    """403 with the cause NamespaceTerminating: final, and not tried again."""
    it.cluster.fails["create secret"] = Forbidden("being terminated", causes=("NamespaceTerminating",))
    assert not await it.reconcile()
    assert len(it.memories) == 0


@pytest.mark.parametrize("call", ["put status", "create secret"])
async def test_what_is_not_found_is_tried_again(it: Operator, call: str) -> None:
    """An API server that starts, or whose CRD comes back, says 404 of what is there. Nothing is minted twice."""
    it.cluster.fails[call] = NotFound("the server could not find the requested resource")
    await it.fails_with(NotFound)
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.token is not None
    assert it.cluster.token["status"]["serial"] == 1


async def test_a_refused_secret_is_told_and_keeps_its_token(it: Operator) -> None:
    """A quota: the condition says so; nothing new is minted; when it is lifted, that token is delivered."""
    it.cluster.fails["create secret"] = Forbidden("exceeded quota: secrets=10")
    assert await it.reconcile()
    assert not await it.reconcile()
    ready = it.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "SecretMissing")
    assert "exceeded quota" in ready["message"]
    it.clock.advance(10)
    assert await it.reconcile()
    await it.reconcile()
    assert it.is_delivered()
    assert it.condition("Ready")["status"] == "True"
    assert it.cluster.token is not None
    assert it.cluster.token["status"]["serial"] == 1


async def test_a_taken_name_is_found_out_and_the_credential_is_dropped(it: Operator) -> None:
    """Nobody ever got its plaintext. The foreign Secret is not touched."""
    foreign = {"type": "Opaque", "metadata": {"uid": "f", "resourceVersion": "5"}, "data": {"token": "eA=="}}
    it.cluster.secret = foreign
    await it.fails_with(AlreadyExists)
    await it.reconcile()
    assert it.cluster.secret is foreign
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


async def test_an_immutable_secret_is_made_anew_with_the_same_token(it: Operator) -> None:
    """Deleted and created; what others put there moves along."""
    await it.reconcile()
    assert it.cluster.secret is not None
    value = it.cluster.secret["data"]["token"]
    it.cluster.secret["immutable"] = True
    it.cluster.secret["metadata"]["labels"]["team"] = "orders"
    it.restart()
    await it.reconcile()
    assert it.cluster.calls[-2:] == ["delete secret", "create secret"]
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


async def test_an_event_that_cannot_be_sent_costs_nothing_else(it: Operator) -> None:
    """Status says the same, and stays."""
    await it.reconcile()
    it.cluster.fails["event"] = Forbidden("events is forbidden")
    it.edit(rotation={"id": "now"})
    assert not await it.reconcile()
    assert it.cluster.events == []
    assert len((it.cluster.token or {})["status"]["credentials"]) == 2


async def test_keys_that_vanish_between_plan_and_mint_stop_the_mint(it: Operator) -> None:
    """Nothing is written; the next pass says KeyMissing."""
    snapshot = await it.gatherer.token(KEY, it.clock.now())
    assert snapshot is not None
    wanted = plan(snapshot, it.clock.now())
    it.keys.ring = None
    with pytest.raises(ApiUnavailable):
        await it.executor.execute(KEY, snapshot, wanted)
    assert it.cluster.calls == []


async def test_a_token_unknown_to_the_cache_is_nothing_to_do(it: Operator) -> None:
    """Its memory is dropped with it."""
    it.caches.drop_token(PLACE)
    assert not await it.reconcile()


async def test_without_a_watch_the_secret_is_read_by_name(it: Operator) -> None:
    """Not before the first mint, and at every look from then on."""
    it.gatherer = Gatherer(
        it.caches, it.memories, it.keys, it.cluster, it.cluster, NobodyAsked(), watches_secrets=False
    )
    await it.reconcile()
    assert it.cluster.calls == ["put status", "create secret"]
    it.cluster.secret = None
    await it.reconcile()
    assert it.cluster.calls[2:] == ["get secret", "put status", "create secret", "event"]
    assert it.is_delivered()
