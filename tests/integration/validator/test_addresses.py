"""One validator, all listeners, and both versions of IP."""

import http.client
import socket
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from common.builders.stored import StoredToken
from common.drivers.validating import Ports, validator
from common.drivers.world import World
from controlplane.ports import free_ports

LOOPBACKS: Final = ("127.0.0.1", "::1")


@pytest.mark.parametrize("host", ["[::]", ""], ids=["[::]:PORT", ":PORT"])
def test_every_listener_and_the_health_page_answer_both_versions(
    world: World, token: StoredToken, tmp_path: Path, host: str
) -> None:
    """And a client over IPv4 is one over IPv4, to the networks of a token, too."""
    ports = Ports(*free_ports(len(fields(Ports))))
    flags = [
        f"--{one.name.replace('_', '-')}-address={host}:{getattr(ports, one.name)}" for one in fields(Ports)
    ]
    token.change(allowedCIDRs=["127.0.0.0/8"])
    with validator(world, tmp_path / "log", *flags, ports=ports) as running:
        for one in fields(Ports):
            for loopback in LOOPBACKS:
                socket.create_connection((loopback, getattr(ports, one.name)), timeout=10).close()
        world.until(lambda: _forward(LOOPBACKS[0], running.ports, token) == 200, "IPv4 to be let in")
        assert _forward(LOOPBACKS[1], running.ports, token) == 401
        for loopback in LOOPBACKS:
            connection = http.client.HTTPConnection(loopback, ports.health, timeout=10)
            connection.request("GET", "/livez")
            assert connection.getresponse().status == 200
            connection.close()


def test_no_listener_answers_ipv6_when_its_address_is_ipv4(
    world: World, token: StoredToken, tmp_path: Path
) -> None:
    """Also gRPC, which takes `0.0.0.0` for every address of both versions."""
    ports = Ports(*free_ports(len(fields(Ports))))
    flags = [
        f"--{one.name.replace('_', '-')}-address=0.0.0.0:{getattr(ports, one.name)}" for one in fields(Ports)
    ]
    with validator(world, tmp_path / "log", *flags, ports=ports):
        for one in fields(Ports):
            address = getattr(ports, one.name)
            socket.create_connection((LOOPBACKS[0], address), timeout=10).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((LOOPBACKS[1], address), timeout=10)


def _forward(host: str, ports: Ports, token: StoredToken) -> int:
    connection = http.client.HTTPConnection(host, ports.forward_auth, timeout=10)
    connection.request("GET", "/validate", headers={"Authorization": f"Bearer {token.text}"})
    status = connection.getresponse().status
    connection.close()
    return status
