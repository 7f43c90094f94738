"""A reverse proxy before the API server that fails on demand, and writes down who asked for what.

    operator ── http ──▶ FaultyProxy ── https, the operator's certificate ──▶ kube-apiserver

A `Fault` is put at a `Site` (a kind of request) and a namespace, and happens a number of times. Everything else
passes through untouched. It runs in a thread with an event loop of its own.
"""

import asyncio
import json
import random
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from controlplane.certificates import KeyPair
from controlplane.ports import LOOPBACK

# Longer than the ten seconds that the operator waits for an answer.
HANG_SECONDS: Final = 12.0
SLOW_SECONDS: Final = 3.0
RETRY_AFTER: Final = 2
_HOP_BY_HOP: Final = frozenset(
    {"connection", "transfer-encoding", "content-length", "content-encoding", "host"}
)


class Fault(StrEnum):
    """What may happen to a request."""

    CONFLICT = "409"
    FORBIDDEN = "403"
    NO_RIGHT = "403-no-right"
    NOT_FOUND = "404"
    GONE = "410"
    UNPROCESSABLE = "422"
    TOO_MANY = "429"
    ERROR = "500"
    UNAVAILABLE = "503"
    GARBAGE = "not-json"
    RESET = "reset"
    APPLIED_AND_RESET = "applied-and-reset"
    APPLIED_AND_HUNG = "applied-and-hung"
    SLOW = "slow"


_STATUSES: Final[Mapping[Fault, tuple[int, str, str]]] = {
    Fault.CONFLICT: (
        409,
        "Conflict",
        "the object has been modified; please apply your changes to the latest version",
    ),
    Fault.FORBIDDEN: (403, "Forbidden", "exceeded quota: none is left"),
    Fault.NO_RIGHT: (403, "Forbidden", 'User "x" cannot do resource "y" in API group "z"'),
    Fault.NOT_FOUND: (404, "NotFound", "the server could not find the requested resource"),
    Fault.GONE: (410, "Expired", "The provided continue parameter is too old"),
    Fault.UNPROCESSABLE: (422, "Invalid", "the object is invalid"),
    Fault.TOO_MANY: (429, "TooManyRequests", "too many requests, please try again later"),
    Fault.ERROR: (500, "InternalError", "an internal error occurred"),
    Fault.UNAVAILABLE: (503, "ServiceUnavailable", "apiserver is shutting down"),
}


@dataclass(frozen=True)
class Asked:
    """One request, as the proxy saw it."""

    at: float
    method: str
    path: str
    query: Mapping[str, str]

    @property
    def parts(self) -> list[str]:
        """The path after the group and the version."""
        parts = self.path.strip("/").split("/")
        return parts[2:] if parts[0] == "api" else parts[3:]

    @property
    def namespace(self) -> str:
        """The namespace in the path, if any."""
        return self.parts[1] if len(self.parts) > 1 and self.parts[0] == "namespaces" else ""

    @property
    def is_watch(self) -> bool:
        """Whether it is a watch."""
        return self.query.get("watch") == "true"

    @property
    def is_list(self) -> bool:
        """Whether it is a page of a list."""
        return self.method == "GET" and "limit" in self.query


Site = Callable[[Asked], bool]


@dataclass
class Rule:
    """What happens at *site*, one after another; None is nothing. `left` says what is still to come."""

    site: Site
    left: list[Fault | None]
    fired: list[Fault] = field(default_factory=list)


@dataclass
class Mangling:
    """What is done to the lines of watches."""

    double: bool = False
    reorder: bool = False


class FaultyProxy:
    """Serves until the context ends."""

    def __init__(self, server: str, authority: Path, certificate: KeyPair, seed: int = 0) -> None:
        self._server = URL(server)
        self._tls = ssl.create_default_context(cafile=authority)
        self._tls.load_cert_chain(certificate.certificate, certificate.key)
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty proxy", daemon=True)
        self._rules: list[Rule] = []
        self._held: list[Site] = []
        self._watches: set[asyncio.Task[Any]] = set()
        self._silent: set[asyncio.Task[Any]] = set()
        self.asked: list[Asked] = []
        self.mangling = Mangling()
        self.swallowed = 0
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads here."""
        cluster = {"name": "faulty", "cluster": {"server": f"http://{LOOPBACK}:{self.port}"}}
        context = {"name": "faulty", "context": {"cluster": "faulty", "user": "faulty"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": "faulty", "user": {}}],
            "contexts": [context],
            "current-context": "faulty",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def put(self, site: Site, *faults: Fault | None) -> Rule:
        """Have *faults* happen at *site*, each once, in that order; None lets a request pass."""
        rule = Rule(site, list(faults))
        self._rules.append(rule)
        return rule

    def hold(self, site: Site) -> None:
        """Answer nothing at *site*, and pass nothing on, until `release`: as an API server whose webhook hangs."""
        self._held.append(site)

    def release(self) -> None:
        """Hold nothing any more."""
        self._held.clear()

    def close_watches(self) -> None:
        """End every watch, as a load balancer does."""

        def close() -> None:
            for task in self._watches:
                task.cancel()

        self._loop.call_soon_threadsafe(close)

    def silence_watches(self) -> None:
        """Pass nothing on any more of the watches that are open now, and leave them open."""
        self._loop.call_soon_threadsafe(lambda: self._silent.update(self._watches))

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls), auto_decompress=False
        )
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        for task in self._watches:
            task.cancel()
        await self._runner.cleanup()
        await self._session.close()
        # The connections below it close in the background (aiohttp's documentation, "Graceful shutdown").
        await asyncio.sleep(0.25)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(time.monotonic(), request.method, request.path, dict(request.query))
        self.asked.append(asked)
        if any(site(asked) for site in self._held):
            await asyncio.sleep(HANG_SECONDS)
            return _cut(request)
        fault = self._take(asked)
        if fault is not None and fault in _STATUSES:
            return _reject(fault)
        if fault is Fault.GARBAGE:
            return web.Response(text="<html>a gateway's page</html>", status=502, content_type="text/html")
        if fault is Fault.RESET:
            return _cut(request)
        if fault is Fault.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if asked.is_watch:
            return await self._watch(request)
        answer = await self._forward(request)
        if fault is Fault.APPLIED_AND_RESET:
            return _cut(request)
        if fault is Fault.APPLIED_AND_HUNG:
            await asyncio.sleep(HANG_SECONDS)
        return answer

    def _take(self, asked: Asked) -> Fault | None:
        for rule in self._rules:
            if rule.left and rule.site(asked):
                fault = rule.left.pop(0)
                if fault is not None:
                    rule.fired.append(fault)
                return fault
        return None

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read() or None
        async with self._session.request(
            request.method, self._target(request), data=body, headers=_passed_on(request.headers)
        ) as answer:
            content = await answer.read()
            return web.Response(status=answer.status, body=content, headers=_passed_back(answer.headers))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        try:
            async with self._session.get(
                self._target(request),
                headers=_passed_on(request.headers),
                timeout=aiohttp.ClientTimeout(total=None),
            ) as answer:
                response = web.StreamResponse(status=answer.status, headers=_passed_back(answer.headers))
                await response.prepare(request)
                async for line in self._mangled(answer.content):
                    if task in self._silent:
                        self.swallowed += 1
                    else:
                        await response.write(line)
                return response
        except asyncio.CancelledError:
            return _cut(request)
        finally:
            self._watches.discard(task)
            self._silent.discard(task)

    async def _mangled(self, content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
        """Give the lines of a watch, twice or in another order."""
        held: list[bytes] = []
        while line := await content.readline():
            if json.loads(line)["type"] == "BOOKMARK" or not self.mangling.reorder:
                for late in held:
                    yield late
                held = []
                yield line
            else:
                held.append(line)
                if len(held) > self._random.randint(0, 2):
                    self._random.shuffle(held)
                    for late in held:
                        yield late
                    held = []
            if self.mangling.double:
                yield line

    def _target(self, request: web.Request) -> URL:
        return self._server.join(URL(request.raw_path, encoded=True))


def _reject(fault: Fault) -> web.Response:
    code, reason, message = _STATUSES[fault]
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    headers = {"Retry-After": str(RETRY_AFTER)} if fault is Fault.TOO_MANY else {}
    return web.json_response(status, status=code, headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Break the connection. What is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _passed_back(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in _HOP_BY_HOP - {"content-encoding"}
    }
