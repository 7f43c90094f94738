"""The health address of both processes: `/livez`, `/readyz` and `/metrics`, never on a port that serves verdicts."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from servicetokens.runtime.settings import Address
from servicetokens.runtime.sockets import open_sockets

Missing = Callable[[], Sequence[str]]
"""Says what is missing until the process is ready, a sentence each; empty means ready."""

_LOGGER: Final = "servicetokens.runtime.health.http"


class AddressInUse(OSError):
    """The address cannot be listened on. The message is a sentence for people."""


class HealthServer:
    """Serves the three pages. Liveness means that the event loop turns, readiness what *missing* says.

    What *degraded* says is shown by `/readyz`, too, and fails nothing.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        missing: Missing,
        registry: CollectorRegistry,
        degraded: Missing = tuple,
    ) -> None:
        self._host = host
        self._port = port
        self._missing = missing
        self._degraded = degraded
        self._registry = registry
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        # It would write a traceback for each request that is not HTTP, and anybody who reaches the port can send those.
        logger = logging.getLogger(_LOGGER)
        logger.addFilter(_is_no_fault_of_clients)
        self._runner = web.AppRunner(application, access_log=None, logger=logger)

    async def start(self) -> None:
        """Listen.

        Raises:
            AddressInUse: the port is taken or the address is not of this machine.
        """
        await self._runner.setup()
        try:
            for opened in open_sockets(self._host, self._port):
                await web.SockSite(self._runner, opened).start()
        except OSError as error:
            await self._runner.cleanup()
            address = Address(self._host, self._port)
            message = (
                f"cannot listen on {address} for health and metrics ({error.strerror or error}); "
                "free the port or choose another one with --health-address"
            )
            raise AddressInUse(message) from error

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        missing, degraded = self._missing(), self._degraded()
        lines = [f"not ready: {reason}" for reason in missing] or ["ok"]
        lines += [f"degraded: {reason}" for reason in degraded]
        return web.Response(status=503 if missing else 200, text="".join(f"{line}\n" for line in lines))

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def _is_no_fault_of_clients(record: logging.LogRecord) -> bool:
    """Let no log line pass that is about a request that cannot be parsed: the client is told, by 400."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)
