"""The event loop that skips waiting."""

import asyncio
import time

import pytest

pytestmark = pytest.mark.skips_time


async def test_an_hour_passes_without_being_waited_for() -> None:
    """By the time of the loop; the order of timers is that of their times."""
    order: list[str] = []

    async def note(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(name)

    loop, began = asyncio.get_running_loop(), time.monotonic()
    start = loop.time()
    await asyncio.gather(note("late", 3600), note("early", 0.001), note("between", 60))
    assert order == ["early", "between", "late"]
    assert loop.time() - start == pytest.approx(3600)
    assert time.monotonic() - began < 600


async def test_a_time_limit_is_reached() -> None:
    """`asyncio.timeout` goes by the same time."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await asyncio.Event().wait()


@pytest.mark.skips_time(False)
async def test_one_test_of_a_file_can_be_excepted() -> None:
    """For what threads do, time passes as before."""
    began = time.monotonic()
    await asyncio.sleep(0.05)
    assert time.monotonic() - began >= 0.04
