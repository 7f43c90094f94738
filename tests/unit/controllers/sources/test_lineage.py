"""Which tasks descend from a call, and in which order they end."""

import asyncio
from collections.abc import Awaitable, Callable

from servicetokens.controllers.sources.lineage import Lineage


async def forever() -> None:
    """Wait to be cancelled."""
    await asyncio.Event().wait()


def start(name: str, work: Callable[[], Awaitable[None]] = forever) -> asyncio.Task[None]:
    """Create a task."""

    async def run() -> None:
        await work()

    return asyncio.create_task(run(), name=name)


def names(lineage: Lineage) -> set[str]:
    """Return the names of all tasks of *lineage*."""
    return {task.get_name() for task in lineage.tasks()}


async def test_tasks_of_tasks_and_of_callbacks_belong_to_a_lineage() -> None:
    """Those that were created before, after and elsewhere do not."""
    lineage = Lineage()
    before = start("before")

    async def parent() -> None:
        child = start("child", grandparent)
        asyncio.get_running_loop().call_later(0.01, lambda: kept.append(start("callback's")))
        await child

    async def grandparent() -> None:
        kept.append(start("grandchild"))
        await forever()

    kept: list[asyncio.Task[None]] = [before]
    with lineage.recorded():
        kept.append(start("parent", parent))
    kept.append(start("after"))
    await asyncio.sleep(0.05)
    assert names(lineage) == {"parent", "child", "grandchild", "callback's"}
    await lineage.end(seconds=5)
    assert names(lineage) == set()
    assert sorted(task.get_name() for task in kept if not task.done()) == ["after", "before"]
    for task in kept:
        task.cancel()


async def test_two_lineages_are_kept_apart() -> None:
    """As when the watches are started again: what is left of the earlier ones is not theirs."""
    first, second = Lineage(), Lineage()
    kept = []
    for lineage, name in ((first, "one"), (second, "two")):
        with lineage.recorded():
            kept.append(start(name))
    assert (names(first), names(second)) == ({"one"}, {"two"})
    await first.end(seconds=5)
    assert (names(first), names(second)) == (set(), {"two"})
    await second.end(seconds=5)


async def test_a_task_that_ends_lets_its_own_finish() -> None:
    """It is cancelled before those that it waits for, which are cancelled only if it leaves them behind."""
    lineage, ended, kept = Lineage(), [], []

    async def worker() -> None:
        try:
            await asyncio.sleep(0.05)
            ended.append("worker finished")
        except asyncio.CancelledError:
            ended.append("worker cancelled")
            raise

    async def watcher() -> None:
        mine = start("worker", worker)
        kept.append(start("left behind"))
        try:
            await forever()
        finally:
            await mine
            ended.append("watcher")

    async def root() -> None:
        await start("watcher", watcher)

    with lineage.recorded():
        kept.append(start("root", root))
    await asyncio.sleep(0.01)
    await lineage.end(seconds=5)
    assert ended == ["worker finished", "watcher"]
    assert all(task.cancelled() for task in kept)


async def test_a_task_that_does_not_end_is_not_waited_for_without_limit() -> None:
    """Nor does it keep the others from being ended."""
    lineage, stubborn = Lineage(), asyncio.Event()

    async def stay() -> None:
        while not stubborn.is_set():
            try:
                await stubborn.wait()
            except asyncio.CancelledError:
                continue

    with lineage.recorded():
        kept = [start("stubborn", stay), start("other")]
    await asyncio.sleep(0)
    await lineage.end(seconds=0.01)
    assert names(lineage) == {"stubborn"}
    stubborn.set()
    await asyncio.wait(kept)
