"""What a client of the API server meets on its way: a server that writes down who asks, and an HTTP proxy."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from controlplane.certificates import KeyPair
from controlplane.ports import LOOPBACK

Headers = list[tuple[str, str]]


@dataclass
class Front:
    """Listens on loopback at *port*. `asked` has the first line and the headers of each request, in order."""

    port: int = 0
    asked: list[tuple[str, Headers]] = field(default_factory=list)
    certificates: list[object] = field(default_factory=list)

    def header(self, name: str) -> list[str]:
        """Return all values that the last request had for the header *name*."""
        return [value for key, value in self.asked[-1][1] if key.lower() == name.lower()]


@contextlib.asynccontextmanager
async def api_front(pair: KeyPair | None = None, authority: str | None = None) -> AsyncIterator[Front]:
    """Answer `{}` to everything: over TLS with the certificate *pair*, and ask clients for one of *authority*."""
    front = Front()
    tls = None
    if pair is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        tls.load_cert_chain(pair.certificate, pair.key)
        tls.verify_mode = ssl.CERT_OPTIONAL if authority else ssl.CERT_NONE

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                front.asked.append(await _read(reader))
                front.certificates.append(writer.get_extra_info("peercert"))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                )
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls) as server:
        front.port = server.sockets[0].getsockname()[1]
        yield front


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
