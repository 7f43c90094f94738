"""Connections that one client address opens and does not use, at every listener; others are answered meanwhile."""

import asyncio
import contextlib
import re
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc
import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from google.rpc import code_pb2

from common.builders.stored import StoredToken
from common.drivers import http2
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient
from hostile.conftest import resident

ELSEWHERE: Final = "127.0.0.2"
# One percent of four thousand.
SHARE_OF_CALLS: Final = 40
CHECK: Final = "/envoy.service.auth.v3.Authorization/Check"
MORE: Final = 20


@pytest.fixture(scope="module")
def narrow(
    world: World, token: StoredToken, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningValidator]:
    """A validator that gives each client address one percent of the connections of a listener."""
    with validator(world, tmp_path_factory.mktemp("narrow") / "log", "--peer-share=1") as running:
        world.until(lambda: running.forward(token.text).status == 200, "the token to be known")
        yield running
        running.assert_sound()


def share(listener: str = "") -> int:
    """As the validator divides its files: five listeners, 256 for itself, ten thousand for each listener at most.

    With TLS, two thousand.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2000 if listener in {"token_review", "introspection"} else 10_000
    return max(1, min(most, (min(hard, 50_256) - 256) // 5) // 100)


class Crowd:
    """Connections from one address, to one port."""

    def __init__(self, port: int, hello: bytes = b"") -> None:
        self._port = port
        self._hello = hello
        self._sockets: list[socket.socket] = []

    async def open(self, count: int) -> None:
        """Open more, and say hello on each."""
        for _ in range(count):
            opened = socket.socket()
            self._sockets.append(opened)
            opened.setblocking(False)
            opened.bind((ELSEWHERE, 0))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(opened, (LOOPBACK, self._port))
            if self._hello:
                with contextlib.suppress(ConnectionError):
                    await loop.sock_sendall(opened, self._hello)

    def closed(self) -> int:
        """Return how many the server has closed."""
        return sum(map(_is_closed, self._sockets))

    def close(self) -> None:
        """Close all."""
        for opened in self._sockets:
            opened.close()


def _is_closed(opened: socket.socket) -> bool:
    try:
        while part := opened.recv(65536):
            del part
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def _connections(running: RunningValidator, protocol: str) -> int:
    """Return what /metrics says about the connections of a listener."""
    name = rf'servicetokens_validator_connections{{protocol="{protocol}"}} (\d+)'
    found = re.search(name, running.page("/metrics")[1])
    assert found is not None
    return int(found[1])


def _open_files(running: RunningValidator) -> int:
    """Return how many files and sockets the validator has open."""
    return len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))


@pytest.mark.parametrize(
    ("listener", "protocol"),
    [
        ("forward_auth", "forwardauth"),
        ("ext_authz", "extauthz-http"),
        ("token_review", "tokenreview"),
        ("introspection", "introspection"),
    ],
)
async def test_silent_connections_use_up_the_share_of_their_address(
    narrow: RunningValidator, token: StoredToken, listener: str, protocol: str
) -> None:
    """Also where a TLS handshake is to come. What is beyond it is closed immediately, and others are answered."""
    counted = closed = 0
    # They are ended after five seconds: a machine that stands still for as long makes another attempt necessary.
    for _ in range(5):
        crowd = Crowd(getattr(narrow.ports, listener))
        try:
            await crowd.open(share(listener) + MORE)
            counted, closed = _connections(narrow, protocol), crowd.closed()
            good = [narrow.forward(token.text).status, narrow.authz(token.text).status]
            good += [narrow.review(token.text).status, narrow.introspect("token=x").status]
        finally:
            crowd.close()
        assert good == [200, 200, 200, 401]
        assert counted <= share(listener)
        if (counted, closed) == (share(listener), MORE):
            return
    pytest.fail(f"{counted} are counted, and {closed} are closed")


async def test_grpc_connections_use_up_the_share_of_their_address(
    narrow: RunningValidator, token: StoredToken
) -> None:
    """What is beyond it is closed within a sweep, and others are answered."""
    request = CheckRequest()
    request.attributes.request.http.headers["authorization"] = f"Bearer {token.text}"
    request.attributes.request.http.path = "/"
    counted = closed = 0
    # As above: a machine that stands still for five seconds makes another attempt necessary.
    for _ in range(5):
        crowd = Crowd(narrow.ports.ext_authz_grpc, http2.hello())
        try:
            await crowd.open(share() + MORE)
            async with grpc.aio.insecure_channel(f"{LOOPBACK}:{narrow.ports.ext_authz_grpc}") as channel:
                check = channel.unary_unary(
                    CHECK,
                    request_serializer=CheckRequest.SerializeToString,
                    response_deserializer=CheckResponse.FromString,
                )
                for _ in range(round(patient(30))):
                    answer = await check(request, timeout=patient(10))
                    assert answer.status.code == code_pb2.OK
                    counted, closed = _connections(narrow, "extauthz-grpc"), crowd.closed()
                    if (counted, closed) == (share() + 1, MORE) or closed > MORE:
                        break
                    await asyncio.sleep(0.1)
        finally:
            crowd.close()
        if (counted, closed) == (share() + 1, MORE):
            break
    assert (counted, closed) == (share() + 1, MORE)
    for _ in range(round(patient(300))):
        if not _connections(narrow, "extauthz-grpc"):
            return
        await asyncio.sleep(0.1)
    pytest.fail("connections that were closed are counted still")


async def test_incomplete_grpc_calls_use_up_the_share_of_their_address(
    narrow: RunningValidator, token: StoredToken
) -> None:
    """Those beyond it are ended immediately, the others after the time for a message; and good ones are answered."""
    port = narrow.ports.ext_authz_grpc
    reader, writer = await asyncio.open_connection(LOOPBACK, port, local_addr=(ELSEWHERE, 0))
    try:
        # As many as one connection may have.
        calls = range(1, 200, 2)
        writer.write(http2.hello() + b"".join(http2.head(number, CHECK) for number in calls))
        ended: list[int] = []
        while len(ended) < len(calls) - SHARE_OF_CALLS:
            ended.append(await _next_end(reader))
        request = CheckRequest()
        request.attributes.request.http.headers["authorization"] = f"Bearer {token.text}"
        request.attributes.request.http.path = "/"
        async with grpc.aio.insecure_channel(f"{LOOPBACK}:{port}") as channel:
            answer = await channel.unary_unary(CHECK)(request.SerializeToString(), timeout=patient(10))
        assert CheckResponse.FromString(answer).status.code == code_pb2.OK
        while len(ended) < len(calls):
            ended.append(await _next_end(reader))
        assert sorted(ended) == list(calls)
    finally:
        writer.close()


async def _next_end(reader: asyncio.StreamReader) -> int:
    """Return the number of the call that the server ends next."""
    while True:
        found = await asyncio.wait_for(http2.read_frame(reader), patient(30))
        if found.kind == http2.HEADERS and found.flags & http2.END_STREAM:
            return found.stream


async def test_the_health_address_takes_few_files_of_the_process(
    narrow: RunningValidator, token: StoredToken
) -> None:
    """Anyone who reaches that port cannot take those that the listeners and the API server's connections need."""
    before = _open_files(narrow)
    crowd = Crowd(narrow.ports.health)
    try:
        await crowd.open(300)
        # 16 for one address; a few may be connections to the API server.
        assert _open_files(narrow) <= before + 16 + 5
        assert narrow.page("/livez")[0] == 200
        assert narrow.forward(token.text).status == 200
    finally:
        crowd.close()


@pytest.mark.parametrize("listener", ["token_review", "introspection"])
async def test_no_file_stays_open_after_what_was_no_handshake(
    narrow: RunningValidator, listener: str
) -> None:
    """Bytes that are no TLS, a record that is begun, a connection that is reset: nothing is left of them."""
    before = _open_files(narrow)
    for hello in (b"GET / HTTP/1.1\r\n\r\n", bytes((22, 3, 1, 2, 0)), bytes(2000)):
        crowd = Crowd(getattr(narrow.ports, listener), hello)
        await crowd.open(share(listener) // 2)
        crowd.close()
    for _ in range(round(patient(300))):
        # A few may be connections to the API server.
        if _open_files(narrow) <= before + 5:
            return
        await asyncio.sleep(0.1)
    pytest.fail("files are open still")


CROWD: Final = 200
# As small as chunks can be that are not one byte: each would be an object.
UNFINISHED: Final = (
    b"POST /authenticate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\nab\r\n" * 30_000
)


@pytest.mark.parametrize("listener", ["token_review", "introspection"])
async def test_what_one_address_holds_in_memory_is_bounded(
    running: RunningValidator, token: StoredToken, listener: str
) -> None:
    """Idle connections with TLS take 100 KB each at most; long requests that do not end, little more."""
    port = getattr(running.ports, listener)
    before = resident(running)
    crowd = Crowd(port)
    try:
        await crowd.open(CROWD)
        assert running.introspect("token=x").status == 401
        assert resident(running) - before < CROWD * 100_000
    finally:
        crowd.close()
    opened = []
    try:
        for _ in range(CROWD):
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection(
                    LOOPBACK, port, ssl=running.client_tls, local_addr=(ELSEWHERE, 0)
                )
                opened.append(writer)
                writer.write(UNFINISHED)
                await writer.drain()
        assert running.review(token.text).json["status"]["authenticated"] is True
        assert resident(running) - before < CROWD * 100_000 + 16 * 1024 * 1024
    finally:
        for writer in opened:
            writer.transport.abort()
