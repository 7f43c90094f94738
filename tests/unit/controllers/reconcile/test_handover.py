"""Taking over from another operator, whose last writes the watches may deliver late and in any order."""

import contextlib

import pytest

from common.drivers.reconciling import PLACE, Operator
from servicetokens.controllers.cache import facts
from servicetokens.kube.errors import AlreadyExists, ApiUnavailable, Conflict


@pytest.fixture
def it() -> Operator:
    """A token that was just applied."""
    return Operator()


@pytest.mark.parametrize("rotated", [False, True], ids=["first", "rotated"])
@pytest.mark.parametrize("late", ["token", "secret", "both"])
async def test_another_operator_that_sees_one_watch_late_mints_nothing(
    it: Operator, late: str, rotated: bool
) -> None:
    """What was written just before it took over is read; the value that workloads have stays the accepted one."""
    if rotated:
        await it.reconcile()
        it.edit(rotation={"id": "now"})
    assert it.cluster.token is not None
    token = facts.token_facts(it.cluster.token)
    secret = facts.secret_facts(it.cluster.secret, it.keys.ring) if it.cluster.secret is not None else None
    await it.reconcile()
    value, credentials = it.value(), it.credentials()
    it.restart()
    if late != "secret":
        it.caches.tokens.clear()
        it.caches.put_token(token)
    if late != "token":
        it.caches.secrets.clear()
        if secret is not None:
            it.caches.secrets.put(PLACE, secret)
    for _ in range(4):
        with contextlib.suppress(Conflict, AlreadyExists):
            await it.reconcile()
    assert (it.value(), it.credentials()) == (value, credentials)


async def test_another_operator_that_sees_a_delivery_late_finishes_the_rotation(it: Operator) -> None:
    """The Secret holds the next credential already, and status calls it pending: no second one is minted."""
    await it.reconcile()
    assert it.cluster.secret is not None
    secret = facts.secret_facts(it.cluster.secret, it.keys.ring)
    it.edit(rotation={"id": "now"})
    it.cluster.fails_at = 2
    await it.fails_with(ApiUnavailable)
    value = it.value()
    it.restart()
    it.caches.secrets.clear()
    it.caches.secrets.put(PLACE, secret)
    await it.reconcile()
    assert it.value() == value
    assert it.is_known_value()
    assert [one.get("delivery") for one in it.credentials()] == [None, None]


async def test_a_secret_whose_status_was_never_written_costs_one_read_and_one_mint(it: Operator) -> None:
    """Its writer exited in between; no validator accepts its value, which a client may have read: an Event says so."""
    it.cluster.fails_at = 1
    await it.fails_with(ApiUnavailable)
    it.restart()
    it.cluster.calls.clear()
    await it.reconcile()
    assert it.cluster.calls == ["get token", "patch secret", "put status", "event"]
    assert it.is_delivered()
