"""Carrying out plans: the order of writes, and what is left behind when one of them fails."""

import pytest

from common.drivers.reconciling import KEY, PLACE, SECRET, TOKEN, Operator
from servicetokens.controllers.cache import facts
from servicetokens.kube.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    NotFound,
)


async def test_a_new_token_is_two_writes_secret_first(it: Operator) -> None:
    """And no read, and no Event; the second pass does nothing."""
    assert not await it.reconcile()
    assert it.cluster.calls == ["create secret", "put status"]
    assert it.is_delivered()
    assert not await it.reconcile()
    assert it.cluster.calls == ["create secret", "put status"]
    assert len(it.memories) == 0


async def test_a_rotation_is_known_to_validators_before_the_secret_has_it(it: Operator) -> None:
    """Status, Secret, status: at each moment the Secret's value is one that status lists."""
    await it.reconcile()
    it.cluster.calls.clear()
    it.edit(rotation={"id": "now"})
    known: list[bool] = []
    it.cluster.after = lambda _call: known.append(it.is_known_value())
    await it.reconcile()
    assert it.cluster.calls == ["put status", "patch secret", "put status", "event"]
    assert known == [True] * 3
    assert [one.get("delivery") for one in it.credentials()] == [None, None]


@pytest.mark.parametrize("applied", [False, True], ids=["lost", "applied"])
@pytest.mark.parametrize("crash", [False, True], ids=["goes on", "crashes"])
@pytest.mark.parametrize("write", range(3))
async def test_a_rotation_survives_a_failure_at_every_write(
    it: Operator, write: int, crash: bool, applied: bool
) -> None:
    """Also when the process dies with it: it converges to one credential in the Secret and the overlapping one."""
    await it.reconcile()
    it.edit(rotation={"id": "now"})
    it.cluster.fails_at, it.cluster.applied = write, applied
    await it.fails_with(ApiUnavailable)
    if crash:
        it.restart()
    for _ in range(3):
        await it.reconcile()
    assert it.is_known_value()
    assert it.status()["rotationID"] == "now"
    old, new = it.credentials()
    assert "delivery" not in new
    assert old["expirationTime"] < new["expirationTime"]
    assert it.condition("Ready")["status"] == "True"
    # What was pending when the process died, and is in no Secret, is lost.
    is_lost = crash and (write, applied) in {(0, True), (1, False)}
    assert it.status()["serial"] == (3 if is_lost else 2)


@pytest.mark.parametrize("applied", [False, True], ids=["lost", "applied"])
@pytest.mark.parametrize("crash", [False, True], ids=["goes on", "crashes"])
@pytest.mark.parametrize("write", range(2))
async def test_a_first_mint_survives_a_failure_at_every_write(
    it: Operator, write: int, crash: bool, applied: bool
) -> None:
    """A value that status never listed was never accepted, and is replaced after a crash; otherwise it stays."""
    it.cluster.fails_at, it.cluster.applied = write, applied
    await it.fails_with(ApiUnavailable)
    value = it.value()
    if crash:
        it.restart()
    for _ in range(3):
        await it.reconcile()
    assert it.is_delivered()
    assert it.status()["serial"] == 1
    is_unlisted = write == 0 or not applied
    assert (it.value() == value) is (bool(value) and not (crash and is_unlisted))
    assert it.cluster.calls.count("create secret") <= 2


async def test_a_conflict_is_read_again_before_anything_is_written(it: Operator) -> None:
    """The cache was behind."""
    it.edit(description="changed meanwhile")
    it.caches.drop_token(PLACE)
    it.caches.put_token(
        facts.token_facts(
            {
                **(it.cluster.token or {}),
                "metadata": {**(it.cluster.token or {})["metadata"], "resourceVersion": "3"},
            }
        )
    )
    await it.fails_with(Conflict)
    await it.reconcile()
    assert "get token" in it.cluster.calls
    assert it.is_delivered()


async def test_a_deleted_token_is_forgotten(it: Operator) -> None:
    """The write says so, then the object itself, and at last the watch. Garbage collection takes the Secret."""
    it.cluster.remove(TOKEN)
    await it.fails_with(NotFound)
    await it.fails_with(Conflict)
    it.caches.drop_token(PLACE)
    assert not await it.reconcile()
    assert len(it.memories) == 0


async def test_a_terminating_namespace_is_no_error_and_costs_one_rejected_write(it: Operator) -> None:
    """403 with the cause NamespaceTerminating: final. Nothing else is tried there, no Event either."""
    it.cluster.fails["create secret"] = Forbidden("being terminated", causes=("NamespaceTerminating",))
    for _ in range(3):
        assert not await it.reconcile()
        it.clock.advance(30)
    assert it.cluster.calls == ["create secret"]


@pytest.mark.parametrize("call", ["put status", "create secret"])
async def test_an_object_that_is_not_found_is_retried(it: Operator, call: str) -> None:
    """An API server that starts, or whose CRD comes back, says 404 of what is there. Nothing is minted twice."""
    it.cluster.fails[call] = NotFound("the server could not find the requested resource")
    await it.fails_with(NotFound)
    await it.reconcile()
    assert it.is_delivered()
    assert it.status()["serial"] == 1


async def test_keys_that_vanish_between_plan_and_mint_stop_the_mint(it: Operator) -> None:
    """Nothing is written; the next pass says KeyMissing."""
    snapshot = await it.gatherer.token(KEY, it.clock.now())
    assert snapshot is not None
    it.keys.ring = None
    with pytest.raises(ApiUnavailable):
        it.plan(snapshot)
    assert it.cluster.calls == []
    await it.reconcile()
    assert it.condition("Ready")["reason"] == "KeyMissing"


async def test_a_token_unknown_to_the_cache_is_nothing_to_do(it: Operator) -> None:
    """Its memory is dropped with it."""
    it.caches.drop_token(PLACE)
    assert not await it.reconcile()


async def test_without_a_watch_the_secret_is_read_by_name(it: Operator) -> None:
    """Not before the first mint, and at every look from then on."""
    it.restart(watches_secrets=False)
    await it.reconcile()
    assert it.cluster.calls == ["create secret", "put status"]
    it.cluster.remove(SECRET)
    await it.reconcile()
    assert it.cluster.calls[2:] == ["get secret", "put status", "create secret", "put status", "event"]
    assert it.is_delivered()
