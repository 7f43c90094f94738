"""The only place that reads a clock. Everything else gets a `Clock`, so that tests control the time."""

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
    """The machine's clock, except that it never goes back and never stands still.

    An NTP step or a restored virtual machine may set the wall clock back; a credential that has expired must stay
    expired, so the latest time seen is remembered until the process exits. From there the clock runs at half speed
    until the wall clock has caught up, so that waiting for a moment still ends.
    """

    __slots__ = ("_greatest", "_seen_at")

    def __init__(self) -> None:
        self._greatest = 0.0
        self._seen_at = time.monotonic()

    def now(self) -> int:
        """Return the wall time in Unix seconds, or a later time after the wall clock was set back."""
        seen_at, wall = time.monotonic(), time.time()
        least = self._greatest + (seen_at - self._seen_at) / 2
        self._greatest = wall if wall > least else least  # noqa: FURB136 - `max` costs each request a tenth of a microsecond
        self._seen_at = seen_at
        return int(self._greatest)

    def monotonic(self) -> float:
        """Return the kernel's monotonic clock, in seconds."""
        return time.monotonic()
