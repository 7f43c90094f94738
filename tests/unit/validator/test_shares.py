"""What counts as a connection, and from when: before a TLS handshake, and where grpc accepts."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from common.builders.presenting import Surroundings
from common.drivers import http2
from common.drivers.asking import make_authorizer
from common.fakes.clock import FakeClock
from controlplane.certificates import CertificateAuthority
from controlplane.ports import LOOPBACK, free_ports
from controlplane.waiting import patient
from servicetokens.authn.addresses import parse_address
from servicetokens.runtime.settings import Address
from servicetokens.validator.ext_authz_grpc import GrpcService
from servicetokens.validator.listener import Listener
from servicetokens.validator.request import Request
from servicetokens.validator.responses import render
from servicetokens.validator.shares import HANDSHAKE_SECONDS, ListenerShares, Shares
from servicetokens.validator.tls import CertificateFiles, ClientNames, ServerTls

ELSEWHERE: Final = "127.0.0.9"
ASKED: Final = b"GET / HTTP/1.1\r\nHost: validator\r\n\r\n"


class Yes:
    """Answers 200."""

    headers: tuple[bytes, ...] = ()
    reads_body = False

    def answer(self, _request: Request) -> tuple[bytes, bytes]:
        """Say so."""
        return render(HTTPStatus.OK, ())


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until *holds*."""
    for _ in range(round(patient(1500))):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"timed out waiting for {what}")


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connect(Protocol):
    """Opens connections that stay open until the end of a test, unless it closes them."""

    async def __call__(self, port: int, source: str = LOOPBACK, tls: ssl.SSLContext | None = None) -> Streams:
        """Open one from the address *source*."""
        ...


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """See there."""
    opened: list[Streams] = []

    async def connect(port: int, source: str = LOOPBACK, tls: ssl.SSLContext | None = None) -> Streams:
        opened.append(await asyncio.open_connection(LOOPBACK, port, local_addr=(source, 0), ssl=tls))
        return opened[-1]

    yield connect
    for _, writer in opened:
        writer.transport.abort()
    for _, writer in opened:
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Serving:
    """A TLS listener with room for eight connections, two for each peer."""

    def __init__(self, listener: Listener, authority: CertificateAuthority) -> None:
        self.listener = listener
        self.client = ssl.create_default_context(cafile=authority.certificate)

    async def ask(self, connect: Connect, source: str = LOOPBACK) -> bytes:
        """Return the status line of an answer on a connection of its own."""
        reader, writer = await connect(self.listener.port, source, self.client)
        writer.write(ASKED)
        answer = await reader.readuntil(b"\r\n")
        writer.close()
        return answer.strip()


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """Signs servers and clients."""
    return CertificateAuthority(tmp_path / "pki")


def _raise(error: Exception) -> None:
    """Make a defect seen."""
    raise error


@asynccontextmanager
async def serving(
    authority: CertificateAuthority, *, seconds: float = HANDSHAKE_SECONDS, names: tuple[str, ...] = ()
) -> AsyncIterator[Serving]:
    """Listen over TLS. A handshake may take *seconds*; *names* are the only clients that are served."""
    pair = authority.server("validator")
    client_ca = authority.certificate if names else None
    listener = Listener(
        Yes(),
        FakeClock(),
        report=_raise,
        shares=ListenerShares(Shares(8, 25)),
        clients=ClientNames(names),
        handshake_seconds=seconds,
    )
    tls = ServerTls(CertificateFiles(pair.certificate, pair.key, client_ca))
    await listener.start(LOOPBACK, 0, tls.context)
    sweeping = asyncio.create_task(listener.run())
    try:
        yield Serving(listener, authority)
    finally:
        await listener.drain(seconds=0)
        sweeping.cancel()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server closes, or has closed before it was read."""
    try:
        return await asyncio.wait_for(reader.read(), patient(15))
    except ConnectionError:
        return b""


async def test_an_unfinished_handshake_counts_and_leaves_others_their_room(
    authority: CertificateAuthority, connect: Connect
) -> None:
    """A silent client uses up its own share; the next one from there is closed, others are served."""
    async with serving(authority) as server:
        mute = [await connect(server.listener.port) for _ in range(2)]
        await until(lambda: len(server.listener) == 2, "both to be counted")
        reader, writer = await connect(server.listener.port)
        assert await rest(reader) == b""
        writer.close()
        assert len(server.listener) == 2
        assert await server.ask(connect, ELSEWHERE) == b"HTTP/1.1 200 OK"
        for _, writer in mute:
            writer.close()
        await until(lambda: not len(server.listener), "the room of those that have gone")
        assert await server.ask(connect) == b"HTTP/1.1 200 OK"
        await until(lambda: not len(server.listener), "each connection to be counted once")


async def test_a_handshake_that_takes_too_long_is_ended(
    authority: CertificateAuthority, connect: Connect
) -> None:
    """Also one that has begun; what it held is free again."""
    async with serving(authority, seconds=0.2) as server:
        (mute, _), (slow, writer) = [await connect(server.listener.port) for _ in range(2)]
        # The header of a record that is announced with 512 bytes.
        writer.write(bytes((22, 3, 1, 2, 0)))
        assert await rest(mute) == b""
        await rest(slow)
        await until(lambda: not len(server.listener), "nothing to be open")


async def test_what_is_no_tls_is_closed_and_forgotten(
    authority: CertificateAuthority, connect: Connect
) -> None:
    """An HTTP request, for example: it gets no answer."""
    async with serving(authority) as server:
        for _ in range(3):
            reader, writer = await connect(server.listener.port)
            writer.write(ASKED)
            assert b"HTTP" not in await rest(reader)
            writer.close()
            await until(lambda: not len(server.listener), "nothing to be open")


async def test_a_rejected_connection_counts_until_it_is_closed(
    authority: CertificateAuthority, connect: Connect
) -> None:
    """It is informed so; that it does not close, or answer the goodbye of TLS, keeps nothing open."""
    async with serving(authority, names=("kube-apiserver",)) as server:
        pair = authority.client("stranger")
        server.client.load_cert_chain(pair.certificate, pair.key)
        reader, _ = await connect(server.listener.port, LOOPBACK, server.client)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 403 ")
        await until(lambda: not len(server.listener), "it to be ended")
        # This one reads nothing, and so never answers.
        port = server.listener.port
        plain = await asyncio.to_thread(socket.create_connection, (LOOPBACK, port))
        with await asyncio.to_thread(server.client.wrap_socket, plain, server_hostname=LOOPBACK):
            await until(lambda: not len(server.listener), "it to be ended, too")


async def test_handshakes_end_with_the_listener(authority: CertificateAuthority, connect: Connect) -> None:
    """Draining does not wait for idle clients."""
    async with serving(authority) as server:
        reader, _ = await connect(server.listener.port)
        await until(lambda: len(server.listener) == 1, "it to be counted")
        await server.listener.drain(seconds=0)
        assert await rest(reader) == b""
        await until(lambda: not len(server.listener), "nothing to be open")


@asynccontextmanager
async def serving_grpc() -> AsyncIterator[tuple[GrpcService, int]]:
    """Listen over gRPC with room for eight connections, two for each peer."""
    (port,) = free_ports(1)
    service = GrpcService(
        Address(LOOPBACK, port),
        make_authorizer(Surroundings()),
        ready=lambda: True,
        max_connections=8,
        peer_share=25,
    )
    await service.start()
    running = asyncio.create_task(service.run())
    try:
        yield service, port
    finally:
        running.cancel()
        await service.drain(seconds=0)


async def test_a_grpc_peer_has_its_share_too(connect: Connect) -> None:
    """What is beyond is closed; its older connections stay, others are answered, and what ends is room again."""
    async with serving_grpc() as (service, port):
        opened = []
        for _ in range(2):
            opened.append(await connect(port, ELSEWHERE))
            opened[-1][1].write(http2.hello())
        await until(lambda: service.connections == 2, "both to be counted")
        reader, writer = await connect(port, ELSEWHERE)
        writer.write(http2.hello())
        await rest(reader)
        async with grpc.aio.insecure_channel(f"{LOOPBACK}:{port}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            await until(lambda: service.connections == 3, "that one, and the two older ones")
        assert not any(reader.at_eof() for reader, _ in opened)
        for _, writer in opened:
            writer.close()
        await until(lambda: not service.connections, "nothing to be open")


async def test_a_grpc_peer_that_sends_nothing_delays_no_others(connect: Connect) -> None:
    """Five seconds are enough for its first words; two minutes are what grpc would give it."""
    async with serving_grpc() as (service, port):
        reader, _ = await connect(port)
        await until(lambda: service.connections == 1, "it to be counted")
        async with asyncio.timeout(60):
            while await reader.read(1024):
                """What the server says first does not matter."""
        await until(lambda: not service.connections, "nothing to be open")


def test_an_ipv6_network_is_one_peer() -> None:
    """Its owner chooses the last 64 bits."""
    shares = Shares(8, 25)
    assert not shares.take(parse_address("2001:db8::1"), 0)
    assert not shares.take(parse_address("2001:db8::2"), 0)
    assert shares.take(parse_address("2001:db8::3"), 0) == "too many connections from this address"
    assert not shares.take(parse_address("2001:db8:0:1::1"), 0)
    shares.give_back(parse_address("2001:db8::2"))
    assert not shares.take(parse_address("2001:db8::3"), 0)
    assert shares.total == 3


def test_who_takes_too_much_is_named_once_a_minute() -> None:
    """Over TLS nothing else tells."""
    shares = Shares(4, 25)
    shares.take(parse_address("192.0.2.7"), 100)
    with capture_logs() as lines:
        for tick in (100, 101, 159, 160):
            shares.take(parse_address("192.0.2.7"), tick)
    assert [(line["event"], line["client"]) for line in lines] == [
        ("connections are closed", "192.0.2.7")
    ] * 2
