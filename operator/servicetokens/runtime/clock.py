"""The only place that reads a clock. Everything else is given a `Clock`, so that tests decide what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for decisions, monotonic time for intervals."""

    def now(self) -> int:
        """Unix seconds in UTC, whole (status stores whole seconds), never less than an earlier answer."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; for time-outs and ages only."""
        ...


class SystemClock:
    """The machine's clock, which may stand still here but never runs backwards.

    An NTP step or a restored virtual machine may set the wall clock back; a credential that has expired must
    stay expired, so the greatest time seen is remembered for the life of the process.
    """

    __slots__ = ("_greatest",)

    def __init__(self) -> None:
        self._greatest = 0

    def now(self) -> int:
        """Return the greatest wall time seen so far, in Unix seconds."""
        seconds = int(time.time())
        self._greatest = max(self._greatest, seconds)
        return self._greatest

    def monotonic(self) -> float:
        """Return the kernel's monotonic clock, in seconds."""
        return time.monotonic()
