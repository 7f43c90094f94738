"""Bytes to a port of the validator, exactly as they are, and the statuses that come back."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import Final

from controlplane.ports import LOOPBACK
from controlplane.waiting import patient

STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_SECONDS: Final = 15


async def exchange(port: int, data: bytes, *, end: bool = True) -> bytes:
    """Send *data*, say that nothing follows if *end*, and return everything until the server closes."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    found: list[bytes] = []
    reading = asyncio.create_task(_read(reader, found))
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
            if end:
                writer.write_eof()
        await asyncio.wait_for(reading, patient(_SECONDS))
    finally:
        writer.close()
    return b"".join(found)


async def _read(reader: asyncio.StreamReader, found: list[bytes]) -> None:
    """Keep what comes, also when the connection is reset at the end."""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65536):
            found.append(part)


def statuses(answer: bytes) -> list[int]:
    """Return the statuses of all answers."""
    return [int(status) for status in STATUS.findall(answer)]


def question(token: str, *headers: str, method: str = "GET", path: str = "/validate") -> bytes:
    """Return a request with a bearer token and more headers."""
    lines = [f"{method} {path} HTTP/1.1", "Host: validator", f"Authorization: Bearer {token}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass
class Asking:
    """How long good requests took, in seconds, and what came back."""

    times: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def percentile(self, percent: int) -> float:
        """Return that percentile of the times."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


async def keep_asking(port: int, token: str, until: asyncio.Event) -> Asking:
    """Present a valid token every 10 ms on one connection, until told to stop."""
    found = Asking()
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    while not until.is_set():
        began = time.monotonic()
        writer.write(question(token))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patient(_SECONDS))
        found.times.append(time.monotonic() - began)
        found.statuses += statuses(head)
        await asyncio.sleep(0.01)
    writer.close()
    return found
