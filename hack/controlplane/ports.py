"""Free loopback ports that stay free until the server binds them.

The usual way, bind port 0, close, pass the number on, occasionally loses a race: the kernel gives the same number to an
outgoing connection of another process, most easily while a server restarts and its port is unbound. So the port stays
*bound*, by a socket that never listens, with SO_REUSEPORT: the server, which binds with the same option and under the
same user, gets it, other users are rejected, and the kernel does not give it to any other process.
"""

import fcntl
import itertools
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
# Below the ports that Linux (32768 on) and macOS (49152 on) give to outgoing connections, and below node
# ports (30000 on).
CANDIDATES = range(20_000, 30_000)
_given: set[int] = set()


class NoFreePort(Exception):
    """All ports that may be given out are in use or have been given out."""


class ReservedPort:
    """A loopback TCP port kept for a server that binds with SO_REUSEPORT.

    kube-apiserver does with `--permit-port-sharing`, asyncio and aiohttp do with `reuse_port=True`.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind((LOOPBACK, 0))
        self.number: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give the port back. Idempotent."""
        self._socket.close()


def free_ports(count: int) -> list[int]:
    """Distinct free ports for servers that cannot share a reserved one; never the same twice in one process.

    They come from below the kernel's own range, so no outgoing connection takes one before the server does, and
    no other process of this user is given one for as long as this process lives. Only a server with a fixed port
    could take it.

    Raises:
        NoFreePort: there are not as many.
    """
    # Not the generator that a run of tests in random order seeds: workers would draw the same numbers.
    candidates = random.SystemRandom().sample(CANDIDATES, len(CANDIDATES))
    found = itertools.islice(filter(_is_free, candidates), count)
    ports = list(found)
    if len(ports) < count:
        message = f"only {len(ports)} of {count} ports are free between {CANDIDATES[0]} and {CANDIDATES[-1]}"
        raise NoFreePort(message)
    _given.update(ports)
    return ports


def _is_free(port: int) -> bool:
    if port in _given:
        return False
    with socket.socket() as probe:
        # As servers do: connections that linger after their server's end do not make the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return _is_ours(port)


def _is_ours(port: int) -> bool:
    """Claim a port for this process, by a lock on one byte of a file that all processes of this user know."""
    try:
        fcntl.lockf(_claims(os.getpid()), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _claims(process: int) -> int:
    """The descriptor of that file, which is never closed: the locks of *process* would go with it."""
    file = Path(tempfile.gettempdir()) / f"servicetokens-ports-{os.getuid()}"
    return os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
