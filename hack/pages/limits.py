"""docs/reference/limits.md: every limit in one place, from the schemas and from the constants that enforce them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from common.repository import ROOT
from servicetokens.api import values
from servicetokens.authn import addresses, requests
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS
from servicetokens.runtime import health
from servicetokens.tokens import format as token_format
from servicetokens.tokens import imported
from servicetokens.validator import (
    audit,
    bearer,
    callers,
    failures,
    forward_auth,
    grpc_calls,
    heads,
    http,
    introspection,
    shares,
    usage,
)

PAGE: Final = ROOT / "docs" / "reference" / "limits.md"
_KIB: Final = 1024
_MIB: Final = 1024 * 1024
_DAY: Final = 86400
_HEAD: Final = """# Limits

<!-- Written by `make generate`. -->

What is bounded, and what happens beyond the bound. The values come from the schemas and from the code
that enforces them. Where a flag or value changes a limit, it is named.

"""
# Durations and times are bounded by what they mean; how long they may be written is of no interest.
_SPELLED: Final = (values.MAX_DURATION_LENGTH, values.MAX_TIME_LENGTH)
_WORDS: Final = {
    "maxItems": "{} entries",
    "maxProperties": "{} keys",
    "maxLength": "{} characters",
}


def render() -> str:
    """Return the page."""
    return "".join(
        [
            _HEAD,
            _table("Tokens", ("what", "limit", "beyond it"), _tokens()),
            _table("Requests to the validator", ("what", "limit", "beyond it"), _requests()),
            _table(
                "Rates and connections of one validator", ("what", "limit", "beyond it", "setting"), _rates()
            ),
            *(_table(f"{kind.kind}, fields of `spec`", ("field", "limit"), _fields(kind)) for kind in KINDS),
            "\nThe API server rejects an object beyond these limits, and names the field.\n",
        ]
    )


def _tokens() -> Iterator[tuple[str, ...]]:
    length = len("svt_") + token_format._ID_LENGTH + len("_") + token_format._TAIL_LENGTH
    years = values.MAX_DURATION // values.UNIT_SECONDS["y"]
    yield "length of a token with the prefix `svt`", f"{length} characters", "not a token"
    yield "shortest lifetime", f"{values.MIN_DURATION} s", "rejected by the API server"
    yield "longest lifetime", f"{years} years, or `never`", "rejected by the API server"
    yield (
        "credentials of a token that are valid at a time",
        "2, and one imported value",
        "a further rotation ends the oldest",
    )
    yield (
        "length of an imported value",
        f"{imported.MIN_LENGTH} to {imported.MAX_LENGTH} characters",
        "`ImportRejected`",
    )
    yield "how long an imported value is accepted", f"{imported.MAX_SECONDS // _DAY} days", "`ImportRejected`"


def _requests() -> Iterator[tuple[str, ...]]:
    yield "request line and headers", f"{heads.MAX_HEAD // _KIB} KiB", "431, connection closed"
    yield (
        "body, on the listeners that read one",
        f"{heads.MAX_BODY // _KIB} KiB",
        "413, connection closed",
    )
    yield "time to send a request", f"{http.REQUEST_SECONDS} s", "408, connection closed"
    yield "idle connection", f"{http.IDLE_SECONDS} s", "connection closed"
    yield "`Authorization`", f"{bearer._MAX_HEADER} bytes", "401"
    yield (
        "`Authorization` of the caller of introspection",
        f"{callers._MAX_HEADER} bytes",
        "401",
    )
    yield "path of the original request", f"{requests._MAX_PATH // _KIB} KiB", "403"
    yield (
        "trusted proxies in `X-Forwarded-For`",
        str(addresses._MAX_HOPS),
        "client unknown: a token with `allowedCIDRs` is rejected",
    )
    yield "roles in `/validate/role/<roles>`", "16", "404"
    yield "fields of an introspection form", str(introspection._MAX_FIELDS), "400"
    yield "remembered paths of forward-auth", str(forward_auth._MOST_PATHS), "slower, same response"


def _rates() -> Iterator[tuple[str, ...]]:
    yield (
        "failures of one client address (IPv6: /64)",
        f"{failures.BURST} in a burst, {failures.PER_SECOND} per second",
        "429; valid tokens are still accepted",
        "none",
    )
    yield (
        "connections of a listener",
        f"{shares.MAX_CONNECTIONS:,}, with TLS {shares.MAX_TLS_CONNECTIONS:,}; or a fifth of the open files allowed",
        "503",
        "the process's limit on open files",
    )
    yield (
        "connections of one client address",
        f"{shares.PEER_SHARE} % of those",
        "503; closed where TLS or gRPC is spoken",
        "`--peer-share`",
    )
    yield (
        "bytes of unfinished requests that a listener holds",
        f"{shares.MAX_HELD // _MIB} MiB, and {heads.FREE_BYTES // _KIB} KiB for each connection",
        "503, connection closed",
        "none",
    )
    yield (
        "bytes of unfinished requests of one client address",
        f"{shares.PEER_SHARE} % of those",
        "503, connection closed",
        "`--peer-share`",
    )
    yield "TLS handshake, or start of gRPC", f"{shares.HANDSHAKE_SECONDS:g} s", "closed", "none"
    yield "calls of gRPC under way", f"{grpc_calls.MAX_CALLS:,}", "`RESOURCE_EXHAUSTED`", "none"
    yield (
        "calls of gRPC under way, of one client address",
        f"{shares.PEER_SHARE} % of those",
        "`RESOURCE_EXHAUSTED`",
        "`--peer-share`",
    )
    yield "message of a call of gRPC", f"{shares.HANDSHAKE_SECONDS:g} s", "`DEADLINE_EXCEEDED`", "none"
    yield (
        "connections of the health address",
        f"{health._MOST_CONNECTIONS}, {health._MOST_OF_PEER} of one client address",
        "closed",
        "none",
    )
    yield "age of the validator's data", "60 s", "503 for every request", "`--max-staleness`"
    yield "age of an introspection response", "60 s", "`exp` of the response", "`--introspection-max-age`"
    yield (
        "log lines for rejected tokens that exist",
        f"{audit._KNOWN_PER_SECOND} per second",
        "counted in `lines left out`",
        "none",
    )
    yield (
        "log lines for unknown tokens",
        f"{audit._STRANGERS_PER_SECOND} per second",
        "counted in `lines left out`",
        "none",
    )
    yield (
        "writes of `lastUsedTime`",
        f"{usage.WRITES_PER_SECOND} per second, one per token and hour",
        "written later",
        "none",
    )


def _fields(kind: Any) -> Iterator[tuple[str, ...]]:
    crd = custom_resource_definition(kind)
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for path, schema in _below(spec, ""):
        words = [text.format(schema[word]) for word, text in _WORDS.items() if word in schema]
        if words and schema.get("maxLength") not in _SPELLED:
            yield f"`{path}`", ", ".join(words)


def _below(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if path:
        yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from _below(inner, f"{path}.{name}" if path else name)
    for word, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema.get(word), dict):
            yield from _below(schema[word], f"{path}{mark}")


def _table(title: str, columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [f"\n## {title}\n\n", f"| {' | '.join(columns)} |\n", f"|{'---|' * len(columns)}\n"]
    return "".join([*lines, *(f"| {' | '.join(row)} |\n" for row in rows)])
