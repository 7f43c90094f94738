"""The HTTP request that a proxy asks about, and the rules of a role for such requests."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

# The bytes that a URI is made of (RFC 3986 section 2) without `#`, which ends what is sent in a request. `[` and `]`
# belong to hosts only, but browsers and Go send them unencoded in paths and queries, and all servers read them alike.
_TARGET_BYTES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]@!$&'()*+,;=%"
TARGET_TABLE: Final = bytes(0 if byte in _TARGET_BYTES else 0x80 for byte in range(256))
"""For `target.translate(TARGET_TABLE).isascii()`, the fastest implementation of `is_target`."""
ODD_TARGET: Final = "the target has bytes that a URI must not contain"
"""Why a target is rejected for which `is_target` is false."""

# Paths that two servers may resolve to two different files, so that a rule cannot be about one of them:
_AMBIGUOUS: Final = re.compile(
    # dot segments and empty segments, also before the parameters of a segment, which Java servers cut off;
    r"\.\.|//|/\.?(?:;|(?<=\.)(?:/|$))"
    # a percent sign that encodes nothing, and one that is itself encoded before two digits, which may be encoded as
    # well (`%25%32%65`): decoded once or twice?
    r"|%(?![0-9a-f]{2})|%25(?:[0-9a-f]|%3[0-9]|%[46][1-6]){2}"
    # encoded controls, dots, slashes, backslashes, and sequences that some decoders take for those (overlong UTF-8);
    r"|%(?:[01][0-9a-f]|7f|2e|2f|5c|c[01]|e0%[89]|f0%8)"
    # and whatever a path must not contain as it is.
    r"|[^A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=%]",
    re.IGNORECASE,
)
_ONE_SEGMENT: Final = "[^/]+"
# Our own server rejects longer URLs before.
_MAX_PATH: Final = 32768


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """The request that the client sent to the proxy.

    Attributes:
        method: as sent.
        host: in lower case, without port; empty when the proxy does not send it.
        path: raw, not decoded and not normalised, without the query; with a fragment, if one was sent by mistake.
    """

    method: str
    host: str
    path: str


class HttpRule(msgspec.Struct, frozen=True, gc=False):
    """Requests that a role allows: all parts that are not None must match."""

    hosts: frozenset[str] | None
    methods: frozenset[str] | None
    paths: tuple[re.Pattern[str], ...] | None

    def allows(self, request: HttpRequest) -> bool:
        """Return whether *request* matches; a request with an ambiguous path never does."""
        return (
            (self.hosts is None or request.host in self.hosts)
            and (self.methods is None or request.method in self.methods)
            and (self.paths is None or any(path.fullmatch(request.path) for path in self.paths))
        )


def is_target(target: bytes) -> bool:
    """Return whether *target*, a path with its query or a whole URL, has only bytes that may be sent in a request.

    Servers do not agree where a target with other bytes ends or which path it means: `/a#/../b` is `/a` for one and
    `/b` for another.
    """
    return target.translate(TARGET_TABLE).isascii()


def compile_rule(
    hosts: Sequence[str] | None, methods: Sequence[str] | None, paths: Sequence[str] | None
) -> HttpRule:
    """Return the rule for the lists of a ServiceRole, where None means "any"."""
    return HttpRule(
        hosts=None if hosts is None else frozenset(host.lower() for host in hosts),
        methods=None if methods is None else frozenset(methods),
        paths=None if paths is None else tuple(_compile_path(path) for path in paths),
    )


def is_allowed(request: HttpRequest, rules: Sequence[HttpRule]) -> bool:
    """Return whether one of *rules* allows *request*."""
    if len(request.path) > _MAX_PATH or _AMBIGUOUS.search(request.path):
        return False
    return any(rule.allows(request) for rule in rules)


def _compile_path(pattern: str) -> re.Pattern[str]:
    """Translate `*`, which matches one segment, and a final `**`, which matches everything below."""
    segments = []
    for segment in pattern.split("/"):
        if segment == "**":
            segments.append(".*")
        elif segment == "*":
            segments.append(_ONE_SEGMENT)
        else:
            segments.append(re.escape(segment))
    return re.compile("/".join(segments), re.DOTALL)
