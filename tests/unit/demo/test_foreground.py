"""Ctrl-C on a terminal ends the demo and not the `make` around it."""

import os
import pty
import select
import signal
import sys
from pathlib import Path

from controlplane.waiting import wait_until

HACK = Path(__file__).resolve().parents[3] / "hack"
WAITS = """\
import signal
from demo.foreground import foreground
try:
    with foreground():
        print("waits", flush=True)
        signal.pause()
except KeyboardInterrupt:
    print("ended", flush=True)
"""


def test_ctrl_c_ends_make_with_success(tmp_path: Path) -> None:
    """On a real terminal, with a real make: exit status 0, and no complaint."""
    (tmp_path / "waits.py").write_text(WAITS)
    (tmp_path / "Makefile").write_text(f"demo:\n\t@PYTHONPATH={HACK} {sys.executable} waits.py\n")
    child, terminal = pty.fork()
    if child == 0:
        # What starts in the background of a script ignores these, and so would its children; a terminal's shell resets.
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        os.execvp("make", ["make", "-C", str(tmp_path), "--no-print-directory", "demo"])  # noqa: S606 - a child of a terminal, without a shell between
    shown = b""

    def shows(word: bytes) -> bool:
        nonlocal shown
        if word not in shown and select.select([terminal], [], [], 0)[0]:
            shown += os.read(terminal, 4096)
        return word in shown

    wait_until(lambda: shows(b"waits"), what="the program to wait", timeout=20)
    os.write(terminal, b"\x03")
    wait_until(lambda: shows(b"ended"), what="the program to end", timeout=20)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    assert status == 0, shown
    assert b"Interrupt" not in shown
