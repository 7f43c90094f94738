"""The parts of operator or validator in an event loop of their own, whose tasks a test can end one by one."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from servicetokens.kube.client import Api

T = TypeVar("T")


class Hosted(Protocol):
    """What both processes consist of."""

    def missing(self) -> Sequence[str]:
        """Say what is missing."""
        ...


class Recorded:
    """What a process has reported about itself, at every turn of its event loop: ready or not, each change once."""

    def __init__(self, run: Callable[[Any, asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self.changes: list[bool] = []

    async def run(self, hosted: Any, ending: asyncio.Event) -> None:
        """Run *hosted*, and look at it all the while."""
        looking = asyncio.create_task(self._look(hosted))
        try:
            await self._run(hosted, ending)
        finally:
            looking.cancel()

    async def _look(self, hosted: Hosted) -> None:
        while True:
            if (is_ready := not hosted.missing()) != bool(self.changes and self.changes[-1]):
                self.changes.append(is_ready)
            await asyncio.sleep(0)


class Host(threading.Thread):
    """Runs what *make* makes, as its process does, until `stop`, or until it ends on its own: see `error`."""

    def __init__(
        self,
        kubeconfig: str,
        make: Callable[[Api], Hosted],
        run: Callable[[Any, asyncio.Event], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(name="host", daemon=True)
        self._kubeconfig = kubeconfig
        self._make = make
        self._run = run
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self.hosted: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        """See `threading.Thread`."""
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            self.error = error

    def stop(self) -> None:
        """Stop as at SIGTERM, and wait."""
        if self._loop is not None and self.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self.join(timeout=60)
        assert not self.is_alive()

    def missing(self) -> list[str]:
        """Return what `/readyz` would say, also about what is only degraded; something as long as nothing runs."""
        if self.hosted is None or not self.is_alive():
            return ["not started"]
        degraded = getattr(self.hosted, "degraded", list)
        return [*self.hosted.missing(), *degraded()]

    def tasks(self) -> dict[str, asyncio.Task[Any]]:
        """Return the tasks that run now, by name; of several of one name, one."""
        return self._in_loop(
            lambda: {task.get_name(): task for task in asyncio.all_tasks() if not task.done()}
        )

    def cancel(self, name: str) -> bool:
        """Cancel the task *name*; say whether there was one."""

        def cancel() -> bool:
            found = [task for task in asyncio.all_tasks() if task.get_name() == name]
            return bool(found) and found[0].cancel()

        return self._in_loop(cancel)

    def _in_loop(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(30)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with await Api.connect(self._kubeconfig) as api:
            self.hosted = self._make(api)
            await self._run(self.hosted, self._ending)
