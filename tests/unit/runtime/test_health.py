"""The health address: three pages, and a clear word when it cannot be had."""

import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

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


async def test_an_address_that_is_taken_is_named_with_the_flag_that_chooses_another() -> None:
    """It is the operator's first message to a person."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HealthServer("127.0.0.1", port, missing=list, registry=CollectorRegistry())
        with pytest.raises(AddressInUse, match=rf"127\.0\.0\.1:{port} .*--health-address"):
            await server.start()
