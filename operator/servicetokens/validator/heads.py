"""What the head of a request must be, so that there is no doubt where the request ends and what it means."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from servicetokens.validator.request import (
    CONNECTION,
    ENCODING,
    EXPECT,
    FIRST_HEADER,
    HOST,
    LENGTH,
    Request,
)

# nginx takes heads of up to 32 KiB by default (four buffers of 8 KiB), and may forward as much.
MAX_HEAD: Final = 32 * 1024
# A TokenReview with a token and a few audiences has 300 bytes.
MAX_BODY: Final = 64 * 1024
# Chunks of one byte take six; more than that is padding, or an endless trailer.
MAX_CODED_BODY: Final = 8 * MAX_BODY
FREE_BYTES: Final = 4096
"""What each connection may hold of an unfinished request, however much others hold: longer ones are rare."""
HTTP_1_0: Final = "1.0"
HTTP_1_1: Final = "1.1"

# RFC 9110 section 5.6.2, "token", with a bound.
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_OWN_NUMBERS: Final = frozenset(range(FIRST_HEADER)) - {CONNECTION}

Fault = tuple[HTTPStatus, str]
"""The status of the rejection, and a sentence for people."""

_VERSION: Final = (HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "send HTTP/1.1 or HTTP/1.0")
_NO_HOST: Final = (HTTPStatus.BAD_REQUEST, "the Host header is missing")
_REPEATED: Final = (HTTPStatus.BAD_REQUEST, "a header must not be repeated")
_LENGTH: Final = (HTTPStatus.BAD_REQUEST, "the length of the body is ambiguous")
_UPGRADE: Final = (HTTPStatus.BAD_REQUEST, "no other protocol is supported")
_TOO_LARGE: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
_EXPECTATION: Final = (HTTPStatus.EXPECTATION_FAILED, "only 100-continue can be expected")


def is_method(text: bytes) -> bool:
    """Return whether *text* can be the name of a method."""
    return _METHOD.fullmatch(text) is not None


def find_fault(request: Request, version: str, *, reads_body: bool, upgrades: bool) -> Fault | None:
    """Return why the request cannot be answered, by its head; None if it can be.

    Args:
        request: its method, target and headers.
        version: of HTTP, in its first line.
        reads_body: the listener answers by the body.
        upgrades: the client asks for another protocol.
    """
    values = request.values
    if version not in {HTTP_1_1, HTTP_1_0}:
        return _VERSION
    if values[HOST] is None and version != HTTP_1_0:
        return _NO_HOST
    if request.repeated and not request.repeated.isdisjoint(_OWN_NUMBERS):
        return _REPEATED
    encoding = values[ENCODING]
    # HTTP/1.0 has no chunks, and a proxy of that version passes on the header (RFC 9112 section 6.1).
    if encoding is not None and (
        values[LENGTH] is not None or version == HTTP_1_0 or encoding.lower() != b"chunked"
    ):
        return _LENGTH
    if not reads_body:
        return None
    if upgrades:
        return _UPGRADE
    if values[LENGTH] and int(values[LENGTH] or 0) > MAX_BODY:
        return _TOO_LARGE
    if (values[EXPECT] or b"100-continue").lower() != b"100-continue":
        return _EXPECTATION
    return None


def announces_body(values: Sequence[bytes | None]) -> bool:
    """Return whether a body may follow. A proxy copies the header and keeps the body."""
    length = values[LENGTH]
    return (
        (length is not None and bool(length.strip(b"0")))
        or values[ENCODING] is not None
        or values[EXPECT] is not None
    )
