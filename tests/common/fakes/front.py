"""What a client of the API server meets on its way: a server that writes down who asks, and an HTTP proxy."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from controlplane.certificates import KeyPair
from controlplane.ports import LOOPBACK

Headers = list[tuple[str, str]]


@dataclass
class Front:
    """Listens on loopback at *port*.

    `asked` has the first line and the headers of each request, in order, `certificates` what its client showed, and
    `names` the name of the server that each connection was made for.
    """

    port: int = 0
    asked: list[tuple[str, Headers]] = field(default_factory=list)
    certificates: list[object] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    def header(self, name: str) -> list[str]:
        """Return all values that the last request had for the header *name*."""
        return [value for key, value in self.asked[-1][1] if key.lower() == name.lower()]


def answer_nothing(_line: str) -> tuple[str, bytes]:
    """Return the status and the body `{}`, whatever was asked."""
    return "200 OK", b"{}"


@contextlib.asynccontextmanager
async def api_front(
    pair: KeyPair | None = None,
    authority: str | None = None,
    *,
    answer: Callable[[str], tuple[str, bytes]] = answer_nothing,
) -> AsyncIterator[Front]:
    """Answer the first line of each request: over TLS with the certificate *pair*, and ask for one of *authority*."""
    front = Front()
    tls = None
    if pair is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        tls.load_cert_chain(pair.certificate, pair.key)
        tls.verify_mode = ssl.CERT_OPTIONAL if authority else ssl.CERT_NONE
        tls.sni_callback = lambda _connection, name, _context: front.names.append(name)

    connections: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append((asyncio.current_task(), writer))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                front.asked.append(await _read(reader))
                front.certificates.append(writer.get_extra_info("peercert"))
                status, body = answer(front.asked[-1][0])
                head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                writer.write(f"{head}\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls) as server:
        front.port = server.sockets[0].getsockname()[1]
        yield front
    # Nothing of it outlives the test that it was for.
    for _, writer in connections:
        writer.close()
    await asyncio.gather(*(task for task, _ in connections if task is not None), return_exceptions=True)
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def proxy(*, status: str = "200 OK") -> AsyncIterator[Front]:
    """Connect clients to whatever they name on loopback, or reject with another *status*."""
    front = Front()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, headers = await _read(reader)
        front.asked.append((line, headers))
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if status.startswith("200"):
            port = int(line.split()[1].rpartition(":")[2])
            theirs, ours = await asyncio.open_connection(LOOPBACK, port)
            await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0) as server:
        front.port = server.sockets[0].getsockname()[1]
        yield front


async def _read(reader: asyncio.StreamReader) -> tuple[str, Headers]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    parts = [line.partition(": ") for line in lines[1:] if line]
    return lines[0], [(name, value) for name, _, value in parts]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
        writer.close()
