"""HTTP/2 frames as a client may send them that does not want its calls to end (RFC 9113, RFC 7541)."""

import asyncio
import struct
from dataclasses import dataclass
from typing import Final

# The first bytes of every client (RFC 9113 section 3.4).
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA: Final = 0
HEADERS: Final = 1
SETTINGS: Final = 4
END_STREAM: Final = 1
_END_HEADERS: Final = 4
_INITIAL_WINDOW_SIZE: Final = 4
_FRAME_HEAD: Final = 9


@dataclass(frozen=True)
class Frame:
    """What the server sent."""

    kind: int
    flags: int
    stream: int


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def hello(window: int = 65_535) -> bytes:
    """Return how a client begins that takes *window* bytes of data on each stream."""
    return PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, window))


def head(stream: int, path: str) -> bytes:
    """Return the header of a gRPC call, whose message may follow."""
    fields = b"\x83\x86" + b"\x04" + _text(path) + b"\x01" + _text("validator")
    fields += b"\x0f\x10" + _text("application/grpc") + b"\x00" + _text("te") + _text("trailers")
    return frame(HEADERS, _END_HEADERS, stream, fields)


def message(stream: int, content: bytes) -> bytes:
    """Return the message of a gRPC call, after which the client sends nothing more on its stream."""
    return frame(DATA, END_STREAM, stream, b"\x00" + struct.pack(">I", len(content)) + content)


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Return the next frame. Raises `asyncio.IncompleteReadError` at the end of the connection."""
    start = await reader.readexactly(_FRAME_HEAD)
    await reader.readexactly(int.from_bytes(start[:3]))
    return Frame(start[3], start[4], int.from_bytes(start[5:]) & 0x7FFFFFFF)


def _text(text: str) -> bytes:
    """Return a literal that is not compressed; its length takes one byte."""
    return bytes((len(text),)) + text.encode()
