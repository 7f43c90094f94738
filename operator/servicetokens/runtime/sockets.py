"""Listening sockets: one for every address of the machine, IPv4 and IPv6 alike, where the kernel allows it."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Final

# Every address. Libraries that open `::` themselves open it for IPv6 only.
_ANY: Final = "::"
_ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 - what an operator of the service asks for
_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def open_sockets(host: str, port: int, *, family: int = socket.AF_INET6) -> list[socket.socket]:
    """Return bound sockets for *host*, which do not listen yet: one, or as many as `localhost` has addresses.

    `::` takes IPv4 as well, whose clients appear as `::ffff:192.0.2.1`. On a machine without *family*, which is IPv6,
    it means `0.0.0.0`.

    Raises:
        OSError: the port is in use, or the address is not one of this machine.
    """
    if host == _ANY:
        return [_open_any(port, family)]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    opened: list[socket.socket] = []
    try:
        for kind, _, _, _, address in found:
            if opened and not port:
                # A port that the kernel chooses is a single port.
                break
            try:
                opened.append(_open(kind, address))
            except OSError as error:
                # `localhost` is in /etc/hosts for IPv6 even where no interface has that address.
                if error.errno not in _NOT_HERE or kind is not socket.AF_INET6 or len(found) == 1:
                    raise
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def _open_any(port: int, family: int) -> socket.socket:
    try:
        probe = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        # The kernel was built, or started, without IPv6.
        return _open(socket.AF_INET, (_ANY_IPV4, port))
    probe.close()
    return _open(family, (_ANY, port), only_ipv6=False)


def _open(family: int, address: tuple[object, ...], *, only_ipv6: bool = True) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Reuse a port whose last connections have not timed out yet, but not one that is listened on.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_ipv6))
        opened.settimeout(0)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


@contextlib.contextmanager
def only_ipv4(host: str, port: int) -> Iterator[None]:
    """Have a library that opens *host* and *port* meanwhile listen on IPv4 only, if *host* is `0.0.0.0`.

    gRPC takes `0.0.0.0` for every address of both versions, and uses IPv4 where it cannot have the port on IPv6. So the
    port is used there until it has opened its own.
    """
    with contextlib.ExitStack() as stack:
        if host == _ANY_IPV4:
            # Without IPv6, or where another process has the port on IPv6, there is nothing to keep closed.
            with contextlib.suppress(OSError):
                opened = stack.enter_context(contextlib.closing(_open(socket.AF_INET6, (_ANY, port))))
                opened.listen()
        yield
