"""The interface between connections and handlers, and what connections share."""

import asyncio
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from servicetokens.authn.addresses import Origin
from servicetokens.validator.responses import Answer
from servicetokens.validator.shares import Shares

C_contra = TypeVar("C_contra", contravariant=True)
"""The connection, as servers see it: any object."""

# Spellings of header names that are remembered: proxies use few, other clients may invent many.
_MAX_SPELLINGS: Final = 512
_MAX_SPELLING: Final = 64

HOST, LENGTH, ENCODING, EXPECT, CONNECTION = range(5)
"""The numbers of the headers that the connection itself reads, in `Request.values`."""
_OWN_HEADERS: Final = (b"host", b"content-length", b"transfer-encoding", b"expect", b"connection")
FIRST_HEADER: Final = len(_OWN_HEADERS)
"""The number of the first header that a handler requested."""
_NOT_WANTED: Final = -1


class Request:
    """The request as a handler sees it; valid only during the call, since the connection reuses it.

    Attributes:
        method: in upper case, as sent.
        target: raw, with its query.
        values: the values of headers, joined by commas where one came more than once; the handler's own begin
            at `FIRST_HEADER`.
        repeated: the numbers of those that came more than once.
        body: complete; empty for a handler that does not read it.
        origin: the TCP peer.
    """

    __slots__ = ("body", "method", "origin", "repeated", "target", "values")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.method = b""
        self.target = b""
        self.values: list[bytes | None] = []
        self.repeated: frozenset[int] = frozenset()
        self.body = b""


class Handler(Protocol):
    """Answers requests, synchronously and without blocking."""

    headers: tuple[bytes, ...]
    """The names of the headers that the handler needs, in lower case."""
    reads_body: bool
    """Whether the body is needed. If not, it is ignored, and so are `Upgrade` and `Expect`."""

    def answer(self, request: Request) -> Answer:
        """Return a finished answer, as `servicetokens.validator.responses` makes them."""
        ...


class HeaderSlots:
    """The slot of a header's value, by its name as spelled in the request.

    `spellings` holds known spellings; others are added by `learn`.
    """

    __slots__ = ("_numbers", "blank", "spellings")

    def __init__(self, wanted: tuple[bytes, ...]) -> None:
        names = (*_OWN_HEADERS, *wanted)
        self._numbers = {name: number for number, name in enumerate(names)}
        self.blank: tuple[bytes | None, ...] = (None,) * len(names)
        """The values of a request without headers."""
        self.spellings: dict[bytes, int] = {}

    def learn(self, name: bytes) -> int:
        """Return the number of the header *name*, or -1 when no handler needs it, and remember the spelling."""
        number = self._numbers.get(name.lower(), _NOT_WANTED)
        if len(self.spellings) < _MAX_SPELLINGS and len(name) <= _MAX_SPELLING:
            self.spellings[name] = number
        return number


class Server(Protocol[C_contra]):
    """What the connections of one listener share."""

    handler: Handler
    slots: HeaderSlots
    tick: int
    """Seconds, counted by the sweep."""
    date: bytes
    """The current `Date` header line."""
    draining: bool
    held: Shares
    """Bytes of unfinished requests, beyond those that each connection may hold."""

    def admit(self, connection: C_contra, transport: asyncio.Transport) -> tuple[HTTPStatus, str] | None:
        """Accept a new connection; or return the rejection, as a status and a sentence."""
        ...

    def dismiss(self, connection: C_contra) -> None:
        """Remove a closed one."""
        ...

    def report(self, error: Exception) -> None:
        """Log an error of a handler."""
        ...
