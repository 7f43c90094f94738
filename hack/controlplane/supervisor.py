"""Runs one program for no longer than its parent lives. A script, started by `controlplane.processes`.

    parent ──stdin: one byte per signal to send; closed when the parent dies──▶ supervisor ──▶ program
           ◀─stdout: the program's process id, one line──────────────────────

Why a process of its own: nothing inside the parent runs any more when the parent is killed with SIGKILL, and Linux'
"signal on the parent's death" alone is not enough in a parent with threads, since the kernel means the *thread* that
forked: a server started from a worker thread would die with that thread.

Three things end the program, each of which covers for the others: the end of file on stdin, a changed parent process id
(a forked child of the parent may hold our stdin open), and, should the supervisor itself be killed, the kernel's death
signal, which is safe here because the supervisor has one thread. In the first two cases, and when the program exits,
its whole process group is killed, grandchildren included.

The supervisor ends as the program did: with its exit status, or by the same signal.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h
EXIT_NOT_STARTED = 127  # what a shell answers when a command cannot be run
PARENT_CHECK_SECONDS = 0.5  # only matters when end of file on stdin does not come; see above


def main() -> None:
    """Run `argv[2:]` for as long as the process `argv[1]` lives."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    child_changed, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    # The default disposition of SIGCHLD does not interrupt the wait.
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            stderr=sys.stderr.fileno(),
            process_group=0,
            preexec_fn=_die_with_supervisor(),  # noqa: PLW1509 - safe: this process has one thread
        )
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(EXIT_NOT_STARTED)
    os.write(1, b"%d\n" % program.pid)
    os.close(1)
    _forward_until_end(program.pid, parent, child_changed)
    # Before the program is reaped, so that its number cannot belong to another process yet.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    _end_like(program.wait())


def _die_with_supervisor() -> Callable[[], None] | None:
    """What the program does between fork and exec; None where the kernel has no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    supervisor = os.getpid()

    def ask_for_death_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:
            os._exit(EXIT_NOT_STARTED)  # the supervisor died before the request was in place

    return ask_for_death_signal


def _forward_until_end(program: int, parent: int, child_changed: int) -> None:
    """Send the signals that the parent requests, until the program or the parent has exited."""
    while True:
        readable, _, _ = select.select([0, child_changed], [], [], PARENT_CHECK_SECONDS)
        if child_changed in readable:
            os.read(child_changed, 4096)
        if os.waitid(os.P_PID, program, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        if os.getppid() != parent:
            return
        if 0 in readable:
            signals = os.read(0, 4096)
            if not signals:
                return
            for number in signals:
                os.kill(program, number)


def _end_like(status: int) -> None:
    if status >= 0:
        sys.exit(status)
    number = -status
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
