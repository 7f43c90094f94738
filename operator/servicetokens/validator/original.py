"""The request that a forward-auth proxy asks about, out of the headers that the proxy sets.

    X-Forwarded-Uri, -Method, -Host    Traefik, Caddy
    X-Original-URI, -Method            nginx
    X-Original-URL, -Method            ingress-nginx: a whole URL

The proxy must overwrite its own. A client that knows us can still add those of another proxy, which are
passed on. So where several families are there they must agree, and only what all of them say is believed.
"""

import re
from collections.abc import Sequence
from typing import Final

from servicetokens.authn.requests import HttpRequest

HEADERS: Final = (
    b"x-forwarded-uri",
    b"x-original-uri",
    b"x-original-url",
    b"x-forwarded-method",
    b"x-original-method",
    b"x-forwarded-host",
)
_FORWARDED_URI, _ORIGINAL_URI, _ORIGINAL_URL, _FORWARDED_METHOD, _ORIGINAL_METHOD, _FORWARDED_HOST = range(6)
_URL: Final = re.compile(r"https?://([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
# A host name and perhaps a port; a list of hosts, as chained proxies write it, is not one host.
_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}?)\.?(?::[0-9]{1,5})?")


class Contradiction(ValueError):
    """The headers of several proxies say different things."""


def may_contradict(values: Sequence[bytes | None]) -> bool:
    """Say whether more than one family is there; the question is cheap and the answer nearly always no."""
    forwarded = values[_FORWARDED_URI] is not None or values[_FORWARDED_METHOD] is not None
    plain, url = values[_ORIGINAL_URI] is not None, values[_ORIGINAL_URL] is not None
    return (forwarded and (plain or url or values[_ORIGINAL_METHOD] is not None)) or (plain and url)


def find_original(values: Sequence[bytes | None]) -> HttpRequest | None:
    """Return what the client asked the proxy for, or None when no proxy says so.

    *values* are those of `HEADERS`, in that order.

    Raises:
        Contradiction: several families are there and do not agree.
    """
    forwarded, original = _text(values[_FORWARDED_METHOD]), _text(values[_ORIGINAL_METHOD])
    if forwarded and original and forwarded != original:
        raise Contradiction
    found: HttpRequest | None = None
    for request in _families(values, forwarded, original):
        found = request if found is None else _agreement(found, request)
    return found if found is not None and found.path.startswith("/") else None


def read_request(method: bytes, host: bytes | None, target: bytes) -> HttpRequest | None:
    """Return a client's request that arrived as it was sent; None when it has no path, as `OPTIONS *` has none."""
    path = _path(_text(target))
    return HttpRequest(_text(method), _host(_text(host)), path) if path.startswith("/") else None


def _families(values: Sequence[bytes | None], forwarded: str, original: str) -> list[HttpRequest]:
    """Read each family by itself; the header with the path makes one."""
    families = []
    if values[_FORWARDED_URI] is not None:
        host = _host(_text(values[_FORWARDED_HOST]))
        families.append(HttpRequest(forwarded, host, _path(_text(values[_FORWARDED_URI]))))
    if values[_ORIGINAL_URI] is not None:
        families.append(HttpRequest(original, "", _path(_text(values[_ORIGINAL_URI]))))
    if values[_ORIGINAL_URL] is not None:
        url = _URL.fullmatch(_text(values[_ORIGINAL_URL]))
        # Something else than a URL has no path, which agrees with nobody and fits no rule.
        host, path = (_host(url[1]), _path(url[2]) or "/") if url else ("", "")
        families.append(HttpRequest(original, host, path))
    return families


def _agreement(one: HttpRequest, other: HttpRequest) -> HttpRequest:
    hosts_differ = one.host and other.host and one.host != other.host
    if one.path != other.path or one.method != other.method or hosts_differ:
        raise Contradiction
    return HttpRequest(one.method, one.host if one.host == other.host else "", one.path)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("latin-1")


def _path(target: str) -> str:
    return target.partition("?")[0].partition("#")[0]


def _host(text: str) -> str:
    match = _HOST.fullmatch(text)
    return match[1].lower() if match else ""
