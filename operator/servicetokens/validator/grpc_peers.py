"""The connections to the gRPC listener, and those beyond a peer's share.

grpc accepts connections itself, does not expose them, and limits only their total. They are files of this process,
though: Linux lists those, and a copy of a socket can be asked who its peer is, and be shut down, which grpc notices as
if the peer had closed it. To relay every byte instead, through a socket that we accept on, would cost a third of what a
call takes.
"""

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Final

from servicetokens.authn.addresses import Address, parse_address
from servicetokens.validator.shares import Shares

_OPEN_FILES: Final = Path("/proc/self/fd")
_INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})


class GrpcPeers:
    """The connections to *port* of this machine, as they were at the last sweep."""

    def __init__(self, shares: Shares, port: int) -> None:
        self._shares = shares
        self._port = port
        # By the number that the kernel gives a socket. Others are there, too, so that each is asked only once.
        self._connected: dict[int, Address | None] = {}
        self._others: set[int] = set()

    def sweep(self, tick: int) -> None:
        """Count the connections that are new, those of a peer beyond its share excepted, which are closed."""
        found = set()
        for file in _OPEN_FILES.iterdir():
            number = int(file.name)
            try:
                status = os.fstat(number)
            except OSError:
                # Closed meanwhile, like the file by which the list was read.
                continue
            if not stat.S_ISSOCK(status.st_mode):
                continue
            found.add(status.st_ino)
            if status.st_ino not in self._connected and status.st_ino not in self._others:
                self._examine(number, status.st_ino, tick)
        for closed in self._connected.keys() - found:
            self._shares.give_back(self._connected.pop(closed))
        self._others &= found

    def _examine(self, number: int, inode: int, tick: int) -> None:
        """Examine the socket *inode*, which was the open file *number* a moment ago."""
        try:
            # Even if the number is reused, the copy stays the same file.
            copy = socket.socket(fileno=os.dup(number))
        except OSError:
            return
        with copy:
            if os.fstat(copy.fileno()).st_ino != inode:
                return
            is_ours, peer = self._peer_of(copy)
            if is_ours and not self._shares.take(peer, tick):
                self._connected[inode] = peer
                return
            self._others.add(inode)
            if is_ours:
                with contextlib.suppress(OSError):
                    copy.shutdown(socket.SHUT_RDWR)

    def _peer_of(self, copy: socket.socket) -> tuple[bool, Address | None]:
        """Return whether it is a connection to our port, and its peer."""
        try:
            if copy.family not in _INTERNET or copy.getsockname()[1] != self._port:
                return False, None
            return True, parse_address(copy.getpeername()[0])
        except OSError:
            # It is a listening socket, or its peer has disconnected.
            return False, None
