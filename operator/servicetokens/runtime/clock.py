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
    """The machine's clock, which never runs backwards here, nor stands still.

    An NTP step or a restored virtual machine may set the wall clock back; a credential that has expired must
    stay expired, so the greatest time seen is remembered for the life of the process. From there on it goes half as
    fast as time passes, until the wall clock has caught up: whatever waits for a moment does not wait for that.
    """

    __slots__ = ("_greatest", "_seen_at")

    def __init__(self) -> None:
        self._greatest = 0.0
        self._seen_at = time.monotonic()

    def now(self) -> int:
        """Return the wall time in Unix seconds, or a later one, if the wall clock was set back."""
        seen_at = time.monotonic()
        self._greatest = max(time.time(), self._greatest + (seen_at - self._seen_at) / 2)
        self._seen_at = seen_at
        return int(self._greatest)

    def monotonic(self) -> float:
        """Return the kernel's monotonic clock, in seconds."""
        return time.monotonic()
