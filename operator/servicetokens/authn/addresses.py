"""Client addresses and the networks that they must be in.

A network is kept as two numbers: 100,000 tokens with a network of their own must not need 100,000 objects of
`ipaddress`.
"""

import ipaddress
from typing import Final

import msgspec

from servicetokens.api.texts import is_network

# The longest address (IPv4-mapped, with a zone) is shorter; brackets and a port fit as well.
_MAX_ADDRESS: Final = 80
# More proxies than any real chain; a longer list is an attempt to use up CPU.
_MAX_HOPS: Final = 64


class Address(msgspec.Struct, frozen=True, gc=False):
    """An IP address as a number; an IPv4-mapped IPv6 address is an IPv4 address."""

    version: int
    value: int

    def __str__(self) -> str:
        kind = ipaddress.IPv4Address if self.version == 4 else ipaddress.IPv6Address  # noqa: PLR2004 - the name says so
        return str(kind(self.value))


class Network(msgspec.Struct, frozen=True, gc=False):
    """An IP network; `value` has no bit outside of `mask`."""

    version: int
    value: int
    mask: int

    def has(self, address: Address) -> bool:
        """Return whether *address* is in this network."""
        return address.version == self.version and address.value & self.mask == self.value


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a request comes from: the TCP peer, and the `X-Forwarded-For` that it sent."""

    peer: Address | None
    forwarded_for: str = ""


def parse_network(text: str) -> Network:
    """Read a network in CIDR notation, with no bit set beyond its mask. Raises ValueError."""
    if not is_network(text):
        message = "must be a network such as 10.0.0.0/8 or 2001:db8::/32, with no bit set beyond its mask"
        raise ValueError(message)
    network = ipaddress.ip_network(text)
    return Network(network.version, int(network.network_address), int(network.netmask))


def parse_address(text: str) -> Address | None:
    """Parse an IP address; None when it is invalid."""
    if len(text) > _MAX_ADDRESS:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return Address(address.version, int(address))


def find_client(origin: Origin, trusted: tuple[Network, ...]) -> Address | None:
    """Return the client's address, or None when it is unknown.

    It is the peer, unless that is a trusted proxy: then it is the right-most address in `X-Forwarded-For`
    that is not a trusted proxy, since the client itself may have written everything to the left of it.
    """
    peer = origin.peer
    if peer is None or not is_in(peer, trusted):
        return peer
    hops = origin.forwarded_for.rsplit(",", _MAX_HOPS)
    for hop in hops[: -_MAX_HOPS - 1 : -1]:
        address = parse_address(_without_port(hop.strip()))
        if address is None or not is_in(address, trusted):
            return address
    return None


def is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    """Return whether *address* is in one of *networks*."""
    return any(network.has(address) for network in networks)


def _without_port(text: str) -> str:
    """Remove `:port`, which some proxies add, and the brackets of an IPv6 address."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, _ = text.partition(":")
    # Two colons or more are an IPv6 address without brackets, which has no port.
    return host if colon and text.count(":") == 1 else text
