"""A listener of the validator on a free port, which answers with what it has understood."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from common.fakes.clock import FakeClock
from servicetokens.validator.listener import Listener
from servicetokens.validator.request import FIRST_HEADER, Request
from servicetokens.validator.responses import render
from servicetokens.validator.shares import ListenerShares, Shares

HOST = b"Host: validator\r\n"


class Echo:
    """Answers with what it has understood."""

    headers: tuple[bytes, ...] = (b"x-word",)

    def __init__(self, *, reads_body: bool) -> None:
        self.reads_body = reads_body
        self.fails = False

    def answer(self, request: Request) -> tuple[bytes, bytes]:
        """Say method, target, header and body."""
        if self.fails:
            message = "a defect"
            raise ValueError(message)
        word = request.values[FIRST_HEADER] or b"-"
        parts = (request.method, request.target, word, request.body or b"-")
        return render(HTTPStatus.OK, (("X-Seen", b" ".join(parts).decode("latin-1")),))


@dataclass
class Served:
    """A listener on a free port, and what it has reported."""

    listener: Listener
    handler: Echo
    port: int
    defects: list[Exception] = field(default_factory=list)

    @asynccontextmanager
    async def connection(self, source: str = "127.0.0.1") -> AsyncIterator["Client"]:
        """Open a connection from the address *source*."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        try:
            yield Client(reader, writer)
        finally:
            writer.close()

    async def ask(self, data: bytes) -> bytes:
        """Send *data* on a connection of its own, and return everything until the server closes it."""
        async with self.connection() as client:
            client.writer.write(data)
            return await client.rest()


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> bytes:
        """Read one answer without a body."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)

    async def rest(self) -> bytes:
        """Read until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 10)


@asynccontextmanager
async def serving(*, reads_body: bool = False, max_connections: int = 100) -> AsyncIterator[Served]:
    """Serve an echo."""
    handler = Echo(reads_body=reads_body)
    defects: list[Exception] = []
    listener = Listener(
        handler, FakeClock(), report=defects.append, shares=ListenerShares(Shares(max_connections))
    )
    await listener.start("127.0.0.1", 0)
    sweeping = asyncio.create_task(listener.run())
    try:
        yield Served(listener, handler, listener.port, defects)
    finally:
        await listener.drain(seconds=0)
        sweeping.cancel()


def seen(answer: bytes) -> bytes:
    """Return what the echo has understood."""
    return answer.partition(b"X-Seen: ")[2].partition(b"\r\n")[0]


def last(data: bytes) -> bytes:
    """Return *data* as the last request of its connection."""
    return data.replace(HOST, HOST + b"Connection: close\r\n", 1)
