"""An event loop that skips waiting: what sleeps for an hour goes on immediately, and in the same order as before."""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its time stands still while anything can run, and then jumps to the next timer.

    For tests without threads, sockets and processes: those go by the time of the world, which such a test does not
    wait for. How slow the machine is makes no difference to it.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the seconds that were skipped so far."""
        return self._now

    def skip(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._now += seconds


class _Selector(selectors.DefaultSelector):
    """Lets the time of its loop pass instead of waiting for that long."""

    def __init__(self, loop: SkippingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector`; with no timer to skip to it does wait."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(0)
        if not found:
            self._loop.skip(timeout)
        return found


def loop_factories(*, skips: bool) -> Mapping[str, Any]:
    """Return what pytest-asyncio is to make the loop of a test with."""
    return {"skipping": SkippingLoop} if skips else {"usual": asyncio.new_event_loop}
