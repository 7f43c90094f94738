"""The heap of deadlines: at most one per object, the last one set."""

import asyncio

import pytest

from common.fakes.clock import FakeClock
from servicetokens.controllers.queue.deadlines import Deadlines
from servicetokens.kube.object_key import Key

pytestmark = pytest.mark.skips_time

ONE = Key("ServiceToken", "team-a", "one")
TWO = Key("ServiceToken", "team-a", "two")


class Added:
    """Notes what is due."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def add(self, key: Key) -> None:
        """See `WorkQueue.add`."""
        self.keys.append(key)


@pytest.fixture
def added() -> Added:
    """Nothing is due yet."""
    return Added()


@pytest.fixture
def clock() -> FakeClock:
    """The Unix second 1000."""
    return FakeClock(now=1000)


@pytest.fixture
def deadlines(added: Added, clock: FakeClock) -> Deadlines:
    """An empty heap."""
    return Deadlines(added, clock)


def test_a_key_is_due_at_its_second_and_not_before(
    deadlines: Deadlines, added: Added, clock: FakeClock
) -> None:
    """A deadline is the first second at which the answer may differ."""
    deadlines.set(ONE, 1010)
    clock.advance(9)
    deadlines.queue_due()
    assert added.keys == []
    clock.advance(1)
    deadlines.queue_due()
    assert added.keys == [ONE]
    assert len(deadlines) == 0


def test_a_deadline_fires_once(deadlines: Deadlines, added: Added, clock: FakeClock) -> None:
    """A new deadline has to be set."""
    deadlines.set(ONE, 1001)
    clock.advance(5)
    deadlines.queue_due()
    deadlines.queue_due()
    assert added.keys == [ONE]


def test_another_deadline_replaces_the_first(deadlines: Deadlines, added: Added, clock: FakeClock) -> None:
    """Also when it is later: a token whose expiry was moved is not woken at the old one."""
    deadlines.set(ONE, 1005)
    deadlines.set(ONE, 1050)
    clock.advance(10)
    deadlines.queue_due()
    assert added.keys == []
    clock.advance(40)
    deadlines.queue_due()
    assert added.keys == [ONE]


def test_no_deadline_takes_the_last_one_back(deadlines: Deadlines, added: Added, clock: FakeClock) -> None:
    """None is never."""
    deadlines.set(ONE, 1005)
    deadlines.set(ONE, None)
    deadlines.set(TWO, None)
    clock.advance(10)
    deadlines.queue_due()
    assert added.keys == []


def test_replaced_deadlines_do_not_pile_up(deadlines: Deadlines, clock: FakeClock, added: Added) -> None:
    """An object that is edited all day costs one entry, not one per edit."""
    for second in range(10_000):
        deadlines.set(ONE, 2000 + second)
    assert len(deadlines._heap) < 200
    clock.advance(20_000)
    deadlines.queue_due()
    assert added.keys == [ONE]


async def test_run_wakes_what_is_due(deadlines: Deadlines, added: Added) -> None:
    """The loop looks at the heap on its own."""
    deadlines.set(ONE, 1000)
    running = asyncio.create_task(deadlines.run())
    await asyncio.sleep(0.05)
    running.cancel()
    assert added.keys == [ONE]
