"""Ports that are promised to a server are there when it comes."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import ports
from controlplane.ports import LOOPBACK, NoFreePort, ReservedPort, free_ports


def test_a_reserved_port_is_not_available_to_others() -> None:
    """A program that binds without sharing does not get the port, although nothing listens on it."""
    with ReservedPort() as port, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((LOOPBACK, port.number))


def test_a_reserved_port_serves_its_server() -> None:
    """A server that shares gets the port and every connection, again and again."""
    with ReservedPort() as port:
        for _ in range(3):
            with socket.socket() as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind((LOOPBACK, port.number))
                server.listen()
                for _ in range(5):
                    with socket.create_connection((LOOPBACK, port.number)), server.accept()[0]:
                        pass


def test_reserved_ports_differ() -> None:
    """The kernel never hands out a port that is reserved."""
    reserved = [ReservedPort() for _ in range(200)]
    assert len({port.number for port in reserved}) == 200
    for port in reserved:
        port.release()


def test_a_released_port_is_free() -> None:
    """Releasing gives the port back, and may be repeated."""
    port = ReservedPort()
    port.release()
    port.release()
    with socket.socket() as other:
        other.bind((LOOPBACK, port.number))


def test_free_ports_are_bindable_and_never_repeated() -> None:
    """Every call gives other ports, each of which a plain server can bind."""
    numbers = free_ports(3) + free_ports(2)
    assert len(set(numbers)) == 5
    for number in numbers:
        with socket.socket() as server:
            server.bind((LOOPBACK, number))


def test_a_taken_port_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is in use or was given out is passed over; when none is left, that is an error."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        number = taken.getsockname()[1]
        (free,) = free_ports(1)
        monkeypatch.setattr("controlplane.ports._given", set())
        monkeypatch.setattr("controlplane.ports.CANDIDATES", [number, free])
        assert free_ports(1) == [free]
        with pytest.raises(NoFreePort, match="only 0 of 1 ports are free"):
            free_ports(1)


def test_another_process_is_not_offered_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even before a server has bound it; when the process that it was given to has ended, it is."""
    code = "from controlplane.ports import free_ports; print(*free_ports(1)); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(ports.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        number = int(other.stdout.readline())
        monkeypatch.setattr("controlplane.ports.CANDIDATES", [number])
        with pytest.raises(NoFreePort):
            free_ports(1)
        other.communicate(b"\n")
    assert free_ports(1) == [number]
