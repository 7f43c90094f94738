"""Shows the progress of a long build: a counter that moves on a terminal, a plain line now and then elsewhere.

Standard library only, as `build`, which uses it.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from typing import TextIO

TICK_SECONDS = 1.0
PLAIN_SECONDS = 30.0  # a log without output for longer looks stuck
_LEAST_SHARE = 0.05  # of the packages: before, downloads and the first large package decide


def estimate_left(elapsed: float, done: int, expected: int) -> int | None:
    """Return the seconds until *expected* packages are compiled, at the rate of those that are *done*.

    None when nothing is expected, when too few are done to say, and when there are more than expected.
    """
    if done < max(1, expected * _LEAST_SHARE) or done > expected:
        return None
    return round(elapsed / done * (expected - done))


class Step:
    """What is being built: how long already, how much so far, and what go said last."""

    def __init__(self, name: str, expected: int = 0) -> None:
        """Begin; *expected* packages are compiled when nothing is cached, 0 where that is unknown."""
        self.name = name
        self._expected = expected
        self._begin = time.monotonic()
        self._packages = 0
        self._last = ""

    @property
    def seconds(self) -> int:
        """Whole seconds since it began."""
        return int(time.monotonic() - self._begin)

    def note(self, line: str) -> None:
        """Take a line of go's output: a compiled package's path, or "go: downloading <module> <version>"."""
        if not line.startswith("go: "):
            self._packages += 1
        self._last = line.removeprefix("go: ")

    def describe(self) -> str:
        """One line without its end."""
        left = self.seconds_left
        estimate = "" if left is None else f"  about {left} s left"
        return f"  {self.name}  {self.seconds} s  {self._packages} packages compiled{estimate}  {self._last}"

    @property
    def seconds_left(self) -> int | None:
        """Estimate from the packages so far; None where that would be a guess."""
        elapsed = time.monotonic() - self._begin
        return estimate_left(elapsed, self._packages, self._expected)


class Progress:
    """Writes steps to a stream as they go."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()

    def say(self, line: str) -> None:
        """A line of its own."""
        self._stream.write(f"{line}\n")
        self._stream.flush()

    @contextlib.contextmanager
    def step(self, name: str, expected: int = 0) -> Iterator[Step]:
        """Show the time passing during one step, and how long it took when it went well."""
        step = Step(name, expected)
        if not self._terminal:
            self.say(f"  {name} ...")
        done = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(step, done), daemon=True)
        ticker.start()
        try:
            yield step
        finally:
            done.set()
            ticker.join()
            self._erase()
        self.say(f"  {name}  built in {step.seconds} s")

    def _tick(self, step: Step, done: threading.Event) -> None:
        while not done.wait(TICK_SECONDS if self._terminal else PLAIN_SECONDS):
            if self._terminal:
                width = shutil.get_terminal_size().columns - 1  # the last column would wrap
                self._erase()
                self._stream.write(step.describe()[:width])
                self._stream.flush()
            else:
                self.say(step.describe())

    def _erase(self) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")  # to the line's start; clear to its end
