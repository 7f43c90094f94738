"""Supervised parts: whatever ends one, `/readyz` names it, the log says why, and it comes back or the process ends."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import PartEnded, Supervisor, end, until_one_ends

# More than a part is given until it counts as working again, on a busy machine.
PATIENCE = 20.0
POLL = 0.01


class Passing(Exception):
    """A temporary failure."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    for _ in range(int(PATIENCE / POLL)):
        if condition():
            return
        await asyncio.sleep(POLL)
    message = "it did not happen"
    raise AssertionError(message)


async def forever() -> None:
    """Go on."""
    await asyncio.Event().wait()


async def cancelled() -> None:
    """End as by an unexpected cancellation."""
    raise asyncio.CancelledError


async def returned() -> None:
    """End on its own."""


async def defect() -> None:
    """Fail."""
    message = "a defect"
    raise ValueError(message)


@pytest.mark.parametrize(
    ("failing", "words"),
    [(cancelled, "it was cancelled"), (returned, "it returned"), (defect, "ValueError('a defect')")],
)
@pytest.mark.parametrize("essential", [True, False])
async def test_a_part_that_ends_is_named_and_comes_back(
    failing: Callable[[], Awaitable[None]], words: str, essential: bool
) -> None:
    """However it ends; a part that is not essential makes nothing unready."""
    readiness, runs = Readiness(), [failing, forever]
    supervisor = Supervisor(readiness)
    with capture_logs() as logs:

        async def work() -> None:
            await runs.pop(0)()

        def shown() -> list[str]:
            return readiness.missing if essential else readiness.degraded

        keeper = supervisor.start("deadlines", work, essential=essential)
        await until(lambda: bool(shown()))
        assert shown() == [f"the part 'deadlines' ended and is started again: {words}"]
        assert not (readiness.degraded if essential else readiness.missing)
        await until(lambda: not shown())
        assert runs == []
    errors = [one for one in logs if one["log_level"] == "error"]
    assert [(one["part"], one["reason"]) for one in errors] == [("deadlines", words)]
    assert isinstance(errors[0]["exc_info"], ValueError) is (failing is defect)
    keeper.cancel()


async def test_a_temporary_failure_is_logged_once_without_a_traceback_and_retried_soon() -> None:
    """As an API server that cannot be reached: it is an ordinary warning, once, until it is over."""
    readiness, tries = Readiness(), []

    async def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            message = "the API server cannot be reached"
            raise Passing(message)
        await forever()

    with capture_logs() as logs:
        keeper = Supervisor(readiness, expected=(Passing,)).start("watches", work)
        await until(lambda: len(tries) == 3)
        assert len(readiness.missing) == 1
        await until(lambda: not readiness.missing)
    assert [one["log_level"] for one in logs] == ["warning", "info"]
    keeper.cancel()


async def test_a_part_that_always_fails_immediately_is_never_shown_as_working() -> None:
    """Between two tries it is not started for long enough."""
    readiness, seen = Readiness(), set()
    keeper = Supervisor(readiness, expected=(ValueError,)).start("watches", defect)
    await until(lambda: bool(readiness.missing))
    for _ in range(300):
        seen.add(bool(readiness.missing))
        await asyncio.sleep(0.01)
    assert seen == {True}
    keeper.cancel()


async def test_a_part_that_clears_its_check_itself_is_not_believed_before() -> None:
    """It may wait for a server that does not answer for longer than any other part needs to fail."""
    readiness, works, runs = Readiness(), asyncio.Event(), []

    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            await defect()
        await works.wait()
        readiness.clear("watches")
        await forever()

    keeper = Supervisor(readiness).start("watches", work, clears=True)
    await until(lambda: len(runs) == 2)
    await asyncio.sleep(5)
    assert len(readiness.missing) == 1
    works.set()
    await until(lambda: not readiness.missing)
    keeper.cancel()


async def test_an_exception_that_concerns_others_passes_through() -> None:
    """It ends the supervision."""
    with pytest.raises(ValueError, match="a defect"):
        await Supervisor(Readiness()).keep("resync", defect, passes=(ValueError,))


async def test_after_the_stop_nothing_is_started_again() -> None:
    """And nothing is called missing."""
    readiness = Readiness()
    supervisor = Supervisor(readiness)
    supervisor.stop()
    await supervisor.keep("workers", returned)
    assert readiness.missing == []


async def test_ending_the_supervision_ends_the_part() -> None:
    """Nothing of it is left."""
    keeper = Supervisor(Readiness()).start("deadlines", forever)
    await asyncio.sleep(0.01)
    assert "deadlines" in {task.get_name() for task in asyncio.all_tasks()}
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert "deadlines" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_part_that_misses_its_cancellation_is_cancelled_again() -> None:
    """As `asyncio.wait_for` does in Python 3.11; otherwise what waits for its end would never return."""
    missed = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            missed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.wait_for(end(task, seconds=0.05), 5)
    assert missed.is_set()
    assert task.cancelled()


async def test_of_several_the_first_that_ends_ends_all() -> None:
    """By its name, by what it raised, or by the word that it was cancelled."""
    assert await until_one_ends({"one": returned(), "two": forever()}) == "one"
    with pytest.raises(ValueError, match="a defect"):
        await until_one_ends({"one": defect(), "two": forever()})
    with pytest.raises(PartEnded, match="'one' was cancelled"):
        await until_one_ends({"one": cancelled(), "two": forever()})
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("supervision")]


async def test_a_check_is_logged_when_it_begins_and_when_it_ends() -> None:
    """The same sentence is logged once, and what only a start waits for not at all."""
    readiness = Readiness()
    with capture_logs() as logs:
        readiness.expect("watch", "it has not begun yet")
        assert readiness.missing == ["it has not begun yet"]
        readiness.clear("watch")
        for sentence in ("a", "a", "b"):
            readiness.set("keys", sentence)
        assert readiness.missing == ["b"]
        readiness.clear("keys", "keys")
    assert [(one["event"], one.get("reason")) for one in logs] == [
        ("not ready", "a"),
        ("not ready", "b"),
        ("recovered", None),
    ]
