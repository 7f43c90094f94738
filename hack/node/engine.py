"""Runs a command with a container engine: the one that answers, or a dockerd that it starts and stops.

    engine.py COMMAND...

Exits as the command does, or with 3 when there is no engine and none can be started: that needs root, dockerd on the
path (Debian: `apt-get install docker.io`), and a machine on which it can run a privileged container. Images stay in the
user's cache directory for the next run.

Our dockerd leaves the machine as it was: its mounts are in a namespace of its own, and it writes no rules of iptables,
forwards nothing and removes its networks at the end. So its containers reach each other and the machine, and nothing
else; a build that needs the network has to use the machine's (`docker build --network host`). A script of the standard
library only.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
NO_ENGINE = 3
# A dockerd with a full store answers in 3 seconds on an idle machine.
START_SECONDS = 120
# It stops the containers that run, with 10 seconds for each.
STOP_SECONDS = 60
# Ends with this process, also when that is killed, and so do the mounts that it makes.
ISOLATED = ("setpriv", "--pdeathsig", "TERM", "unshare", "--mount")
# A dockerd of Debian 12 (20.10) and newer ones know all of these.
LEAVES_THE_NETWORK = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
# The steps of a build are 200 MB; those of a tree that is being worked on are used again.
KEPT = "1h"
# An image without files, and folders of the machine's in which its programs find everything.
PROBE = "localhost/servicetokens/probe"
FOLDERS = ("/bin", "/lib", "/lib64", "/usr")
# The number of the capability in the kernel's lists.
SYS_RESOURCE = 24


def answers() -> bool:
    """Whether the engine that `docker` talks to does."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, timeout=START_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def runtime() -> list[str]:
    """Return the flags for a machine that may not grant SYS_RESOURCE to containers; none elsewhere."""
    (bounding,) = [
        line.split()[1]
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith("CapBnd:")
    ]
    if int(bounding, 16) >> SYS_RESOURCE & 1:
        return []
    return ["--add-runtime", f"bounded={HERE / 'runc-bounded'}", "--default-runtime", "bounded"]


class Command:
    """A command that ends before the daemon does, also when this process is asked to end."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0

    def listen(self) -> None:
        """From now on, let signals end the command and not this process."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def run(self, host: str) -> int:
        """Run it with the daemon's address; return its exit status."""
        if not self._asked:
            environment = {**os.environ, "DOCKER_HOST": host}
            self._process = subprocess.Popen(self._command, env=environment)
        if self._process is None:
            return 128 + self._asked
        if self._asked == signal.SIGTERM:
            self._process.terminate()
        return self._process.wait()

    def _take(self, number: int, _frame: object) -> None:
        self._asked = number
        # A terminal sends SIGINT to the command, too.
        if number == signal.SIGTERM and self._process is not None:
            self._process.terminate()


@contextlib.contextmanager
def running(command: Command) -> Iterator[str]:
    """Run a dockerd of our own for *command*; give its address.

    Raises:
        RuntimeError: it did not start, or cannot run a container. The message ends with what was said.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "servicetokens" / "engine"
    cache.mkdir(parents=True, exist_ok=True)
    with (
        (cache / "lock").open("w") as lock,
        tempfile.TemporaryDirectory(prefix="servicetokens-engine-") as work,
    ):
        # Two daemons must not share a store; the kernel releases the lock when this process ends.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("waiting for another run that uses the store of our dockerd\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        command.listen()
        _wait_for_end(cache / "pid")
        host = f"unix://{work}/socket"
        log = cache / "log"
        places = {
            "--host": host,
            "--data-root": cache / "data",
            "--exec-root": f"{work}/exec",
            "--pidfile": cache / "pid",
        }
        arguments = [*ISOLATED, "dockerd", *(str(part) for place in places.items() for part in place)]
        arguments += [*LEAVES_THE_NETWORK, *runtime()]
        with (
            log.open("w") as output,
            # A session of its own: Ctrl-C must reach the command first, which removes its containers.
            subprocess.Popen(arguments, stdout=output, stderr=output, start_new_session=True) as daemon,
        ):
            try:
                _wait(daemon, host, log)
                _probe(host)
                yield host
                _tidy(host)
            finally:
                daemon.send_signal(signal.SIGTERM)
                try:
                    daemon.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    daemon.kill()


def _wait_for_end(pidfile: Path) -> None:
    """Wait until the daemon of a killed run, which was asked to end, has ended."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            pid = int(pidfile.read_text(encoding="ascii"))
            name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return
        if name != "dockerd":
            return
        time.sleep(0.2)


def _probe(host: str) -> None:
    """Run a privileged container, as kind does: in many sandboxes a dockerd starts and its containers do not."""
    folders = [f"--volume={folder}:{folder}:ro" for folder in FOLDERS if Path(folder).is_dir()]
    run = ["run", "--rm", "--privileged", "--network=none", *folders, PROBE, "/bin/true"]
    empty = bytes(tarfile.BLOCKSIZE * 2)
    for command in (["import", "-", PROBE], run):
        done = subprocess.run(
            ["docker", "-H", host, *command],
            input=empty,
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            message = (
                f"dockerd started, and runs no container:\n{done.stderr.decode(errors='replace').strip()}"
            )
            raise RuntimeError(message)


def _tidy(host: str) -> None:
    """Remove the networks, whose bridges would stay on the machine, and what earlier runs have built and replaced."""
    for command in (["network", "prune"], ["image", "prune", f"--filter=until={KEPT}"]):
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["docker", "-H", host, *command, "--force"],
                capture_output=True,
                timeout=STOP_SECONDS,
                check=False,
            )


def _wait(daemon: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while daemon.poll() is None and time.monotonic() < deadline:
        asked = subprocess.run(["docker", "-H", host, "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return
        time.sleep(0.2)
    message = "dockerd did not start:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise RuntimeError(message)


def main(command: Sequence[str]) -> int:
    """The command line; the exit status."""
    if not command:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    if answers():
        return subprocess.run(command, check=False).returncode
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        sys.stderr.write(
            "no container engine answers, and dockerd is not installed (Debian: apt-get install docker.io)\n"
        )
        return NO_ENGINE
    try:
        wanted = Command(command)
        with running(wanted) as host:
            return wanted.run(host)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{error}\n")
        return NO_ENGINE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
