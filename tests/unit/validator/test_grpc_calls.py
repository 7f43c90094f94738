"""Calls over gRPC that a client does not complete, or whose answers it does not take; and the health service."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from google.rpc import code_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from structlog.testing import capture_logs

from common.builders.presenting import Surroundings
from common.drivers import http2
from common.drivers.asking import make_authorizer
from controlplane.ports import LOOPBACK, free_ports
from controlplane.waiting import patient
from servicetokens.runtime.settings import Address
from servicetokens.runtime.sockets import open_sockets
from servicetokens.validator.ext_authz_grpc import SERVICE, GrpcService
from servicetokens.validator.grpc_calls import MAX_CALLS, Calls

CHECK: Final = f"/{SERVICE}/Check"
ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 - to see what it means
WATCH: Final = "/grpc.health.v1.Health/Watch"
# Of all calls, in percent, and as a number: what a peer may have.
SHARE: Final = 1
MOST: Final = MAX_CALLS * SHARE // 100


class Served:
    """A listener, and whether it says that it is ready."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.is_ready = True
        self.service = GrpcService(
            Address(LOOPBACK, port),
            make_authorizer(Surroundings()),
            ready=lambda: self.is_ready,
            max_connections=800,
            peer_share=SHARE,
        )


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    """Listen; it has to end within its time whatever was done to it."""
    (port,) = free_ports(1)
    served = Served(port)
    await served.service.start()
    running = asyncio.create_task(served.service.run())
    try:
        yield served
    finally:
        running.cancel()
        async with asyncio.timeout(patient(10)):
            await served.service.drain(seconds=0)


@asynccontextmanager
async def channel_to(served: Served) -> AsyncIterator[grpc.aio.Channel]:
    """Connect."""
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{served.port}") as channel:
        yield channel


async def ask(channel: grpc.aio.Channel) -> int:
    """Return the code of an answer about a request without a token."""
    answer = await channel.unary_unary(CHECK)(CheckRequest().SerializeToString(), timeout=patient(10))
    return int(CheckResponse.FromString(answer).status.code)


def begin(channel: grpc.aio.Channel) -> Any:
    """Begin a call, and send no message."""
    return channel.stream_unary(CHECK)()


async def health(channel: grpc.aio.Channel, service: str = "") -> HealthCheckResponse.ServingStatus:
    """Return what the health service says."""
    answer = await HealthStub(channel).Check(HealthCheckRequest(service=service), timeout=patient(10))
    return answer.status


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until *holds*."""
    for _ in range(round(patient(200))):
        if holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"timed out waiting for {what}")


async def until_health(channel: grpc.aio.Channel, status: HealthCheckResponse.ServingStatus) -> None:
    """Wait until the health service says that."""
    for _ in range(round(patient(200))):
        if await health(channel) == status:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"the health is not {status}")


async def is_refused(call: Any) -> bool:
    """Say whether a call is ended because there are too many, and not because its message does not come."""
    code = await asyncio.wait_for(call.code(), patient(30))
    assert code in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
    return bool(code == grpc.StatusCode.RESOURCE_EXHAUSTED)


async def test_a_call_whose_message_does_not_come_is_ended() -> None:
    """After the time that a connection has for its first words; others are answered meanwhile."""
    async with serving() as served, channel_to(served) as channel:
        call = begin(channel)
        assert await ask(channel) == code_pb2.UNAUTHENTICATED
        assert await asyncio.wait_for(call.code(), patient(30)) == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_call_without_a_message_gets_an_error() -> None:
    """The client has reported that nothing follows."""
    async with serving() as served, channel_to(served) as channel:
        call = begin(channel)
        await call.done_writing()
        assert await asyncio.wait_for(call.code(), patient(10)) == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_peer_has_its_share_of_the_calls() -> None:
    """Those beyond are rejected, and it is logged; when others end, there is room again."""
    async with serving() as served, channel_to(served) as channel:
        with capture_logs() as lines:
            calls = [begin(channel) for _ in range(MOST + 3)]
            refused = [call for call in calls if await is_refused(call)]
        assert [await call.details() for call in refused] == ["too many calls from this address"] * 3
        assert [(line["event"], line["client"]) for line in lines] == [("calls are closed", LOOPBACK)]
        for call in calls:
            call.cancel()
        await until(lambda: not served.service.calls, "the calls to have ended")
        assert await ask(channel) == code_pb2.UNAUTHENTICATED


async def test_a_client_that_does_not_read_delays_no_others() -> None:
    """Neither by watching the health nor by asking: connections are counted, and others receive the health status."""
    async with serving() as served, channel_to(served) as channel:
        _, writer = await asyncio.open_connection(LOOPBACK, served.port)
        writer.write(http2.hello(window=0))
        for stream, path in ((1, WATCH), (3, WATCH), (5, CHECK)):
            writer.write(http2.head(stream, path) + http2.message(stream, b""))
        await writer.drain()
        await until_health(channel, HealthCheckResponse.SERVING)
        served.is_ready = False
        await until_health(channel, HealthCheckResponse.NOT_SERVING)
        served.is_ready = True
        await until_health(channel, HealthCheckResponse.SERVING)
        assert await ask(channel) == code_pb2.UNAUTHENTICATED
        await until(lambda: served.service.connections == 2, "both to be counted")
        writer.close()


async def test_health_watchers_receive_each_change() -> None:
    """Of a service that does not exist, only that; at the end, that nothing is served."""
    async with serving() as served, channel_to(served) as channel:
        stub = HealthStub(channel)
        known = stub.Watch(HealthCheckRequest(service=SERVICE), timeout=patient(60)).__aiter__()
        unknown = stub.Watch(HealthCheckRequest(service="x"), timeout=patient(60)).__aiter__()
        assert (await anext(unknown)).status == HealthCheckResponse.SERVICE_UNKNOWN
        await until_health(channel, HealthCheckResponse.SERVING)
        seen = [(await anext(known)).status]
        while seen[-1] != HealthCheckResponse.SERVING:
            seen.append((await anext(known)).status)
        served.is_ready = False
        assert (await anext(known)).status == HealthCheckResponse.NOT_SERVING
        served.is_ready = True
        assert (await anext(known)).status == HealthCheckResponse.SERVING
        draining = asyncio.create_task(served.service.drain(seconds=patient(10)))
        assert (await anext(known)).status == HealthCheckResponse.NOT_SERVING
        await channel.close()
        await draining


@pytest.mark.parametrize(
    "message", [HealthCheckRequest(service="x").SerializeToString(), b"\xff"], ids=["unknown", "unreadable"]
)
async def test_the_health_of_another_service_is_not_found(message: bytes) -> None:
    """As the protocol wants it; a message that cannot be read names no service."""
    async with serving() as served, channel_to(served) as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Check")(message)
        assert await call.code() == grpc.StatusCode.NOT_FOUND


class Context:
    """What `Calls` asks grpc for, of a peer that sends its message."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        """As grpc writes it."""
        return self._peer

    def add_done_callback(self, callback: object) -> None:
        """It does not end."""

    async def read(self) -> bytes:
        """The message."""
        return b"message"

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        """As grpc does."""
        raise PermissionError(code, details)


async def test_an_ipv6_network_has_one_share_and_all_together_have_a_bound() -> None:
    """Its owner chooses the last 64 bits; grpc encodes the brackets of such addresses."""
    calls = Calls(SHARE)
    for number in range(MOST):
        assert await calls.receive(Context(f"ipv6:%5B2001:db8::{number:x}%5D:4711")) == b"message"
    with pytest.raises(PermissionError, match="too many calls from this address"):
        await calls.receive(Context("ipv6:%5B2001:db8::ffff%5D:4711"))
    for number in range(MAX_CALLS - MOST):
        await calls.receive(Context(f"ipv4:192.0.{number // 250}.{number % 250}:4711"))
    assert calls.total == MAX_CALLS
    with pytest.raises(PermissionError, match="too many calls"):
        await calls.receive(Context("ipv4:198.51.100.1:4711"))


@pytest.mark.parametrize("is_taken", [False, True])
@pytest.mark.parametrize(
    ("host", "loopback", "other"),
    [(ANY_IPV4, "127.0.0.1", "::1"), ("127.0.0.1", "127.0.0.1", "::1"), ("::1", "::1", "127.0.0.1")],
)
async def test_one_version_of_ip_is_that_one_only(
    host: str, loopback: str, other: str, is_taken: bool
) -> None:
    """Also `0.0.0.0`, which gRPC takes for every address of both; whether or not another process has the port there."""
    (port,) = free_ports(1)
    with contextlib.ExitStack() as stack:
        if is_taken:
            (theirs,) = open_sockets(other, port)
            stack.enter_context(contextlib.closing(theirs)).listen()
        service = GrpcService(
            Address(host, port), make_authorizer(Surroundings()), ready=lambda: True, max_connections=8
        )
        await service.start()
        try:
            socket.create_connection((loopback, port), timeout=patient(5)).close()
            if not is_taken:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((other, port), timeout=patient(5))
        finally:
            await service.drain(seconds=0)
