"""The script that runs a command with a container engine, here with stand-ins for `docker`, `dockerd` and `unshare`."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.waiting import wait_until
from node import engine

SCRIPT = Path(engine.__file__)
# Answers once there is a file of this name, and writes down what it was asked.
DOCKER = """#!/bin/sh
echo "$@" >> "{asked}"
[ -e "{answering}" ] || exit 1
"""
# Answers from its start to its end, and writes down its arguments and how it ended.
DOCKERD = """#!/bin/sh
echo "$@" > "{arguments}"
echo $$ > "{pid}"
trap 'rm -f "{answering}"; echo stopped > "{ended}"; exit 0' TERM
touch "{answering}"
while :; do sleep 0.05; done
"""
# The real one needs root.
UNSHARE = """#!/bin/sh
echo "$1" > "{unshared}"
shift
exec "$@"
"""


class Machine:
    """A machine with these programs on its path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.answering = directory / "answering"
        self.arguments = directory / "arguments"
        self.ended = directory / "ended"
        self.asked = directory / "asked"
        self.pid = directory / "pid"
        self.unshared = directory / "unshared"
        (directory / "bin").mkdir()
        # Nothing else of this machine's: it may have a dockerd.
        for name in ("sh", "test", "rm", "touch", "sleep", "cat", "setpriv"):
            found = shutil.which(name)
            assert found is not None, f"{name} is not installed"
            (directory / "bin" / name).symlink_to(found)

    def install(self, name: str, text: str) -> None:
        """Put a program on the path."""
        program = self.directory / "bin" / name
        paths = {key: value for key, value in vars(self).items() if key != "directory"}
        program.write_text(text.format(**paths))
        program.chmod(0o755)

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start the script."""
        environment = {
            "PATH": f"{self.directory / 'bin'}",
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
        }
        return subprocess.Popen(
            [sys.executable, "-I", "-S", SCRIPT, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> tuple[int, str, str]:
        """Run it; return exit status and outputs."""
        with self.start(*command) as process:
            output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with the client and no daemon."""
    machine = Machine(tmp_path)
    machine.install("docker", DOCKER)
    machine.install("unshare", UNSHARE)
    return machine


def test_engine_that_answers_is_used_as_it_is(machine: Machine) -> None:
    """The command has no other address than before, and its exit status is the script's."""
    machine.answering.touch()
    status, output, _ = machine.run("sh", "-c", "echo ${DOCKER_HOST-unset}; exit 7")
    assert (status, output) == (7, "unset\n")


def test_without_any_engine_the_command_is_not_run(machine: Machine) -> None:
    """The exit status is one of its own, and the message says what to install."""
    status, output, errors = machine.run("echo", "run")
    assert (status, output) == (engine.NO_ENGINE, "")
    assert errors == (
        "no container engine answers, and dockerd is not installed (Debian: apt-get install docker.io)\n"
    )


def test_daemon_runs_for_the_command_and_ends_after_it(machine: Machine) -> None:
    """The command gets its address; images are kept in the user's cache directory."""
    machine.install("dockerd", DOCKERD)
    status, output, errors = machine.run("sh", "-c", f"echo $DOCKER_HOST; test -e {machine.answering}")
    assert status == 0, errors
    assert output.startswith("unix://")
    assert machine.ended.exists()
    arguments = machine.arguments.read_text()
    assert f"--host {output.strip()} " in arguments
    assert f"--data-root {machine.directory}/cache/servicetokens/engine/data " in arguments


def test_daemon_leaves_the_machine_as_it_was(machine: Machine) -> None:
    """Its mounts are its own, it changes no rules and forwards nothing, and its networks are removed before it ends."""
    machine.install("dockerd", DOCKERD)
    status, host, errors = machine.run("sh", "-c", f"echo $DOCKER_HOST; echo the command >> {machine.asked}")
    assert status == 0, errors
    assert machine.unshared.read_text() == "--mount\n"
    arguments = machine.arguments.read_text().split()
    assert {"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"} <= set(arguments)
    asked = machine.asked.read_text().splitlines()
    (pruned, *_) = asked[asked.index("the command") + 1 :]
    assert pruned == f"-H {host.strip()} network prune --force"


def test_daemon_that_runs_no_container_is_none(machine: Machine) -> None:
    """In many sandboxes a dockerd starts and its privileged containers do not; the command is not run."""
    machine.install("dockerd", DOCKERD)
    refusing = '*" run "*" --privileged "*) echo operation not permitted >&2; exit 125;;'
    machine.install("docker", f'{DOCKER}case " $* " in {refusing} esac\n')
    status, output, errors = machine.run("echo", "run")
    assert (status, output) == (engine.NO_ENGINE, "")
    assert errors == "dockerd started, and runs no container:\noperation not permitted\n"
    assert machine.ended.exists()


def test_daemon_ends_when_the_script_is_killed_and_the_next_one_waits_for_that(machine: Machine) -> None:
    """A killed script can stop nothing itself; two daemons must not share a store."""
    machine.install("dockerd", DOCKERD.replace("echo stopped", "sleep 1; echo stopped"))
    with machine.start("sleep", "5") as waiting:
        wait_until(machine.answering.exists, what="the daemon to run", timeout=60)
        waiting.kill()
    arguments = machine.arguments.read_text().split()
    pidfile = Path(arguments[arguments.index("--pidfile") + 1])
    pidfile.write_text(machine.pid.read_text())
    wait_until(lambda: not machine.answering.exists(), what="the daemon to be told to end", timeout=60)
    status, output, errors = machine.run("sh", "-c", f"cat {machine.ended}")
    assert (status, output) == (0, "stopped\n"), errors


def test_daemon_that_does_not_start_is_an_error_with_its_log(machine: Machine) -> None:
    """The command is not run."""
    machine.install("dockerd", "#!/bin/sh\necho no storage driver\nexit 1\n")
    status, output, errors = machine.run("echo", "run")
    assert (status, output) == (engine.NO_ENGINE, "")
    assert errors == "dockerd did not start:\nno storage driver\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_daemon_outlives_the_command_when_the_script_ends(
    machine: Machine, number: signal.Signals
) -> None:
    """What the command has to clean up in the engine, it can: it ends first."""
    machine.install("dockerd", DOCKERD)
    clean, begun = machine.directory / "clean", machine.directory / "begun"
    program = machine.directory / "program"
    program.write_text(
        f'trap \'test -e "{machine.answering}" && touch "{clean}"; exit 4\' TERM INT\n'
        f'touch "{begun}"\nwhile :; do sleep 0.05; done\n'
    )
    with machine.start("sh", program) as process:
        wait_until(begun.exists, what="the command to run", timeout=60)
        # A terminal sends SIGINT to the command as well; who asks the script to end knows only the script.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (command,) = [pid for pid in children if str(program) in Path(f"/proc/{pid}/cmdline").read_text()]
        process.send_signal(number)
        if number is signal.SIGINT:
            os.kill(int(command), number)
        assert process.wait(60) == 4
    assert clean.exists()
    assert machine.ended.exists()


def test_runtime_is_bounded_only_where_the_machine_lacks_the_capability() -> None:
    """Elsewhere containers run as the engine runs them."""
    lacks = not int(_bounding(), 16) >> engine.SYS_RESOURCE & 1
    assert bool(engine.runtime()) == lacks
    wrapper = SCRIPT.parent / "runc-bounded"
    assert os.access(wrapper, os.X_OK)
    assert all(str(wrapper) in flag for flag in engine.runtime() if "=" in flag)


def _bounding() -> str:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line]
    return line.split()[1]
