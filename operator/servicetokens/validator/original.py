"""The request that a forward-auth proxy asks about, read from the headers that the proxy sets.

    X-Forwarded-Uri, -Method, -Host    Traefik, Caddy
    X-Original-URI, -Method            nginx: a path with its query
    X-Original-URL, -Method            nginx, ingress-nginx: a whole URL

A proxy must overwrite its own headers. A client that knows the validator can still add those of another proxy, which
are forwarded. So when headers of several proxies exist they must agree, and only what all of them contain is trusted.
`X-Original-URI` and `X-Original-URL` come from one proxy: if they agree, the host of the URL counts.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from servicetokens.authn.requests import TARGET_TABLE, HttpRequest

HEADERS: Final = (
    b"x-forwarded-uri",
    b"x-original-uri",
    b"x-original-url",
    b"x-forwarded-method",
    b"x-original-method",
    b"x-forwarded-host",
)
_FORWARDED_URI, _ORIGINAL_URI, _ORIGINAL_URL, _FORWARDED_METHOD, _ORIGINAL_METHOD, _FORWARDED_HOST = range(6)
NAMES: Final = (
    "X-Forwarded-Uri",
    "X-Original-URI",
    "X-Original-URL",
    "X-Forwarded-Method",
    "X-Original-Method",
    "X-Forwarded-Host",
)
"""The names of `HEADERS`, in the same order, as people write them."""

_URL: Final = re.compile(r"https?://([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
# A host name and perhaps a port; a list of hosts, as chained proxies write it, is not one host.
_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}?)\.?(?::[0-9]{1,5})?")


class Fault(msgspec.Struct, frozen=True):
    """Why a request is malformed, for the log.

    Attributes:
        headers: the header, or the two headers, that are wrong.
        compared: what is wrong with it, or the difference between the two.
        values: the values found, without queries.
    """

    headers: tuple[str, ...]
    compared: str
    values: tuple[str, ...] = ()


class Contradiction(ValueError):
    """Two headers contradict each other; `fault` has the details."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.compared)
        self.fault = fault


class _Source(msgspec.Struct, frozen=True, gc=False):
    """The content of one kind of proxy's headers, and their names."""

    request: HttpRequest
    path: str
    host: str
    method: str


def find_fault(values: Sequence[bytes | None]) -> Fault | None:
    """Return what is malformed or contradictory; fast, since the result is nearly always None.

    *values* are those of `HEADERS`, in that order.
    """
    forwarded, plain, url, forwarded_method, method, _ = values
    # One line each: a loop would take three times as long, and this runs for every request.
    if forwarded is not None and not forwarded.translate(TARGET_TABLE).isascii():
        return _malformed(_FORWARDED_URI, forwarded)
    if plain is not None and not plain.translate(TARGET_TABLE).isascii():
        return _malformed(_ORIGINAL_URI, plain)
    if url is not None and not url.translate(TARGET_TABLE).isascii():
        return _malformed(_ORIGINAL_URL, url)
    if (plain is None or url is None) and (
        (forwarded is None and forwarded_method is None) or (plain is None and url is None and method is None)
    ):
        return None
    try:
        find_original(values)
    except Contradiction as contradiction:
        return contradiction.fault
    return None


def find_original(values: Sequence[bytes | None]) -> HttpRequest | None:
    """Return the client's request to the proxy, or None when no proxy sent it.

    *values* are those of `HEADERS`, in that order.

    Raises:
        Contradiction: the headers of several proxies do not agree.
    """
    forwarded_method, method = _text(values[_FORWARDED_METHOD]), _text(values[_ORIGINAL_METHOD])
    if forwarded_method and method and forwarded_method != method:
        raise Contradiction(_differ(_FORWARDED_METHOD, _ORIGINAL_METHOD, "method", forwarded_method, method))
    forwarded = _read_forwarded(values, forwarded_method)
    original = _read_original(values, method)
    if forwarded is None or original is None:
        said = forwarded or original
        found = said.request if said is not None else None
    else:
        found = _agreement(forwarded, original)
    return found if found is not None and found.path.startswith("/") else None


def find_missing(values: Sequence[bytes | None]) -> tuple[str, ...]:
    """Return the headers without which a rule about hosts, methods or paths cannot match. For the log."""
    forwarded, plain, url, forwarded_method, method, host = values
    if forwarded is None and plain is None and url is None:
        return (f"{NAMES[_FORWARDED_URI]}, {NAMES[_ORIGINAL_URI]} or {NAMES[_ORIGINAL_URL]}",)
    missing = []
    if forwarded is not None:
        missing += [NAMES[_FORWARDED_METHOD]] if not forwarded_method else []
        missing += [NAMES[_FORWARDED_HOST]] if not host else []
    if plain is not None or url is not None:
        missing += [NAMES[_ORIGINAL_METHOD]] if not method else []
        missing += [NAMES[_ORIGINAL_URL]] if url is None else []
    return tuple(missing)


def read_request(method: bytes, host: bytes | None, target: bytes) -> HttpRequest | None:
    """Return a client's request that arrived as it was sent; None when it has no path, as `OPTIONS *` has none."""
    path = _path(_text(target))
    return HttpRequest(_text(method), _host(_text(host)), path) if path.startswith("/") else None


def _read_forwarded(values: Sequence[bytes | None], method: str) -> _Source | None:
    uri = values[_FORWARDED_URI]
    if uri is None:
        return None
    request = HttpRequest(method, _host(_text(values[_FORWARDED_HOST])), _path(_text(uri)))
    return _Source(
        request, *(NAMES[number] for number in (_FORWARDED_URI, _FORWARDED_HOST, _FORWARDED_METHOD))
    )


def _read_original(values: Sequence[bytes | None], method: str) -> _Source | None:
    """Read the path, the URL, or both, which must agree about the path; only the URL has a host."""
    plain, url = values[_ORIGINAL_URI], values[_ORIGINAL_URL]
    if plain is None and url is None:
        return None
    path = _path(_text(plain))
    host = ""
    if url is not None:
        match = _URL.fullmatch(_text(url))
        # Anything but a URL has no path, which agrees with nothing and matches no rule.
        host, path_of_url = (_host(match[1]), _path(match[2]) or "/") if match else ("", "")
        if plain is not None and path != path_of_url:
            raise Contradiction(_differ(_ORIGINAL_URI, _ORIGINAL_URL, "path", path, path_of_url))
        path = path_of_url
    named = _ORIGINAL_URI if url is None else _ORIGINAL_URL
    return _Source(HttpRequest(method, host, path), NAMES[named], NAMES[named], NAMES[_ORIGINAL_METHOD])


def _agreement(forwarded: _Source, original: _Source) -> HttpRequest:
    """Return what both proxies agree on: the host only if both name it."""
    one, other = forwarded.request, original.request
    for compared, differ in (
        ("path", one.path != other.path),
        ("method", one.method != other.method),
        ("host", bool(one.host and other.host and one.host != other.host)),
    ):
        if differ:
            headers = (getattr(forwarded, compared), getattr(original, compared))
            raise Contradiction(Fault(headers, compared, (getattr(one, compared), getattr(other, compared))))
    return HttpRequest(one.method, one.host if one.host == other.host else "", one.path)


def _malformed(number: int, value: bytes) -> Fault:
    return Fault((NAMES[number],), "bytes that a URI must not contain", (_path(_text(value)),))


def _differ(first: int, second: int, compared: str, *values: str) -> Fault:
    return Fault((NAMES[first], NAMES[second]), compared, values)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("latin-1")


def _path(target: str) -> str:
    """Remove the query. A `#` and the rest are kept: they make the path match nothing."""
    return target.partition("?")[0]


def _host(text: str) -> str:
    match = _HOST.fullmatch(text)
    return match[1].lower() if match else ""
