"""What a reader of the demo sees: titles, commands, answers, facts. Coloured on a terminal, plain else."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from servicetokens.runtime.logs import redact

# Long answers are for the log files; the story needs their beginning.
MAX_LINES = 24
_TICK_SECONDS: Final = 0.5


class StepFailed(Exception):
    """The world does not look as the step says. The message is one line for people."""


class Screen:
    """Prints; every answer is redacted first, since this is meant to be pasted into chats and issues."""

    def __init__(self) -> None:
        # soft_wrap: in a pipe no line may be broken, or a copied command would not run.
        self._console = Console(highlight=False, soft_wrap=True)
        self._step = 0

    def headline(self, text: str) -> None:
        """Open the demo, or its end."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def step(self, title: str, proves: str) -> None:
        """Begin the next numbered step, and say what it is going to prove."""
        self._step += 1
        self._console.print()
        self._console.print(Text(f"{self._step}. {title}", style="bold cyan"))
        self.note(f"Proves: {proves}")

    def note(self, text: str) -> None:
        """Say something that is neither command nor answer."""
        self._console.print(Text(f"   {text}", style="dim"))

    @contextlib.contextmanager
    def waiting(self, what: str, seconds: float) -> Iterator[None]:
        """Say what is waited for and for how long at most; on a terminal, count down until it has come."""
        self.note(f"Waiting for {what}, up to {seconds:.0f} s …")
        if not self._console.is_terminal:
            yield
            return
        begin = time.monotonic()
        text = Text()
        with Live(text, console=self._console, transient=True, refresh_per_second=2) as live:
            done = threading.Event()

            def count() -> None:
                while not done.wait(_TICK_SECONDS):
                    left = max(0.0, seconds - (time.monotonic() - begin))
                    live.update(Text(f"   … {left:.0f} s left", style="dim"))

            ticker = threading.Thread(target=count, daemon=True)
            ticker.start()
            try:
                yield
            finally:
                done.set()
                ticker.join()

    def line(self, text: str) -> None:
        """Show a line that is to be copied: at the left margin, as it is."""
        self._console.print(Text(text, style="bold"))

    def command(self, text: str) -> None:
        """Show what a user would type."""
        self._console.print(Text.assemble("   ", ("$ ", "bold green"), (redact(text), "bold")))

    def answer(self, text: str) -> None:
        """Show what came back."""
        lines = redact(text).strip("\n").splitlines()
        for line in lines[:MAX_LINES]:
            self._console.print(Text(f"     {line}".rstrip()))
        if len(lines) > MAX_LINES:
            self.note(f"  … {len(lines) - MAX_LINES} more lines")

    def prove(self, holds: object, sentence: str) -> None:
        """Show *sentence* as a fact.

        Raises:
            StepFailed: it does not hold.
        """
        if not holds:
            message = f"this should hold and does not: {sentence}"
            raise StepFailed(message)
        self._console.print(Text.assemble("   ", ("✓ ", "bold green"), (sentence, "green")))

    def address(self, name: str, value: str) -> None:
        """Show one line of the table of addresses at the end."""
        self._console.print(Text.assemble(f"   {name:<24}", (value, "bold")))

    def failure(self, text: str) -> None:
        """Say why the demo stops here."""
        self._console.print()
        self._console.print(Text.assemble(("✗ ", "bold red"), (redact(text), "red")))
