"""One HTTP/1.1 connection: llhttp parses, a plain function turns the request into finished bytes.

    idle ──▶ head ──┬──▶ answer early     forward-auth: a body would be the client's, and need not come
      ▲             │       └──▶ close        ... so if one is announced, the start of the next request is unknown
      │             └──▶ body ──▶ answer      TokenReview: the body is the question
      └──────────────────────────────┘

Written because no ready-made server has all the limits that a public authentication endpoint needs, and all of them
cost more than twice the CPU. Everything that a client can make large, slow or ambiguous is bounded: head, body, the
time for each, the time between requests, output that is not read. Requests that arrive together are answered in one
write. After an error nothing more is parsed: the rest is ambiguous.
"""

import asyncio
from http import HTTPStatus
from typing import Final, cast

import httptools

from servicetokens.authn.addresses import Origin, parse_address
from servicetokens.validator.heads import (
    FREE_BYTES,
    HTTP_1_0,
    HTTP_1_1,
    MAX_BODY,
    MAX_CODED_BODY,
    MAX_HEAD,
    announces_body,
    find_fault,
    is_method,
)
from servicetokens.validator.request import CONNECTION, ENCODING, EXPECT, LENGTH, Request, Server
from servicetokens.validator.responses import CLOSE, CONTINUE, KEEP, render_problem, without_body

REQUEST_SECONDS: Final = 5
# Longer than the 90 s of Go's clients: we never close a connection that they are about to use.
IDLE_SECONDS: Final = 120
# For how long, and how much of, a rejected request is discarded, so that no reset overtakes the answer.
_LINGER_SECONDS: Final = 2
_MAX_LINGER: Final = 1024 * 1024
# What is parsed before sizes are looked at again. Nearly every request is smaller and parsed in one go.
_SLICE: Final = 4096
# Of a body; then they are joined: chunks of two bytes would take thirty times as much memory.
_MOST_PARTS: Final = 64

_NONE_REPEATED: Final[frozenset[int]] = frozenset()

_DEFECT: Final = "internal error in the validator; see its log"
_MALFORMED: Final = "the request is malformed"

# Plain numbers, not an Enum: looking up its members would cost a tenth of the time that a request takes.
_IDLE: Final = 0
"""Between requests."""
_HEAD: Final = 1
_BODY: Final = 2
"""The answer waits for the body."""
_ANSWERED: Final = 3
"""The answer is given, and no body was announced; the parser has yet to say that the request is complete."""
_OVER: Final = 4
"""Nothing more is parsed; closing, or discarding what still arrives."""


class Connection(asyncio.Protocol):
    """See the module. `deadline` is the tick of the server at which the connection is closed."""

    __slots__ = (
        "_blank",
        "_body",
        "_body_size",
        "_completed",
        "_fed",
        "_find",
        "_foreign_method",
        "_half_closed",
        "_head_size",
        "_held",
        "_keep",
        "_lingers",
        "_old",
        "_out",
        "_parser",
        "_request",
        "_server",
        "_state",
        "_thrown_away",
        "_transport",
        "_values",
        "deadline",
    )

    def __init__(self, server: Server["Connection"]) -> None:
        self._server = server
        self._find = server.slots.spellings.get
        self._blank = list(server.slots.blank)
        self._values = self._blank
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request(Origin(None))
        self._out: list[bytes] = []
        self._state = _IDLE
        self._body: list[bytes] = []
        self._head_size = self._body_size = self._fed = self._held = self._thrown_away = 0
        self._foreign_method = b""
        self._completed = self._old = self._lingers = self._half_closed = False
        self._keep = True
        self.deadline = server.tick + REQUEST_SECONDS + 1

    @property
    def origin(self) -> Origin:
        """The TCP peer."""
        return self._request.origin

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection."""
        self._transport = cast("asyncio.Transport", transport)
        peer = self._transport.get_extra_info("peername")
        if peer:
            self._request.origin = Origin(parse_address(peer[0]))
        objection = self._server.admit(self, self._transport)
        if objection is not None:
            self._reject(*objection)
            self._lingers = False
            self._flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """Release everything."""
        self._state = _OVER
        self._forget_request()
        self._server.dismiss(self)

    def data_received(self, data: bytes) -> None:
        """Parse, and send everything that can be answered."""
        if len(data) <= _SLICE:
            self._feed(data)
        else:
            for start in range(0, len(data), _SLICE):
                self._feed(data[start : start + _SLICE])
        self._flush()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading."""
        self._transport.resume_reading()

    # Called by the listener.

    def expire(self) -> None:
        """Close a connection whose deadline has passed."""
        if self._state in (_HEAD, _BODY):
            self._reject(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
            self._flush()
        elif self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def close_if_idle(self) -> None:
        """Close it unless a request is in progress, which then is the last one."""
        if self._state == _IDLE:
            self._end(lingers=False)
            self._flush()

    def abort(self) -> None:
        """Close it immediately."""
        self._transport.abort()

    # Called by the parser.

    def on_message_begin(self) -> None:
        """A request starts."""
        if self._state == _OVER:
            return
        self._state = _HEAD
        request = self._request
        request.target = b""
        request.values = self._values = self._blank.copy()
        request.repeated = _NONE_REPEATED
        self._fed = 0
        self.deadline = self._server.tick + REQUEST_SECONDS + 1

    def on_url(self, part: bytes) -> None:
        """A part of the target; there are several when it comes in several segments."""
        self._request.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Process one header; those in a trailer after a chunked body are ignored."""
        number = self._find(name)
        if number is None:
            number = self._server.slots.learn(name)
        if number < 0 or self._state != _HEAD:
            return
        values = self._values
        before = values[number]
        if before is None:
            values[number] = value
        else:
            self._request.repeated |= {number}
            values[number] = before + b"," + value

    def on_headers_complete(self) -> None:
        """The head is complete: check it, and answer if the body does not matter."""
        if self._state != _HEAD:
            return
        request = self._request
        request.method = self._foreign_method or self._parser.get_method()
        if not self._check_head():
            return
        self._head_size, self._body_size, self._fed = self._fed, 0, 0
        if self._server.handler.reads_body:
            self._state = _BODY
            if request.values[EXPECT] is not None and not self._old:
                self._out.append(CONTINUE)
            return
        values = request.values
        if not (values[LENGTH] is values[ENCODING] is values[EXPECT] is None) and announces_body(values):
            # A proxy copies the header and keeps the body: what comes next may be the body, or the next request.
            self._keep = False
            self._answer()
            self._end(lingers=True)
            return
        self._state = _ANSWERED
        self._answer()

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self._body_size += len(part)
        if self._body_size > MAX_BODY:
            self._reject(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
        elif self._state == _BODY:
            self._body.append(part)
            if len(self._body) > _MOST_PARTS:
                self._body = [b"".join(self._body)]

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self._state == _BODY:
            self._request.body = b"".join(self._body)
            self._body.clear()
            self._answer()
        elif self._state != _ANSWERED:
            return
        if self._head_size or self._body_size > FREE_BYTES:
            self._forget_request()
        self._state = _IDLE
        self._completed = True
        self.deadline = self._server.tick + IDLE_SECONDS + 1
        if self._foreign_method:
            self._foreign_method = b""
        if not self._keep:
            self._end(lingers=False)

    # Internals.

    def _feed(self, data: bytes) -> None:
        if self._state == _OVER:
            self._throw_away(len(data))
            return
        self._completed = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_after_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            if not self._retry_foreign_method(data):
                self._reject(HTTPStatus.BAD_REQUEST, _MALFORMED)
        except httptools.HttpParserCallbackError as error:
            self._server.report(error)
            self._reject(HTTPStatus.INTERNAL_SERVER_ERROR, _DEFECT)
        except httptools.HttpParserError:
            self._reject(HTTPStatus.BAD_REQUEST, _MALFORMED)
        if self._state != _IDLE and not self._completed:
            self._count_unfinished(len(data))

    def _count_unfinished(self, size: int) -> None:
        """Count what the parser holds until it is complete: a header, a trailer, a chunk's size; and what we hold."""
        self._fed += size
        if self._state == _HEAD and self._fed > MAX_HEAD:
            self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the header is too large")
        elif self._fed > MAX_CODED_BODY:
            self._reject(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
        elif self._state != _OVER:
            held = self._fed if self._state == _HEAD else self._head_size + self._body_size
            more = held - FREE_BYTES - self._held
            if more <= 0:
                return
            if objection := self._server.held.take(self.origin.peer, self._server.tick, more):
                self._reject(HTTPStatus.SERVICE_UNAVAILABLE, objection)
            else:
                self._held += more

    def _forget_request(self) -> None:
        """Hold nothing of a long request, which was answered: a connection may be idle for long."""
        request = self._request
        request.target = request.body = b""
        request.values = self._values = self._blank
        self._body.clear()
        if self._held:
            self._server.held.give_back(self.origin.peer, self._held)
            self._held = 0

    def _go_on_after_upgrade(self, rest: bytes) -> None:
        """Ignore an `Upgrade`: the parser stops after it, so another parser continues."""
        if self._state == _OVER:
            return
        self._parser = httptools.HttpRequestParser(self)
        if rest:
            self._feed(rest)

    def _retry_foreign_method(self, data: bytes) -> bool:
        """Accept a method that llhttp does not know, where the method of the request does not matter.

        Only at the beginning of *data*: the parser does not say where it stopped, and parts that were answered already
        must not be parsed again.
        """
        method, _, rest = data.partition(b" ")
        if (
            self._server.handler.reads_body
            or self._state != _HEAD
            or self._completed
            or self._fed
            or self._foreign_method
            or not is_method(method)
        ):
            return False
        self._foreign_method = method
        self._parser = httptools.HttpRequestParser(self)
        self._feed(b"GET " + rest)
        return True

    def _check_head(self) -> bool:
        """Reject what is ambiguous or impossible; return whether the request may continue."""
        request, parser = self._request, self._parser
        self._keep = parser.should_keep_alive()
        version = HTTP_1_1
        if not self._keep or request.values[CONNECTION] is not None:
            # Only there can it be another one, and the parser creates a string for it each time.
            version = parser.get_http_version()
        self._old = version == HTTP_1_0
        reads_body = self._server.handler.reads_body
        upgrades = reads_body and parser.should_upgrade()
        fault = find_fault(request, version, reads_body=reads_body, upgrades=upgrades)
        self._keep = self._keep and not self._server.draining
        return fault is None or self._reject(*fault)

    def _answer(self) -> None:
        try:
            answer = self._server.handler.answer(self._request)
        except Exception as error:  # noqa: BLE001 - a defect must cost one request, not the listener
            self._server.report(error)
            answer = render_problem(HTTPStatus.INTERNAL_SERVER_ERROR, _DEFECT)
            self._keep = False
        if self._request.method == b"HEAD":
            answer = without_body(answer)
        status, rest = answer
        if self._keep and not self._old:
            self._out += (status, self._server.date, rest)
        else:
            self._out += (status, self._server.date, KEEP if self._keep else CLOSE, rest)

    def _reject(self, status: HTTPStatus, sentence: str) -> bool:
        """Answer, unless that was done, and parse nothing more; returns False for the convenience of callers."""
        if self._state != _OVER:
            if self._state != _ANSWERED:
                line, rest = render_problem(status, sentence)
                self._out += (line, self._server.date, CLOSE, rest)
            self._end(lingers=True)
        return False

    def _end(self, *, lingers: bool) -> None:
        self._state = _OVER
        self._forget_request()
        if lingers:
            # The old one may hold a header of which the end has not come.
            self._parser = httptools.HttpRequestParser(self)
        self._lingers = lingers
        self.deadline = self._server.tick + _LINGER_SECONDS + 1

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()
        if self._state == _OVER:
            self._leave()

    def _leave(self) -> None:
        if not self._lingers:
            self._transport.close()
        elif not self._half_closed and self._transport.can_write_eof():
            self._half_closed = True
            self._transport.write_eof()

    def _throw_away(self, size: int) -> None:
        self._thrown_away += size
        if self._thrown_away > _MAX_LINGER:
            self._transport.abort()
