"""Builds and runs the Go program next to this file: the yardstick server, and the load for all servers."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.machine import LOAD_CORE, SERVER_CORE, cpu_seconds, pinned
from common.drivers.peers import find_peer
from controlplane.certificates import KeyPair
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from controlplane.waiting import wait_until

SOURCE: Final = Path(__file__).parent / "goserver"
# What client-go and nginx keep open, in order of magnitude.
CONNECTIONS: Final = 32
# A cold build of a program without dependencies, on a machine that does other things too.
BUILD_SECONDS: Final = 300

_NGINX: Final = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen {address}; location / {{ return 200; }} }}
}}
"""


class BenchFailed(Exception):
    """A measurement would be worthless. The message is one line for people."""


@dataclass(frozen=True)
class Target:
    """A running server, as the load generator sees it."""

    name: str
    process: Process
    address: str
    shape: str
    """As the load generator calls it: forward-auth, ext-authz, token-review, introspection."""
    tls: bool
    caller: str = ""
    """`id:token` that an introspection authenticates with."""


@dataclass(frozen=True)
class Sample:
    """What one burst of load has shown."""

    microseconds: float
    """CPU time of the server per request."""
    per_second: float
    p50: float
    p99: float
    """Milliseconds."""


class Yardstick:
    """The compiled Go program."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("go") is None:
            message = "Go 1.26 or newer is needed for the yardstick: install it, with `go` on the path"
            raise BenchFailed(message)
        self._directory = directory
        self._binary = directory / "goserver"
        built = subprocess.run(
            ["go", "build", "-trimpath", "-o", self._binary, "."],
            cwd=SOURCE,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
        if built.returncode != 0:
            message = f"the yardstick does not build: {built.stderr.strip()}"
            raise BenchFailed(message)

    def serve(self, name: str, index: Path, certificate: KeyPair) -> tuple[Target, Target, Target]:
        """Start the server on the server core; return its addresses: forward-auth, TokenReview, and that over TLS."""
        plain, secure = (f"{LOOPBACK}:{port}" for port in free_ports(2))
        command: list[str | Path] = [
            *(self._binary, "serve", "-index", index),
            *("-forward-auth-address", plain, "-token-review-address", secure),
            *("-tls-cert-file", certificate.certificate, "-tls-key-file", certificate.key),
        ]
        with pinned(SERVER_CORE):
            process = Process(name, command, log=self._directory / f"{name}.log")
        return (
            Target(name, process, plain, "forward-auth", tls=False),
            Target(name, process, plain, "token-review", tls=False),
            Target(name, process, secure, "token-review", tls=True),
        )

    def serve_nginx(self, name: str) -> Target:
        """Start nginx on the server core; it answers everything by an empty 200."""
        address = f"{LOOPBACK}:{free_ports(1)[0]}"
        directory = self._directory / name
        directory.mkdir()
        config = directory / "nginx.conf"
        config.write_text(_NGINX.format(address=address, directory=directory), encoding="ascii")
        with pinned(SERVER_CORE):
            command: list[str | Path] = [find_peer("nginx"), "-c", config, "-p", directory, "-e", "stderr"]
            process = Process(name, command, log=self._directory / f"{name}.log")
        return Target(name, process, address, "forward-auth", tls=False)

    def sample(self, target: Target, tokens: Path, seconds: float) -> Sample:
        """Send as much as *target* takes from the load core, for *seconds*.

        Raises:
            BenchFailed: anything but 200 came back.
        """
        before = cpu_seconds(target.process.pid)
        with pinned(LOAD_CORE):
            output = subprocess.run(
                self._load(target, tokens, seconds),
                capture_output=True,
                text=True,
                timeout=seconds + BUILD_SECONDS,
                check=False,
            )
        used = cpu_seconds(target.process.pid) - before
        if output.returncode != 0:
            message = f"the load generator failed: {output.stderr.strip()}"
            raise BenchFailed(message)
        report = json.loads(output.stdout)
        self.require_good_answers(target, report)
        return Sample(
            microseconds=used * 1e6 / report["requests"],
            per_second=report["requests"] / report["seconds"],
            p50=report["p50Millis"],
            p99=report["p99Millis"],
        )

    def background(self, target: Target, tokens: Path, *, rate: int, seconds: float) -> Process:
        """Send *rate* requests a second to *target* for *seconds*, during another measurement."""
        command = [*self._load(target, tokens, seconds), "-rate", str(rate)]
        with pinned(LOAD_CORE):
            return Process("load", command, log=self._directory / f"load-{time.monotonic_ns()}.log")

    def require_good_answers(self, target: Target, report: dict[str, object]) -> None:
        """Raise `BenchFailed` if anything but 200 came back."""
        if report["unconnected"] or report["statuses"] != {"200": report["requests"]}:
            message = (
                f"{target.name} ({target.shape}) answered {report['statuses']}, {report['unconnected']} broke"
            )
            raise BenchFailed(message)

    def _load(self, target: Target, tokens: Path, seconds: float) -> Sequence[str | Path]:
        return [
            *(self._binary, "load", "-address", target.address, "-shape", target.shape),
            *("-tokens", tokens, "-connections", str(CONNECTIONS), "-duration", f"{seconds}s"),
            *("-caller", target.caller),
            f"-tls={'true' if target.tls else 'false'}",
        ]


def wait_until_served(yardstick: Yardstick, target: Target, tokens: Path) -> None:
    """Return when *target* answers its tokens with 200.

    Raises:
        BenchFailed: it does not within a minute; the message says what it answered last.
    """
    last = ""

    def served() -> bool:
        nonlocal last
        target.process.raise_if_ended()
        try:
            yardstick.sample(target, tokens, 0.2)
        except BenchFailed as error:
            last = str(error)
            return False
        return True

    try:
        wait_until(served, what=f"{target.name} to serve {target.shape}", timeout=60, poll=0.2)
    except TimeoutError as error:
        message = f"{error}: {last}"
        raise BenchFailed(message) from None
