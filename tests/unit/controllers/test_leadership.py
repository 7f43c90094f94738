"""Who leads, by the holder's and by the standby's own clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from common.fakes.api import FakeApi
from common.fakes.clock import FakeClock
from servicetokens.api.names import OPERATOR_LEASE
from servicetokens.controllers.leadership import EXIT_LOST, Leadership, Timing
from servicetokens.kube.leases import Lease

pytestmark = pytest.mark.skips_time

QUICK = Timing(duration=15, deadline=10.0, retry=0.01)


class Store(FakeApi):
    """A fake API of which only the operator's Lease matters."""

    @property
    def lease(self) -> Lease | None:
        """The Lease as it is stored."""
        return self.leases.get(OPERATOR_LEASE)

    @lease.setter
    def lease(self, lease: Lease | None) -> None:
        self.leases = {} if lease is None else {OPERATOR_LEASE: lease}


@pytest.fixture
def clock() -> FakeClock:
    """Time in the test's hands."""
    return FakeClock()


@pytest.fixture
def store() -> Store:
    """No Lease yet."""
    return Store(version=0)


def make(store: Store, clock: FakeClock, identity: str, ends: list[int] | None = None) -> Leadership:
    """Return an operator's leadership that notes its end instead of ending the tests."""
    noted = ends if ends is not None else []
    return Leadership(store.lease_store, "servicetokens", identity, clock, timing=QUICK, end=noted.append)


async def leads_within(leadership: Leadership, seconds: float) -> bool:
    """Say whether *leadership* acquires the Lease within *seconds* of real time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(leadership.acquire(), seconds)
    return leadership.leads


@pytest.mark.parametrize("duration", [5, 15, 3600])
def test_the_times_keep_their_order_whatever_the_duration(duration: int) -> None:
    """A holder gives up before its Lease ends, tries several times before that, and a standby looks often."""
    timing = Timing.of(duration)
    assert timing.duration == duration
    assert timing.deadline == pytest.approx(duration * 2 / 3)
    assert timing.retry * 4 < timing.deadline
    assert timing.standby <= min(timing.retry, 0.5)


def test_the_usual_times_are_those_of_client_go() -> None:
    """What `--lease-duration` leaves out is what Kubernetes' own controllers do."""
    assert Timing.of(15) == Timing()
    assert (Timing().duration, Timing().deadline, Timing().retry) == (15, 10.0, 2.0)


async def test_the_first_operator_creates_the_lease_and_leads(store: Store, clock: FakeClock) -> None:
    """Without a Lease, the first operator leads immediately."""
    one = make(store, clock, "one")
    assert await leads_within(one, 1)
    assert store.lease is not None
    assert (store.lease.name, store.lease.holder, store.lease.seconds) == (OPERATOR_LEASE, "one", 15)
    await one.release()


async def test_a_second_operator_waits_while_the_lease_is_held(store: Store, clock: FakeClock) -> None:
    """A held Lease is not changed."""
    one, two = make(store, clock, "one"), make(store, clock, "two")
    assert await leads_within(one, 1)
    assert not await leads_within(two, 0.1)
    assert store.lease is not None
    assert store.lease.holder == "one"
    await one.release()


async def test_a_released_lease_is_acquired_immediately(store: Store, clock: FakeClock) -> None:
    """An operator that ends in order makes room without a wait, and leads no more."""
    one, two = make(store, clock, "one"), make(store, clock, "two")
    assert await leads_within(one, 1)
    await one.release()
    assert not one.leads
    assert await leads_within(two, 1)
    assert store.lease is not None
    assert store.lease.transitions == 1
    await two.release()


async def test_a_lease_without_renewal_is_taken_after_its_duration(store: Store, clock: FakeClock) -> None:
    """A standby counts from the last change that it has seen itself, by its own clock."""
    one, two = make(store, clock, "one"), make(store, clock, "two")
    assert await leads_within(one, 1)
    assert not await leads_within(two, 0.05)
    clock.advance(14)
    assert not await leads_within(two, 0.05)
    clock.advance(1)
    assert await leads_within(two, 1)
    await one.release()
    await two.release()


async def test_a_renewed_lease_restarts_the_wait(store: Store, clock: FakeClock) -> None:
    """As long as the holder renews, no standby takes over."""
    one, two = make(store, clock, "one"), make(store, clock, "two")
    assert await leads_within(one, 1)
    for _ in range(3):
        assert not await leads_within(two, 0.05)
        clock.advance(9)
        renewing = asyncio.create_task(one.run())
        await asyncio.sleep(0.1)
        renewing.cancel()
    assert one.leads
    assert not await leads_within(two, 0.05)
    await one.release()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.05)
    message = "it did not happen"
    raise AssertionError(message)


# The watchdog is a thread, so that a blocked event loop does not keep it from its work.
@pytest.mark.skips_time(False)
async def test_a_hanging_leader_exits_before_another_may_lead(store: Store, clock: FakeClock) -> None:
    """The watchdog ends the process at the deadline, which is earlier than the Lease's end."""
    ends: list[int] = []
    one = make(store, clock, "one", ends)
    assert await leads_within(one, 1)
    store.is_down = True
    # Without suspending it: that is the event loop's part.
    clock.advance(QUICK.deadline)
    assert not one.leads
    await until(lambda: bool(ends))
    assert ends == [EXIT_LOST]


@contextlib.asynccontextmanager
async def suspended(
    store: Store, clock: FakeClock, ends: list[int], standby: Leadership | None = None
) -> AsyncIterator[Leadership]:
    """Give a leader that could not renew in time, and whose loop has noticed; the API server is away."""
    one = make(store, clock, "one", ends)
    assert await leads_within(one, 1)
    if standby is not None:
        assert not await leads_within(standby, 0.05)
    running = asyncio.create_task(one.run())
    store.is_down = True
    while not one.suspended.is_set():
        clock.advance(0.5)
        await asyncio.sleep(0.1)
    assert not one.leads
    assert not one.held.is_set()
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await one.release()


@pytest.mark.skips_time(False)
async def test_a_leader_that_regains_its_own_lease_goes_on(store: Store, clock: FakeClock) -> None:
    """However long the API server was away: no other operator was faster."""
    ends: list[int] = []
    async with suspended(store, clock, ends) as one:
        for _ in range(20):
            clock.advance(0.9)
            await asyncio.sleep(0.05)
        assert ends == []
        assert "did not answer" in one.problem
        store.is_down = False
        await until(one.held.is_set)
        assert one.leads
        assert not one.suspended.is_set()
        assert one.problem == ""
        assert ends == []


@pytest.mark.skips_time(False)
@pytest.mark.parametrize("holder", ["two", ""], ids=["another", "nobody"])
async def test_a_leader_whose_lease_may_have_been_anothers_meanwhile_ends(
    store: Store, clock: FakeClock, holder: str
) -> None:
    """It has another holder, or it was released, so another operator may have led."""
    ends: list[int] = []
    async with suspended(store, clock, ends) as one:
        assert store.lease is not None
        held = store.lease
        store.lease = replace(held, holder=holder, resource_version="77")
        store.is_down = False
        await until(lambda: bool(ends))
        assert set(ends) == {EXIT_LOST}
        assert not one.leads
        assert store.lease.holder == holder


@pytest.mark.skips_time(False)
async def test_a_leader_whose_lease_was_deleted_meanwhile_ends(store: Store, clock: FakeClock) -> None:
    """The last holder is unknown."""
    ends: list[int] = []
    async with suspended(store, clock, ends):
        store.lease, store.is_down = None, False
        await until(lambda: bool(ends))
        assert store.lease is None


@pytest.mark.skips_time(False)
async def test_of_a_suspended_leader_and_a_standby_one_leads(store: Store, clock: FakeClock) -> None:
    """The first writer leads; the other one exits, or becomes a standby."""
    ends: list[int] = []
    two = make(store, clock, "two")
    async with suspended(store, clock, ends, standby=two) as one:
        clock.advance(QUICK.duration)
        store.is_down = False
        standing_by = asyncio.create_task(two.acquire())
        await until(lambda: one.held.is_set() or bool(ends))
        await asyncio.sleep(0.1)
        assert [one.leads, two.leads].count(True) == 1
        assert bool(ends) is two.leads
        standing_by.cancel()
    await two.release()


@pytest.mark.skips_time(False)
async def test_without_a_watchdog_no_operator_leads(store: Store, clock: FakeClock) -> None:
    """It may be the only one that notices a freeze."""
    one = make(store, clock, "one")
    assert await leads_within(one, 1)
    one._given_up.set()
    await until(lambda: not one.leads)


async def test_who_finds_another_holder_ends(store: Store, clock: FakeClock) -> None:
    """A Lease that another user holds by now is not fought for."""
    ends: list[int] = []
    one = make(store, clock, "one", ends)
    assert await leads_within(one, 1)
    assert store.lease is not None
    store.lease = replace(store.lease, holder="two", resource_version="77")
    renewing = asyncio.create_task(one.run())
    await asyncio.sleep(0.1)
    renewing.cancel()
    assert ends
    assert set(ends) == {EXIT_LOST}
    await one.release()


async def test_an_api_server_that_is_away_for_a_moment_costs_nothing(store: Store, clock: FakeClock) -> None:
    """A failed renewal before the deadline is retried."""
    ends: list[int] = []
    one = make(store, clock, "one", ends)
    assert await leads_within(one, 1)
    store.is_down = True
    renewing = asyncio.create_task(one.run())
    await asyncio.sleep(0.05)
    store.is_down = False
    clock.advance(5)
    await asyncio.sleep(0.1)
    renewing.cancel()
    assert one.leads
    assert ends == []
    await one.release()


async def test_a_shutdown_during_a_renewal_releases_the_lease(store: Store, clock: FakeClock) -> None:
    """The renewal was applied without an answer; another holder's Lease is not changed."""
    one, two = make(store, clock, "one"), make(store, clock, "two")
    assert await leads_within(one, 1)
    assert store.lease is not None
    await store.lease_store.put(store.lease.taken_by("one", QUICK.duration, clock.now() + 1))
    await one.release()
    assert store.lease.holder == ""
    assert await leads_within(two, 1)
    held = store.lease
    await one.release()
    assert store.lease == held
    await two.release()


async def test_a_release_that_cannot_be_written_is_only_a_delay(store: Store, clock: FakeClock) -> None:
    """Ending does not depend on the API server: the Lease ends on its own."""
    one = make(store, clock, "one")
    assert await leads_within(one, 1)
    store.is_down = True
    await one.release()
    assert not one.leads


async def test_a_lease_that_is_older_than_before_is_reported(store: Store, clock: FakeClock) -> None:
    """After a restore of etcd nothing that was seen before can be believed; every renewal tells."""
    told: list[int] = []
    one = Leadership(
        store.lease_store,
        "servicetokens",
        "one",
        clock,
        timing=QUICK,
        end=told.append,
        went_back=lambda: told.append(1),
    )
    store.version = 100
    assert await leads_within(one, 1)
    assert store.lease is not None
    snapshot = store.lease
    renewing = asyncio.create_task(one.run())
    await asyncio.sleep(0.05)
    assert told == []
    store.lease, store.version = replace(snapshot, resource_version="40"), 40
    await asyncio.sleep(0.05)
    renewing.cancel()
    assert told == [1]
    await one.release()
