"""The tasks that descend from a call: asyncio does not say who has created a task, and kopf keeps most to itself.

Each task gets a context variable that says from which lineage it is, and how far down; asyncio copies the context of
the code that creates a task, or schedules a callback, into the new task.
"""

import asyncio
import contextlib
import contextvars
import weakref
from collections.abc import Collection, Coroutine, Generator, Iterator
from typing import Any, Final, NamedTuple


class _Place(NamedTuple):
    """Where in a lineage a task is: in which generation, the first being 0."""

    lineage: "Lineage"
    generation: int


_children_of: Final[contextvars.ContextVar[_Place | None]] = contextvars.ContextVar("lineage", default=None)


class Lineage:
    """The tasks that were created within `recorded`, those that these have created, and so on, until they end."""

    def __init__(self) -> None:
        self._generations: weakref.WeakKeyDictionary[asyncio.Task[Any], int] = weakref.WeakKeyDictionary()

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Take the tasks that are created within this block as the first generation.

        It replaces the task factory of the running event loop, of which this process has no other.
        """
        asyncio.get_running_loop().set_task_factory(_create_task)
        token = _children_of.set(_Place(self, 0))
        try:
            yield
        finally:
            _children_of.reset(token)

    def tasks(self) -> Collection[asyncio.Task[Any]]:
        """Return all that have not ended."""
        return [task for task in self._generations if not task.done()]

    async def end(self, *, seconds: float) -> None:
        """Cancel all tasks, and wait at most so many *seconds* for each of two groups.

        The first two generations are first: on its way out a task ends those that it has created, and waits for them.
        Were all cancelled together, some would wait for each other.
        """
        for is_last in (False, True):
            tasks = [task for task in self.tasks() if is_last or self._generations[task] <= 1]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)

    def _add(self, task: asyncio.Task[Any], generation: int) -> None:
        self._generations[task] = generation


def _create_task(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    *,
    context: contextvars.Context | None = None,
    **options: Any,
) -> asyncio.Task[Any]:
    """Create a task as the event loop does without a factory, and record it in the lineage of its creator."""
    place = _children_of.get()
    if place is None:
        return asyncio.Task(work, loop=loop, context=context, **options)
    context = contextvars.copy_context() if context is None else context
    context.run(_children_of.set, _Place(place.lineage, place.generation + 1))
    task = asyncio.Task(work, loop=loop, context=context, **options)
    place.lineage._add(task, place.generation)  # noqa: SLF001 - the other half of the class
    return task
