"""Requests put straight to a handler of the validator, without sockets."""

import http.client
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from common.builders.presenting import Surroundings
from servicetokens.authn.addresses import Origin, parse_address
from servicetokens.validator.audit import RejectionLog
from servicetokens.validator.authorizer import RequestAuthorizer
from servicetokens.validator.failures import FailureLimit
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.request import Handler, HeaderSlots, Request

PEER: Final = "192.0.2.7"


@dataclass(frozen=True)
class Reply:
    """A parsed answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def make_rejections(around: Surroundings, counts: DecisionCounts) -> RejectionLog:
    """Return what counts and logs rejections, with a limit of its own and no trusted proxy."""
    return RejectionLog(counts, around.clock, FailureLimit(around.clock), ())


def make_authorizer(around: Surroundings) -> RequestAuthorizer:
    """Return what authorizes requests by what is known there."""
    counts = DecisionCounts("test")
    return RequestAuthorizer(around.authenticator, counts, make_rejections(around, counts))


def ask(
    handler: Handler,
    *headers: tuple[str, str],
    target: str = "/validate",
    method: str = "GET",
    body: bytes = b"",
    peer: str = PEER,
) -> Reply:
    """Put one request to *handler*, with its headers in that order, as the server would."""
    return parse(answer(handler, *headers, target=target, method=method, body=body, peer=peer))


def answer(
    handler: Handler,
    *headers: tuple[str, str],
    target: str = "/validate",
    method: str = "GET",
    body: bytes = b"",
    peer: str = PEER,
) -> bytes:
    """Put one request to *handler*, and return what it answers, as it is sent."""
    slots = HeaderSlots(handler.headers)
    request = Request(Origin(parse_address(peer)))
    request.method, request.target, request.body = method.encode(), target.encode("latin-1"), body
    request.values = list(slots.blank)
    for name, value in headers:
        number = slots.learn(name.encode())
        if number < 0:
            continue
        before = request.values[number]
        if before is not None:
            request.repeated |= {number}
        encoded = value.encode("latin-1")
        request.values[number] = encoded if before is None else before + b"," + encoded
    return b"".join(handler.answer(request))


def parse(answer: bytes) -> Reply:
    """Read an answer as a client does."""
    response = http.client.HTTPResponse(_Socket(answer), method="GET")  # type: ignore[arg-type]
    response.begin()
    return Reply(response.status, dict(response.getheaders()), response.read())


class _Socket:
    """The little of a socket that `HTTPResponse` needs."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return all that was received."""
        return io.BytesIO(self._content)
