"""Ctrl-C for this process alone, and not for the `make` that has started it.

A terminal sends Ctrl-C to its whole foreground group. `make` would end with "Interrupt" and 130, although the user has
asked for the end of the demo and nothing has failed.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def foreground() -> Iterator[None]:
    """Become the only process that the terminal interrupts; without a terminal, change nothing."""
    terminal = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    if terminal is None or os.getpgrp() != os.tcgetpgrp(terminal):
        yield
        return
    before = os.getpgrp()
    # A process outside of the foreground group is stopped when it changes that group, unless it ignores this.
    kept = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        if os.getpid() != before:
            os.setpgid(0, 0)
            os.tcsetpgrp(terminal, os.getpgrp())
        yield
    finally:
        with contextlib.suppress(OSError):
            os.tcsetpgrp(terminal, before)
        signal.signal(signal.SIGTTOU, kept)
