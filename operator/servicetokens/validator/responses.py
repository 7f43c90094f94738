"""HTTP answers as finished bytes: rendered once, kept, and sent unchanged.

An answer has two pieces, since `Date` and `Connection`, which depend on the moment and the connection, are inserted
between them when it is sent.
"""

import json
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

Header = tuple[str, str]
Answer = tuple[bytes, bytes]
"""The status line, and everything after it; CRLFs included."""

_END_OF_HEAD: Final = b"\r\n\r\n"
NO_STORE: Final = ("Cache-Control", "no-store")
RETRY_SOON: Final = ("Retry-After", "1")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"Connection: close\r\n"
KEEP: Final = b"Connection: keep-alive\r\n"


def render(status: HTTPStatus, headers: Iterable[Header] = (), body: bytes = b"") -> Answer:
    """Return a whole answer. Header values must be free of control characters."""
    lines = [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii"),
        "\r\n".join(lines).encode("ascii") + _END_OF_HEAD + body,
    )


def render_json(status: HTTPStatus, body: object, headers: Iterable[Header] = ()) -> Answer:
    """Return a whole answer with a JSON body."""
    return render(
        status,
        (("Content-Type", "application/json"), NO_STORE, *headers),
        json.dumps(body, separators=(",", ":")).encode(),
    )


def render_problem(status: HTTPStatus, sentence: str, headers: Iterable[Header] = ()) -> Answer:
    """Return an answer whose body is one sentence for people."""
    return render(
        status,
        (("Content-Type", "text/plain; charset=utf-8"), NO_STORE, *headers),
        f"{sentence}\n".encode(),
    )


def without_body(answer: Answer) -> Answer:
    """Return the answer to HEAD: the same head, its Content-Length included, and nothing after it."""
    status, rest = answer
    return status, rest[: rest.index(_END_OF_HEAD) + len(_END_OF_HEAD)]


def date_line(now: int) -> bytes:
    """Return the `Date` header line for the Unix second *now*."""
    return f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
