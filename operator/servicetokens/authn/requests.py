"""The HTTP request that a proxy asks about, and the rules of a role about such requests."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

# What servers behind the proxy may resolve to another path than the one that we compare: dot segments, empty
# segments, encoded slashes and dots, backslashes.
_AMBIGUOUS: Final = re.compile(r"\.\.|//|/\.(?:/|$)|%2f|%2e|%5c|\\", re.IGNORECASE)
_ONE_SEGMENT: Final = "[^/]+"
# A URL of this length is refused by our own server before.
_MAX_PATH: Final = 32768


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """What the client asked the proxy for.

    Attributes:
        method: as sent.
        host: in small letters, without port; empty when the proxy does not tell.
        path: raw, not decoded and not normalised, without the query.
    """

    method: str
    host: str
    path: str


class HttpRule(msgspec.Struct, frozen=True, gc=False):
    """Requests that a role allows: all of the parts that are not None must fit."""

    hosts: frozenset[str] | None
    methods: frozenset[str] | None
    paths: tuple[re.Pattern[str], ...] | None

    def allows(self, request: HttpRequest) -> bool:
        """Say whether *request* fits; its path must not be ambiguous."""
        return (
            (self.hosts is None or request.host in self.hosts)
            and (self.methods is None or request.method in self.methods)
            and (self.paths is None or any(path.fullmatch(request.path) for path in self.paths))
        )


def compile_rule(
    hosts: Sequence[str] | None, methods: Sequence[str] | None, paths: Sequence[str] | None
) -> HttpRule:
    """Make a rule from the lists of a ServiceRole, where None is "any"."""
    return HttpRule(
        hosts=None if hosts is None else frozenset(host.lower() for host in hosts),
        methods=None if methods is None else frozenset(methods),
        paths=None if paths is None else tuple(_compile_path(path) for path in paths),
    )


def is_allowed(request: HttpRequest, rules: Sequence[HttpRule]) -> bool:
    """Say whether one of *rules* allows *request*."""
    if len(request.path) > _MAX_PATH or _AMBIGUOUS.search(request.path):
        return False
    return any(rule.allows(request) for rule in rules)


def _compile_path(pattern: str) -> re.Pattern[str]:
    """Translate `*`, which is one segment, and a final `**`, which is everything below."""
    segments = []
    for segment in pattern.split("/"):
        if segment == "**":
            segments.append(".*")
        elif segment == "*":
            segments.append(_ONE_SEGMENT)
        else:
            segments.append(re.escape(segment))
    return re.compile("/".join(segments), re.DOTALL)
