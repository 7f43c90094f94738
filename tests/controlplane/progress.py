"""Shows that a long build is alive: a counter that moves on a terminal, a plain line now and then elsewhere.

Standard library only, as `build`, which uses it.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from typing import TextIO

TICK_SECONDS = 1.0
PLAIN_SECONDS = 30.0  # a log that is silent for longer looks dead


class Step:
    """What is being built: how long already, how much so far, and what go said last."""

    def __init__(self, name: str) -> None:
        self.name = name
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
        return f"  {self.name}  {self.seconds} s  {self._packages} packages compiled  {self._last}"


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
    def step(self, name: str) -> Iterator[Step]:
        """Show the time passing during one step, and how long it took when it went well."""
        step = Step(name)
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
