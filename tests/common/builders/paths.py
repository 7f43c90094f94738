"""How servers understand the target of a request: which path, after all that they decode, cut and resolve."""

import posixpath
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final
from urllib.parse import unquote_to_bytes


def _decoded(path: bytes) -> bytes:
    return unquote_to_bytes(path)


def _resolved(path: bytes) -> bytes:
    """Resolve dot segments and merge slashes; a slash at the end stays."""
    merged = re.sub(rb"/+", b"/", b"/" + path)
    found = posixpath.normpath(merged)
    return found + b"/" if merged.endswith((b"/", b"/.", b"/..")) and found != b"/" else found


def _without_query(target: bytes) -> bytes:
    return target.partition(b"?")[0]


def _in_c(path: bytes) -> bytes:
    """End at the first NUL, as a C string does."""
    return path.partition(b"\0")[0]


def _as_it_is(target: bytes) -> bytes:
    """HAProxy compares the path as it was sent; a backend decodes it at last."""
    return _decoded(_without_query(target))


def _nginx(target: bytes) -> bytes:
    """Decodes once, then resolves; `#` ends the path."""
    return _resolved(_in_c(_decoded(_without_query(target.partition(b"#")[0]))))


def _go(target: bytes) -> bytes:
    """Traefik and Caddy: `net/url` cuts the fragment off first; the path is cleaned after decoding."""
    return _resolved(_decoded(_without_query(target.partition(b"#")[0])))


def _envoy(target: bytes) -> bytes:
    """Resolves before the backend decodes; backslashes, encoded or not, and encoded slashes are slashes."""
    path = re.sub(rb"%2f|%5c|\\", b"/", _without_query(target.partition(b"#")[0]), flags=re.IGNORECASE)
    return _decoded(_resolved(re.sub(rb"%2e", b".", path, flags=re.IGNORECASE)))


def _file_server(target: bytes) -> bytes:
    """Takes everything before the query for a file name."""
    return _resolved(_in_c(_decoded(_without_query(target))))


def _decodes_twice(target: bytes) -> bytes:
    """A proxy decodes and passes on what it found, and the backend decodes that."""
    return _resolved(_decoded(_decoded(_without_query(target))))


def _reads_overlong(target: bytes) -> bytes:
    """A decoder of UTF-8 that does not mind more bytes than a character needs: `C0 AE` is a dot."""
    decoded = _decoded(_without_query(target))
    for form in (rb"[\xc0\xc1][\x80-\xbf]", rb"\xe0[\x80\x81][\x80-\xbf]", rb"\xf0\x80[\x80\x81][\x80-\xbf]"):
        decoded = re.sub(form, _in_one_byte, decoded)
    return _resolved(decoded)


def _in_one_byte(overlong: re.Match[bytes]) -> bytes:
    *_, high, low = overlong[0]
    return bytes([(high & 1) << 6 | low & 0x3F])


def _java(target: bytes) -> bytes:
    """Servlet containers cut the parameters of each segment off before they resolve."""
    path = b"/".join(segment.partition(b";")[0] for segment in _without_query(target).split(b"/"))
    return _resolved(_decoded(path))


INTERPRETATIONS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "as it is": _as_it_is,
    "nginx": _nginx,
    "Go": _go,
    "Envoy": _envoy,
    "a file server": _file_server,
    "one that decodes twice": _decodes_twice,
    "one that reads overlong UTF-8": _reads_overlong,
}


@cache
def understand(target: bytes) -> dict[str, bytes]:
    """Return the path that each server understands, without the parameters that a Java server cuts off anyway."""
    found = {name: understood(target) for name, understood in INTERPRETATIONS.items()}
    if b";" not in target:
        found["Java"] = _java(target)
    return found


def fits(pattern: str, path: bytes) -> bool:
    """Say whether a decoded *path* is below *pattern*, segment by segment, as a reader of the pattern expects."""
    wanted, segments = pattern.encode().split(b"/"), path.split(b"/")
    if wanted[-1] == b"**" and len(segments) >= len(wanted):
        wanted, segments = wanted[:-1], segments[: len(wanted) - 1]
    return len(wanted) == len(segments) and all(
        segment not in (b"", b".", b"..") if one == b"*" else one == segment
        for one, segment in zip(wanted, segments, strict=True)
    )
