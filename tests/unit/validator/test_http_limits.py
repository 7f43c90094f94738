"""The server of the validator on real sockets: what ends a connection, and how many there may be."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from common.drivers.served import HOST, Echo, last, seen, serving
from common.fakes.clock import FakeClock
from servicetokens.runtime.health import AddressInUse
from servicetokens.validator.http import IDLE_SECONDS, REQUEST_SECONDS
from servicetokens.validator.listener import Listener


@pytest.mark.parametrize(
    ("begun", "seconds", "status"),
    [
        (b"", REQUEST_SECONDS, b""),
        (b"GET / HT", REQUEST_SECONDS, b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nabc", REQUEST_SECONDS, b"HTTP/1.1 408 "),
    ],
)
async def test_what_arrives_too_slowly_is_ended(begun: bytes, seconds: int, status: bytes) -> None:
    """A silent connection, half a header, half a body."""
    async with serving(reads_body=True) as served, served.connection() as client:
        client.writer.write(begun)
        await asyncio.sleep(0.1)
        served.listener.tick += seconds
        assert (await client.rest()).startswith(status)


async def test_an_idle_connection_is_kept_for_longer_than_gos_clients_do() -> None:
    """90 seconds is theirs; ours ends after 120."""
    async with serving() as served, served.connection() as client:
        client.writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.answer()
        served.listener.tick += IDLE_SECONDS - 2
        await asyncio.sleep(1.2)
        client.writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.answer()
        served.listener.tick += IDLE_SECONDS
        assert await client.rest() == b""


async def test_connections_beyond_the_limit_get_an_error() -> None:
    """And there is room again when others have gone."""
    async with serving(max_connections=1) as served:
        async with served.connection() as first:
            first.writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            await first.answer()
            assert (await served.ask(b"")).startswith(b"HTTP/1.1 503 ")
        await asyncio.sleep(0.1)
        assert b"200 OK" in await served.ask(last(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"))


async def test_one_peer_cannot_take_all_connections() -> None:
    """It has its share, others have room, and what it closes it may open again."""
    async with serving(max_connections=8) as served, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(served.connection()) for _ in range(2)]
        for client in clients:
            client.writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            await client.answer()
        for _ in range(3):
            refused = await served.ask(b"")
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"from this address" in refused
        for number in range(2, 5):
            other = await stack.enter_async_context(served.connection(f"127.0.0.{number}"))
            other.writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert b"200 OK" in await other.answer()
        clients[0].writer.close()
        while len(served.listener) > 4:  # noqa: ASYNC110 - the listener has no event for it
            await asyncio.sleep(0.01)
        assert b"200 OK" in await served.ask(last(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"))
        while len(served.listener) > 4:  # noqa: ASYNC110 - the listener has no event for it
            await asyncio.sleep(0.01)
        assert len(served.listener) == 4


async def test_draining_closes_idle_connections_and_lets_the_last_request_finish() -> None:
    """With `Connection: close` on its answer."""
    async with serving(reads_body=True) as served, served.connection() as idle, served.connection() as busy:
        idle.writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\na")
        await idle.answer()
        busy.writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\na")
        await asyncio.sleep(0.1)
        draining = asyncio.create_task(served.listener.drain(seconds=5))
        assert await idle.rest() == b""
        busy.writer.write(b"bc")
        answer = await busy.rest()
        assert seen(answer) == b"POST / - abc"
        await draining
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", served.port)


async def test_an_address_in_use_is_named() -> None:
    """The message goes to a person."""
    async with serving() as served:
        other = Listener(Echo(reads_body=False), FakeClock(), report=lambda _error: None)
        with pytest.raises(AddressInUse, match=f"127.0.0.1:{served.port}"):
            await other.start("127.0.0.1", served.port)
