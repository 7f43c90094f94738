"""A clock that stands still until a test moves it."""


class FakeClock:
    """Implements `servicetokens.runtime.clock.Clock`; both times move together."""

    def __init__(self, now: int = 1_800_000_000, monotonic: float = 1_000.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> int:
        """Return the Unix second that the test has set."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that the test has let pass, from an arbitrary beginning."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._now += int(seconds)
        self._monotonic += seconds

    def set(self, now: int) -> None:
        """Let time pass until the Unix second *now*."""
        self.advance(now - self._now)
