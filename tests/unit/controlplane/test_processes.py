"""Nothing that a test or the demo starts outlives it, whatever happens to either."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from controlplane.processes import Process, ProcessFailed, is_running, wait_until_gone
from controlplane.waiting import wait_until

HACK = Path(__file__).parents[3] / "hack"
GONE_SECONDS = (
    5.0  # it takes milliseconds, or half a second where end of file does not come; the machine may be busy
)

# Starts `sleep` and a grandchild of its own, and says all process ids: the program's, its child's and the
# supervisor's.
PARENT = """
import os, sys, time
from pathlib import Path
from controlplane.processes import Process
program = Process("sleeper", ["/bin/sh", "-c", "sleep 300 & echo $!; wait"], log=Path(sys.argv[1]))
while not program.output().strip():
    time.sleep(0.01)
supervisor = int(Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()[1])
print(program.pid, program.output().strip(), supervisor, flush=True)
THEN
time.sleep(300)
"""


def start(tmp_path: Path, script: str, *, ignore: str = "") -> Process:
    """A shell script as a program whose output is read."""
    return Process("script", ["/bin/sh", "-c", f"{ignore}\n{script}"], log=tmp_path / "log")


def parent_process(tmp_path: Path, then: str = "") -> tuple[subprocess.Popen[str], list[int]]:
    """A process that runs PARENT, and the ids of everything that must go away with it."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.replace("THEN", then), tmp_path / "log"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HACK)},
    )
    assert parent.stdout is not None
    with parent.stdout as said:
        return parent, [int(word) for word in said.readline().split()]


def test_everything_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the parent, which cannot clean up, ends the program, its own child and the supervisor."""
    parent, pids = parent_process(tmp_path)
    assert len(pids) == 3
    assert all(map(is_running, pids))
    parent.kill()
    parent.wait()
    assert wait_until_gone(pids, GONE_SECONDS) == []


def test_everything_dies_though_a_fork_of_the_parent_lives_on(tmp_path: Path) -> None:
    """A forked child of the parent, which holds the same pipe open, does not keep the program alive."""
    fork = "fork = os.fork()\nif fork: print(fork, flush=True)"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.replace("THEN", fork), tmp_path / "log"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HACK)},
    )
    assert parent.stdout is not None
    with parent.stdout as said:
        pids = [int(word) for word in said.readline().split()]
        forked = int(said.readline())
    try:
        parent.kill()
        parent.wait()
        assert wait_until_gone(pids, GONE_SECONDS) == []
        assert is_running(forked)
    finally:
        os.kill(forked, signal.SIGKILL)


def test_the_program_dies_with_its_supervisor(tmp_path: Path) -> None:
    """SIGKILL of the supervisor ends the program, although the supervisor cannot do it any more."""
    parent, (program, child, supervisor) = parent_process(tmp_path)
    try:
        os.kill(supervisor, signal.SIGKILL)
        assert wait_until_gone([program], GONE_SECONDS) == []
    finally:
        parent.kill()
        parent.wait()
        os.kill(child, signal.SIGKILL)  # the kernel's death signal is for the program itself


def test_a_program_is_apart_from_our_terminal(tmp_path: Path) -> None:
    """Ctrl-C reaches us and not the program, which we then stop in our own order."""
    with start(tmp_path, "sleep 300") as program:
        assert os.getsid(program.pid) != os.getsid(0)


def test_a_program_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """What a worker thread starts goes on when that thread has ended."""
    started: list[Process] = []
    worker = threading.Thread(target=lambda: started.append(start(tmp_path, "sleep 300")))
    worker.start()
    worker.join()
    with started[0] as program, pytest.raises(TimeoutError, match="still runs after"):
        program.wait(0.3)


@pytest.mark.parametrize(
    ("script", "status"), [("exit 3", 3), ("exit 0", 0), ("kill -TERM $$", -15), ("kill -9 $$", -9)]
)
def test_the_status_is_the_programs_own(tmp_path: Path, script: str, status: int) -> None:
    """An exit status arrives unchanged, and death by a signal as minus its number."""
    assert start(tmp_path, script).wait(10) == status


def test_a_program_that_ends_takes_its_children_along(tmp_path: Path) -> None:
    """A child that the program leaves behind is killed when the program ends."""
    program = start(tmp_path, "sleep 300 & echo $!")
    assert program.wait(10) == 0
    assert wait_until_gone([int(program.output())], GONE_SECONDS) == []


def test_stop_asks_first(tmp_path: Path) -> None:
    """A program that handles SIGTERM ends in its own way."""
    program = start(tmp_path, "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done")
    wait_until(lambda: "ready" in program.output(), what="the trap to be set")
    assert program.stop() == 7
    assert program.output().split() == ["ready", "bye"]
    assert program.stop() == 7


def test_stop_insists(tmp_path: Path) -> None:
    """A program that ignores SIGTERM is killed."""
    program = start(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
    wait_until(lambda: "ready" in program.output(), what="the trap to be set")
    assert program.stop(timeout=0.2) == -9
    assert not is_running(program.pid)


def test_a_stopped_program_can_be_killed(tmp_path: Path) -> None:
    """SIGSTOP reaches the program, and SIGKILL ends it while it is frozen."""
    program = start(tmp_path, "while :; do sleep 0.01; done")
    program.send(signal.SIGSTOP)
    wait_until(lambda: _state(program.pid) == "T", what="the program to freeze")
    program.kill()
    assert not is_running(program.pid)


def test_signals_after_the_end_go_nowhere(tmp_path: Path) -> None:
    """The number of a program that ended may belong to another user by now: no signal is sent."""
    program = start(tmp_path, "exit 0")
    program.wait(10)
    program.send(signal.SIGKILL)
    program.kill()
    assert program.status == 0


def test_a_missing_program_is_a_clear_error(tmp_path: Path) -> None:
    """A program that does not exist is named in the error."""
    with pytest.raises(ProcessFailed, match="cannot run /no/such/program: No such file or directory"):
        Process("nothing", ["/no/such/program"], log=tmp_path / "log")


def test_the_end_of_a_program_is_described_by_its_last_words(tmp_path: Path) -> None:
    """The error holds the status, where the log is, and the last twenty lines of it."""
    program = start(tmp_path, "i=0; while [ $i -lt 100 ]; do echo line-$i; i=$((i+1)); done; exit 4")
    program.wait(10)
    with pytest.raises(ProcessFailed) as failure:
        program.raise_if_ended()
    text = str(failure.value)
    assert "script ended with status 4" in text
    assert str(tmp_path / "log") in text
    assert text.splitlines()[1:] == [f"line-{number}" for number in range(80, 100)]


def test_a_restarted_program_keeps_its_log(tmp_path: Path) -> None:
    """Two programs with the same log file write one after the other."""
    start(tmp_path, "echo one").wait(10)
    start(tmp_path, "echo two >&2").wait(10)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_the_environment_is_replaced(tmp_path: Path) -> None:
    """With an environment of its own, the program sees nothing of ours but what Python itself adds."""
    with Process("env", ["/usr/bin/env"], log=tmp_path / "log", environment={"ONLY": "this"}) as program:
        program.wait(10)
    assert set(program.output().split()) - {"LC_CTYPE=C.UTF-8"} == {"ONLY=this"}


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
