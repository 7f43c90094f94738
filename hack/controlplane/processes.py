"""Programs that cannot outlive their parent, however that one ends: return, exception, SIGKILL.

Used for the control plane itself and for every operator, validator and proxy that a test or the demo starts. The work
is done by `supervisor`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from controlplane.waiting import patient

SUPERVISOR = Path(__file__).with_name("supervisor.py")
TAIL_BYTES = 16_384  # enough for the last stack trace of a Go program
STOP_SECONDS = 10.0  # what Kubernetes components need at most to drain, without long requests


class ProcessFailed(Exception):
    """A program could not be started, or ended when it should run. The message ends with its last words."""


class Process:
    """One running program and its log file (standard output and standard error together).

    The log is appended to, so that a restarted program keeps its history. `environment` replaces the
    environment entirely (Python adds LC_CTYPE where it finds no locale); None passes the caller's on.

    Raises:
        ProcessFailed: the program cannot be run at all, for example because the file does not exist.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            # -I -S: whatever the environment and site-packages hold, the supervisor starts in about 20 ms and
            # imports nothing of ours. A session of its own, so that Ctrl-C reaches the parent first, which
            # then stops in order.
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", SUPERVISOR, str(os.getpid()), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                cwd=directory,
                start_new_session=True,
                bufsize=0,
            )
        assert self._supervisor.stdout is not None
        with self._supervisor.stdout as report:
            line = report.readline()
        if not line:
            self.kill()
            raise ProcessFailed(self.describe_end())
        self.pid = int(line)

    def __repr__(self) -> str:
        return f"Process({self.name!r}, status={self.status})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def status(self) -> int | None:
        """None while it runs; afterwards its exit status, or minus the number of the signal that ended it."""
        status = self._supervisor.poll()
        if status is not None:
            self._close_lifeline()
        return status

    def send(self, number: signal.Signals) -> None:
        """Send any signal to the program; nothing happens when it has ended already."""
        lifeline = self._supervisor.stdin
        assert lifeline is not None
        if self.status is not None or lifeline.closed:
            return
        try:
            lifeline.write(bytes([number]))
        except BrokenPipeError:
            return

    def wait(self, timeout: float) -> int:
        """The exit status, as `status` gives it.

        Raises:
            TimeoutError: the program still runs after `timeout` seconds, on an ordinary machine (see `patience`).
        """
        timeout = patient(timeout)
        try:
            status = self._supervisor.wait(timeout)
        except subprocess.TimeoutExpired:
            message = f"{self.name} (process {self.pid}) still runs after {timeout:g} s; its log: {self.log}"
            raise TimeoutError(message) from None
        self._close_lifeline()
        return status

    def kill(self) -> None:
        """SIGKILL, to the program and its process group; returns when they have exited. Idempotent."""
        self._close_lifeline()
        self._supervisor.wait()

    def stop(self, timeout: float = STOP_SECONDS) -> int:
        """SIGTERM, and SIGKILL after `timeout` seconds; the exit status. Idempotent."""
        self.send(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self.kill()
            return self._supervisor.returncode

    def output(self) -> str:
        """Everything it has written so far, and its predecessors that shared the log file."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def describe_end(self) -> str:
        """How it ended and what it said last: the message of a failed start."""
        return f"{self.name} ended with status {self.status}. The last lines of {self.log}:\n{self.tail()}"

    def raise_if_ended(self) -> None:
        """Guard for loops that wait for the program to get ready.

        Raises:
            ProcessFailed: it has ended.
        """
        if self.status is not None:
            raise ProcessFailed(self.describe_end())

    def _close_lifeline(self) -> None:
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()


def is_running(pid: int) -> bool:
    """Whether a process of that number exists and has not ended (a zombie has)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        # No /proc on this system (macOS): then the answer above stands; on Linux it ended just now, the second while
        # it was being read.
        return not Path("/proc/self").exists()


def wait_until_gone(pids: Sequence[int], timeout: float) -> list[int]:
    """Those of `pids` that still run after at most `timeout` seconds: empty when all is well."""
    deadline = time.monotonic() + timeout
    while (left := [pid for pid in pids if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
