"""The health address: three pages, and a clear word when it cannot be had."""

import asyncio
import contextlib
import gc
import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from controlplane.waiting import patient
from servicetokens.runtime.health import AddressInUse, HealthServer


async def page(port: int, path: str) -> tuple[int, str]:
    """Return status and text of a page."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


async def test_readiness_says_what_is_missing_and_liveness_does_not_care() -> None:
    """A sentence a line; the metrics are Prometheus'."""
    missing = ["the CRDs are not installed", "there are no keys"]
    registry = CollectorRegistry()
    Counter("tries", "How often.", registry=registry).inc()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = HealthServer("127.0.0.1", port, missing=lambda: missing, registry=registry)
    await server.start()
    try:
        assert await page(port, "/livez") == (200, "ok\n")
        assert await page(port, "/readyz") == (
            503,
            "not ready: the CRDs are not installed\nnot ready: there are no keys\n",
        )
        missing.clear()
        assert await page(port, "/readyz") == (200, "ok\n")
        assert "tries_total 1.0" in (await page(port, "/metrics"))[1]
        assert (await page(port, "/validate"))[0] == 404
    finally:
        await server.stop()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_what_is_degraded_is_shown_and_fails_nothing() -> None:
    """The first line stays what it was."""
    port, degraded = free_port(), ["lastUsedTime is not written"]
    server = HealthServer(
        "127.0.0.1", port, missing=list, degraded=lambda: degraded, registry=CollectorRegistry()
    )
    await server.start()
    try:
        assert await page(port, "/readyz") == (200, "ok\ndegraded: lastUsedTime is not written\n")
        # As a policy or a gateway may word it: what is quoted begins no line of ours.
        degraded[:] = ["denied\nnot ready: forged"]
        assert await page(port, "/readyz") == (200, "ok\ndegraded: denied\\nnot ready: forged\n")
        degraded[:] = ["lastUsedTime is not written"]
    finally:
        await server.stop()


BROKEN = [
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01" + bytes(30),
    b"garbage\r\n\r\n",
]


@pytest.mark.parametrize("request_", BROKEN, ids=lambda data: data[:24].decode("latin-1"))
async def test_a_broken_request_is_answered_and_leaves_no_line_in_the_log(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Anyone who reaches the port could fill the log otherwise, with a traceback each."""
    port = free_port()
    server = HealthServer("127.0.0.1", port, missing=list, registry=CollectorRegistry())
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_)
        answer = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
    finally:
        await server.stop()
    assert answer.split(b" ")[1] == b"400"
    assert caplog.records == []


async def test_a_defect_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback."""

    def missing() -> list[str]:
        message = "a defect"
        raise ValueError(message)

    port = free_port()
    server = HealthServer("127.0.0.1", port, missing=missing, registry=CollectorRegistry())
    await server.start()
    try:
        assert (await page(port, "/readyz"))[0] == 500
    finally:
        await server.stop()
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_an_address_that_is_taken_is_named_with_the_flag_that_chooses_another() -> None:
    """It is the operator's first message to a person."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HealthServer("127.0.0.1", port, missing=list, registry=CollectorRegistry())
        with pytest.raises(AddressInUse, match=rf"127\.0\.0\.1:{port} .*--health-address"):
            await server.start()


async def test_one_address_leaves_room_for_others(caplog: pytest.LogCaptureFixture) -> None:
    """It may be the address of a pod that any user runs: what it opens beyond its share is closed, and fills no log."""
    port = free_port()
    server = HealthServer("127.0.0.1", port, missing=list, registry=CollectorRegistry())
    await server.start()
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        while len(opened) < 20:
            opened.append(await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0)))
        for reader, _ in opened[16:]:
            assert await _rest(reader) == b""
        assert not any(reader.at_eof() for reader, _ in opened[:16])
        assert await page(port, "/livez") == (200, "ok\n")
        opened[0][1].close()
        await opened[0][1].wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
        opened.append((reader, writer))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    finally:
        for _, writer in opened:
            writer.close()
        await server.stop()
    gc.collect()
    assert caplog.records == []


async def test_a_connection_without_a_request_is_ended() -> None:
    """Whether nothing arrives or half of a request. One that has asked may stay."""
    port = free_port()
    server = HealthServer("127.0.0.1", port, missing=list, registry=CollectorRegistry(), silent_seconds=0.5)
    await server.start()
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    try:
        (mute, _), (slow, half), (asking, whole) = opened
        half.write(b"GET /livez HTTP/1.1\r\nHost: ")
        whole.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await asking.readline()).startswith(b"HTTP/1.1 200 ")
        assert await _rest(mute) == await _rest(slow) == b""
        whole.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await asking.readuntil(b"ok\n")).startswith(b"Content-Type")
    finally:
        for _, writer in opened:
            writer.close()
        await server.stop()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server closes."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), patient(15))
    return b""
