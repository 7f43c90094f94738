"""The work queue: every object at most once, one worker per object, failures come back later."""

import asyncio

from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.kube.object_key import Key

ONE = Key("ServiceToken", "team-a", "one")
TWO = Key("ServiceToken", "team-a", "two")


async def next_key(queue: WorkQueue, seconds: float = 0.05) -> Key | None:
    """Return what the queue gives out, or None if it gives nothing."""
    try:
        return await asyncio.wait_for(queue.get(), seconds)
    except TimeoutError:
        return None


async def test_a_key_that_is_added_twice_is_given_out_once() -> None:
    """Events come in bursts; the object is reconciled once."""
    queue = WorkQueue()
    queue.add(ONE)
    queue.add(ONE)
    assert len(queue) == 1
    assert await next_key(queue) == ONE
    assert await next_key(queue) is None


async def test_a_key_is_never_with_two_workers() -> None:
    """What is added while it is being worked on waits until that worker has finished."""
    queue = WorkQueue()
    queue.add(ONE)
    assert await next_key(queue) == ONE
    queue.add(ONE)
    assert await next_key(queue) is None
    queue.done(ONE)
    assert await next_key(queue) == ONE


async def test_other_keys_do_not_wait_for_a_busy_one() -> None:
    """One slow object delays no other."""
    queue = WorkQueue()
    queue.add(ONE)
    assert await next_key(queue) == ONE
    queue.add(TWO)
    assert await next_key(queue) == TWO


async def test_a_failure_comes_back_and_waits_longer_each_time() -> None:
    """The delay doubles, per key."""
    queue = WorkQueue()
    delays = []
    for _ in range(3):
        queue.add(ONE)
        assert await next_key(queue, 1) == ONE
        delays.append(queue.failed(ONE))
    assert delays == [0.02, 0.04, 0.08]
    assert await next_key(queue, 1) == ONE


async def test_a_success_forgets_the_failures_before_it() -> None:
    """The next failure starts from the shortest delay again."""
    queue = WorkQueue()
    queue.add(ONE)
    await queue.get()
    queue.failed(ONE)
    await queue.get()
    queue.done(ONE)
    queue.add(ONE)
    await queue.get()
    assert queue.failed(ONE) == 0.02


async def test_the_longest_delay_is_five_minutes() -> None:
    """After the cause is removed, the wait is less than an hour."""
    queue = WorkQueue()
    delays = []
    for _ in range(40):
        queue.add(ONE)
        await queue.get()
        delays.append(queue.failed(ONE))
    assert max(delays) == delays[-1] == 300


async def test_the_api_servers_own_delay_counts_where_it_is_longer() -> None:
    """`Retry-After` is honoured."""
    queue = WorkQueue()
    queue.add(ONE)
    await queue.get()
    assert queue.failed(ONE, retry_after=7.0) == 7.0


async def test_a_failure_may_begin_later_and_end_sooner() -> None:
    """A rejected request is not repeated within milliseconds, but within seconds after its cause was removed."""
    queue = WorkQueue()
    delays = []
    for number in range(6):
        queue.add(ONE)
        await queue.get()
        assert queue.failing == min(number, 1)
        delays.append(queue.failed(ONE, first=0.5, longest=8))
    assert delays == [1, 2, 4, 8, 8, 8]
    queue.add(ONE)
    await queue.get()
    queue.done(ONE)
    assert queue.failing == 0
