"""Where the processes listen: at every address of the machine, or at one."""

import errno
import socket
from contextlib import ExitStack, closing

import pytest

from servicetokens.runtime.settings import Address, parse_address
from servicetokens.runtime.sockets import open_sockets

# No kernel has it, as one without IPv6 has no AF_INET6.
_NO_FAMILY = 1000
ANY_IPV4 = "0.0.0.0"  # noqa: S104 - to see what it means


def answers(host: str, port: int) -> bool:
    """Return whether a process listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(5)
        return client.connect_ex((host, port)) == 0


@pytest.mark.parametrize("text", ["[::]:0", ":0"])
def test_all_addresses_are_those_of_both_versions(text: str) -> None:
    """With one socket, whose port is the same for both."""
    (opened,) = open_sockets(*parse_address(text))
    with closing(opened):
        opened.listen()
        port = opened.getsockname()[1]
        assert answers("127.0.0.1", port)
        assert answers("::1", port)


def test_a_machine_without_ipv6_listens_on_ipv4() -> None:
    """What was requested is every address that there is."""
    (opened,) = open_sockets("::", 0, family=_NO_FAMILY)
    with closing(opened):
        opened.listen()
        assert opened.family == socket.AF_INET
        assert answers("127.0.0.1", opened.getsockname()[1])


@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "::1"), (ANY_IPV4, "::1"), ("::1", "127.0.0.1")])
def test_one_address_is_that_one_only(host: str, other: str) -> None:
    """A named version is used."""
    (opened,) = open_sockets(host, 0)
    with closing(opened):
        opened.listen()
        port = opened.getsockname()[1]
        assert answers("127.0.0.1" if host == ANY_IPV4 else host, port)
        assert not answers(other, port)


def test_localhost_is_every_address_of_that_name() -> None:
    """As far as this machine has them; IPv4 it has."""
    with ExitStack() as stack:
        (free,) = open_sockets("127.0.0.1", 0)
        port = free.getsockname()[1]
        free.close()
        for opened in open_sockets("localhost", port):
            stack.enter_context(closing(opened)).listen()
        assert answers("127.0.0.1", port)


@pytest.mark.parametrize("host", ["::", "127.0.0.1", "localhost"])
def test_a_port_that_is_taken_is_an_error(host: str) -> None:
    """Also if it is taken for one version only."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use") as raised:
            open_sockets(host, taken.getsockname()[1])
        assert raised.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address("::", 8080)),
        ("[::]:8080", Address("::", 8080)),
        (f"{ANY_IPV4}:8080", Address(ANY_IPV4, 8080)),
        ("[::1]:1", Address("::1", 1)),
        ("localhost:0", Address("localhost", 0)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    """Without a host it is all addresses, and said so."""
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["8080", "", ":", ":x", "::8080", "[::]", "[]:1", "1.2.3:4", ":65536", ":-1"]
)
def test_what_is_no_address_is_an_error(text: str) -> None:
    """The message shows how one looks."""
    with pytest.raises(ValueError, match="like 0"):
        parse_address(text)
