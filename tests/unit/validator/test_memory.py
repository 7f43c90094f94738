"""What connections hold in memory: little, and together only so much, whatever clients send."""

import asyncio
import json
import socket
import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from common.builders.presenting import Surroundings
from common.drivers.asking import ask, make_rejections
from servicetokens.validator.heads import FREE_BYTES, MAX_HEAD
from servicetokens.validator.http import Connection
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.request import Handler, HeaderSlots, Request
from servicetokens.validator.responses import Answer
from servicetokens.validator.shares import PEER_SHARE, Shares, bytes_held
from servicetokens.validator.tls import accept_tls
from servicetokens.validator.token_review import TokenReviewWebhook
from unit.validator.test_shares import until

HEAD: Final = b"POST / HTTP/1.1\r\nHost: validator\r\n"
CHUNKED: Final = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
KIB: Final = 1024


class Wordy:
    """Needs a header, and perhaps the body; answers nothing."""

    headers: tuple[bytes, ...] = (b"x-word",)

    def __init__(self, *, reads_body: bool) -> None:
        self.reads_body = reads_body

    def answer(self, _request: Request) -> Answer:
        """Answer nothing."""
        return b"", b""


class Desk:
    """The `Server` of connections, with so many *held* bytes for them."""

    tick = 0
    date = b""
    draining = False

    def __init__(self, *, reads_body: bool = True, held: Shares | None = None) -> None:
        self.handler: Handler = Wordy(reads_body=reads_body)
        self.slots = HeaderSlots(self.handler.headers)
        self.held = held or bytes_held()

    def admit(self, _connection: Connection, _transport: object) -> None:
        """Admit every connection."""

    def dismiss(self, _connection: Connection) -> None:
        """Take no note."""

    def report(self, error: Exception) -> None:
        """Make a defect seen."""
        raise error

    def connect(self, peer: str = "192.0.2.7") -> tuple[Connection, "Wire"]:
        """Open a connection from the address *peer*."""
        wire = Wire(peer)
        connection = Connection(self)
        connection.connection_made(wire)  # type: ignore[arg-type]
        return connection, wire


class Wire:
    """What a connection needs of a transport; keeps what is written."""

    def __init__(self, peer: str) -> None:
        self.written = b""
        self._peer = peer

    def get_extra_info(self, name: str) -> Any:
        """Say who the peer is."""
        return (self._peer, 1) if name == "peername" else None

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def can_write_eof(self) -> bool:
        """Be like TLS."""
        return False


@contextmanager
def at_most(kib: float, what: str) -> Iterator[None]:
    """Fail when more memory than that is in use afterwards."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        used = (tracemalloc.get_traced_memory()[0] - before) / KIB
    finally:
        tracemalloc.stop()
    assert used <= kib, f"{what}: {used:.0f} KiB"


def in_chunks(size: int, count: int) -> bytes:
    """Return *count* chunks of *size* bytes, all different."""
    return b"".join(
        b"%x\r\n%b\r\n" % (size, number.to_bytes(size, "big").replace(b"\n", b"x")) for number in range(count)
    )


@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_a_body_in_small_chunks_takes_the_memory_of_its_bytes(size: int) -> None:
    """Not that of an object for each chunk, which is thirty times as much."""
    connection, _ = Desk().connect()
    count = 60_000 // size if size > 1 else 255
    with at_most(160, "64 KiB of a body"):
        connection.data_received(CHUNKED + in_chunks(size, count))


@pytest.mark.parametrize(
    ("request_", "reads_body"),
    [
        (HEAD + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000, True),
        (HEAD + b"X-Word: " + b"x" * 30_000 + b"\r\nContent-Length: 0\r\n\r\n", True),
        (HEAD + b"X-Word: " + b"x" * 30_000 + b"\r\n\r\n", False),
        (HEAD.replace(b"/ ", b"/" + b"x" * 30_000 + b" ") + b"\r\n", False),
        (HEAD + b"X-Word: " + b"x" * 30_000 + b"\r\nContent-Length: 5\r\n\r\n", False),
        (HEAD + b"X-Word: " + b"x" * 2 * MAX_HEAD, False),
    ],
)
def test_nothing_is_left_of_a_request_that_was_answered(request_: bytes, reads_body: bool) -> None:
    """A connection may be idle for two minutes."""
    desk = Desk(reads_body=reads_body)
    connection, _ = desk.connect()
    with at_most(4, "an idle connection"):
        connection.data_received(request_)
    assert desk.held.total == 0


UNFINISHED: Final[dict[str, Callable[[int], bytes]]] = {
    "a head": lambda size: HEAD + b"X-Word: " + b"x" * size,
    "a header that is not needed": lambda size: HEAD + b"X-Other: " + b"x" * size,
    "a target": lambda size: b"POST /" + b"x" * size,
    "a body": lambda size: HEAD + b"Content-Length: 60000\r\n\r\n" + b"x" * size,
    "a body in chunks": lambda size: CHUNKED + b"%x\r\n" % size + b"x" * size,
}


@pytest.mark.parametrize("make", UNFINISHED.values(), ids=UNFINISHED)
def test_unfinished_requests_hold_only_so_much_together(make: Callable[[int], bytes]) -> None:
    """Beyond the share of its address a long one is rejected, a short one never; and others have room."""
    desk = Desk(held=Shares(100_000, PEER_SHARE, "bytes of unfinished requests"))
    long, short = make(20_000), make(FREE_BYTES // 2)
    first, _ = desk.connect()
    first.data_received(long)
    assert 20_000 - FREE_BYTES <= desk.held.total <= 21_000
    held = desk.held.total

    second, wire = desk.connect()
    with capture_logs() as lines:
        second.data_received(long)
    assert wire.written.startswith(b"HTTP/1.1 503 ")
    assert b"too many bytes of unfinished requests from this address" in wire.written
    assert [line["client"] for line in lines] == ["192.0.2.7"]
    assert desk.held.total == held, "what was rejected is not held"

    for peer, data in (("192.0.2.7", short), ("192.0.2.8", long)):
        connection, wire = desk.connect(peer)
        connection.data_received(data)
        assert wire.written == b"", peer
        connection.connection_lost(None)
    first.connection_lost(None)
    assert desk.held.total == 0


def test_a_request_that_is_finished_is_not_held() -> None:
    """It may come in any number of parts."""
    desk = Desk()
    connection, _ = desk.connect()
    for part in (HEAD + b"X-Word: " + b"x" * 9000, b"\r\nContent-Length: 9000\r\n\r\n", b"x" * 8999):
        connection.data_received(part)
        assert desk.held.total > 0
    connection.data_received(b"x")
    assert desk.held.total == 0


async def test_a_connection_that_sends_nothing_takes_little_memory_with_tls() -> None:
    """The library alone would reserve 256 KiB for each, before a byte has come."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pairs = [socket.socketpair() for _ in range(20)]
    for mine, _ in pairs:
        mine.setblocking(False)
    waiting: list[asyncio.Task[None]] = []
    with at_most(len(pairs) * 48, "silent connections"):
        for mine, _ in pairs:
            accepting = accept_tls(mine, asyncio.Protocol(), context, handshake_seconds=60, goodbye_seconds=1)
            waiting.append(asyncio.create_task(accepting))
        await asyncio.sleep(0.1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for _, theirs in pairs:
        theirs.close()
    await until(lambda: all(mine.fileno() == -1 for mine, _ in pairs), "the connections to be closed")


def test_an_answer_for_long_audiences_is_not_kept() -> None:
    """The client chooses them: 64 KiB, and three times as much in the answer, for each token."""
    around = Surroundings()
    counts = DecisionCounts("tokenreview")
    webhook = TokenReviewWebhook(around.authenticator, counts, make_rejections(around, counts))

    def review(audiences: list[str]) -> list[str]:
        spec = {"token": around.token.reveal(), "audiences": audiences}
        body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec})
        reply = ask(webhook, target="/authenticate", method="POST", body=body.encode())
        return list(json.loads(reply.body)["status"]["audiences"])

    long = [f"{number}{'é' * 500}" for number in range(20)]
    for asked in (["https://kubernetes.default.svc"], long, ["https://kubernetes.default.svc"]):
        assert review(asked) == asked
        (kept,) = webhook._answers._entries.values()
        assert len(kept.answer[1]) < KIB
