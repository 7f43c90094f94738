"""What is fuzzed: functions of bytes that raise when something does not hold."""

import base64
import re
from collections.abc import Callable
from typing import Any, Final

from common.builders.presenting import Surroundings
from common.drivers.asking import make_authorizer, make_rejections
from common.fakes.clock import FakeClock
from servicetokens.authn.addresses import Origin, find_client, parse_address, parse_network
from servicetokens.validator.authorizer import read_roles
from servicetokens.validator.bearer import Missing, find_token
from servicetokens.validator.callers import _read_basic
from servicetokens.validator.ext_authz import ExtAuthz
from servicetokens.validator.forward_auth import ForwardAuth
from servicetokens.validator.http import Connection
from servicetokens.validator.introspection import Introspection, _read_form
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.original import Contradiction, find_original
from servicetokens.validator.request import Handler, HeaderSlots
from servicetokens.validator.shares import bytes_held
from servicetokens.validator.token_review import TokenReviewWebhook

_ANSWERS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]+\r\n(?:[A-Za-z-]+: [^\r\n]*\r\n)+\r\n")
_B64TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_MOST_COLUMNS: Final = 6


class _Server:
    """What a connection needs of its listener; an error of a handler is raised immediately."""

    tick = 0
    date = b"Date: Fri, 01 Jan 2027 00:00:00 GMT\r\n"
    draining = False

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.slots = HeaderSlots(handler.headers)
        self.held = bytes_held()

    def admit(self, _connection: Connection, _transport: object) -> None:
        """Admit every connection."""

    def dismiss(self, _connection: Connection) -> None:
        """Dismiss no connection."""

    def report(self, error: Exception) -> None:
        """Make a defect seen."""
        raise error


class _Transport:
    """Keeps what is written, and whether it was closed."""

    def __init__(self) -> None:
        self.written = b""

    def get_extra_info(self, name: str) -> Any:
        """Say who the peer is."""
        return ("192.0.2.7", 1) if name == "peername" else None

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    def get_write_buffer_size(self) -> int:
        """Say that the client reads everything."""
        return 0

    def can_write_eof(self) -> bool:
        """Be a plain socket."""
        return True

    def write_eof(self) -> None:
        """Nothing follows."""

    def close(self) -> None:
        """Nothing follows."""

    abort = close


AROUND: Final = Surroundings()


def _handlers() -> dict[str, Handler]:
    around, counts = AROUND, DecisionCounts("fuzz")
    authorizer, rejections = make_authorizer(around), make_rejections(around, counts)
    return {
        "forward-auth": ForwardAuth(authorizer, behind_proxies=True),
        "ext-authz": ExtAuthz(authorizer, behind_proxies=True),
        "token-review": TokenReviewWebhook(around.authenticator, counts, rejections),
        "introspection": Introspection(around.authenticator, FakeClock(), counts, rejections, max_age=60),
    }


HANDLERS: Final = _handlers()


class _Watched(Connection):
    """Remembers whether it met a method that the parser does not know.

    Such a request is understood where it begins what was received, and nowhere else: the parser does not say where
    it stopped. So there the cut decides between an answer and a 400.
    """

    is_foreign = False

    def _retry_foreign_method(self, data: bytes) -> bool:
        self.is_foreign = True
        return super()._retry_foreign_method(data)


def exchange(handler: Handler, parts: list[bytes]) -> tuple[bytes, bool]:
    """Feed *parts*, one after the other, to a new connection.

    Returns all that it has answered, and whether that may depend on how the parts were cut.
    """
    # A client that failed before, in another run, must not be throttled in this one.
    AROUND.clock.advance(10)
    AROUND.confirm()
    transport = _Transport()
    connection = _Watched(_Server(handler))
    connection.connection_made(transport)  # type: ignore[arg-type]
    for part in parts:
        if part:
            connection.data_received(part)
    connection.connection_lost(None)
    return transport.written, connection.is_foreign


def http(data: bytes) -> None:
    """The first byte says where it is cut; whole or cut, each listener gives the same well-formed answers, no yes."""
    if not data:
        return
    cut, data = data[0], data[1:]
    size = 1 + cut % 64
    for name, handler in HANDLERS.items():
        whole, foreign = exchange(handler, [data])
        pieces, also = exchange(handler, [data[at : at + size] for at in range(0, len(data), size)])
        assert whole == pieces or foreign or also, f"{name}: the cut changes the answer"
        rest = whole.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        if not rest:
            continue
        assert rest.startswith(b"HTTP/1.1 "), name
        first = _ANSWERS.match(rest)
        assert first is not None, f"{name}: {rest[:200]!r}"
        assert b'"authenticated":true' not in rest
        assert b'"active":true' not in rest
        if name in {"forward-auth", "ext-authz"}:
            assert b"HTTP/1.1 200" not in rest, "nobody has guessed the token"


def bearer(data: bytes) -> None:
    """A header gives one word of the grammar, or none."""
    found = find_token(data)
    if not isinstance(found, Missing):
        assert _B64TOKEN.fullmatch(found)
        assert data.lower().startswith(b"bearer ")
        assert found in data.decode("latin-1")


def token_review(data: bytes) -> None:
    """A body gives a TokenReview that says no, or 400."""
    head = b"POST /authenticate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
    answer, _ = exchange(HANDLERS["token-review"], [head + data])
    assert answer[9:12] in {b"200", b"400", b"413"}, answer[:100]
    assert b'"authenticated":true' not in answer


def form(data: bytes) -> None:
    """A body gives fields of which known ones occur once, or is rejected; it authenticates no caller."""
    fields = _read_form(data)
    if fields is not None:
        assert len(fields) <= 16
        assert all(isinstance(value, str) for value in fields.values())
    head = b"POST /introspect HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    answer, _ = exchange(HANDLERS["introspection"], [head + b"Content-Length: %d\r\n\r\n" % len(data) + data])
    assert answer[9:12] in {b"400", b"401", b"413", b"429"}, answer[:100]


def basic(data: bytes) -> None:
    """A header gives an id and a secret, as they are also when it is made of the bytes."""
    _read_basic(data)
    name, secret = _read_basic(b"Basic " + base64.b64encode(data))
    assert isinstance(name, str)
    assert isinstance(secret, str)


def original(data: bytes) -> None:
    """Headers of proxies give one request with an absolute path, none, or a contradiction; addresses and roles too."""
    values = [part or None for part in data.split(b"\n")[:_MOST_COLUMNS]]
    values += [None] * (_MOST_COLUMNS - len(values))
    try:
        found = find_original(values)
    except Contradiction:
        found = None
    assert found is None or found.path.startswith("/")
    trusted = (parse_network("192.0.2.0/24"),)
    client = find_client(Origin(parse_address("192.0.2.7"), data.decode("latin-1")), trusted)
    assert client is None or str(client)
    roles = read_roles(data)
    assert roles is None or 1 <= len(roles) <= 16


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target for target in (http, bearer, token_review, form, basic, original)
}
