"""Every byte in the target of a request: what is rejected, and what is granted means one path to all servers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from common.builders.paths import fits, understand
from common.builders.presenting import Surroundings
from common.drivers.asking import answer, ask, make_authorizer, make_rejections
from servicetokens.authn.requests import compile_rule, is_allowed
from servicetokens.validator.ext_authz import ExtAuthz
from servicetokens.validator.ext_authz_grpc import Checks
from servicetokens.validator.forward_auth import ForwardAuth
from servicetokens.validator.introspection import Introspection
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.original import find_original, read_request
from servicetokens.validator.token_review import TokenReviewWebhook

# RFC 3986 section 2 without `#`.
URI: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]@!$&'()*+,;=%"
)
# Once decoded, these end, split or change a path.
MEANINGFUL: Final = frozenset([*range(0x20), 0x7F, *b"./\\"])
# No UTF-8 begins with these; some decoders read an overlong dot or slash.
OVERLONG: Final = frozenset({0xC0, 0xC1})
PATTERNS: Final = ("/public/*", "/public/**", "/*/files/**")

Asking = Callable[[bytes], int]


def _surroundings(*patterns: str) -> Surroundings:
    around = Surroundings()
    if patterns:
        around.put_role("reader", http=[{"methods": ["GET"], "paths": list(patterns)}])
    else:
        around.put_role("reader")
    around.put_account(roles=["reader"])
    return around


def _askers(around: Surroundings) -> Mapping[str, Asking]:
    """Return, for each way in which a target arrives, what gives the status for it."""
    authorizer, bearer = make_authorizer(around), ("Authorization", f"Bearer {around.token.reveal()}")
    forward, authz = ForwardAuth(authorizer, behind_proxies=False), ExtAuthz(authorizer, behind_proxies=False)
    checks = Checks(authorizer)

    def by_headers(uri: str, method: str, before: str = "") -> Asking:
        return lambda target: (
            ask(forward, bearer, (uri, before + target.decode("latin-1")), (method, "GET")).status
        )

    def by_grpc(target: bytes) -> int:
        request = CheckRequest()
        http = request.attributes.request.http
        http.method, http.path, http.headers["authorization"] = "GET", target.decode("latin-1"), bearer[1]
        found = CheckResponse.FromString(checks.answer(request.SerializeToString()))
        return found.denied_response.status.code or 200

    return {
        "X-Forwarded-Uri": by_headers("X-Forwarded-Uri", "X-Forwarded-Method"),
        "X-Original-URI": by_headers("X-Original-URI", "X-Original-Method"),
        "X-Original-URL": by_headers("X-Original-URL", "X-Original-Method", "http://example.com"),
        "ext_authz, HTTP": lambda target: _status(answer(authz, bearer, target=target.decode("latin-1"))),
        "ext_authz, gRPC": by_grpc,
    }


@pytest.mark.parametrize("byte", range(0x100))
def test_listeners_that_read_a_body_reject_a_target_that_is_no_uri(byte: int) -> None:
    """The HTTP server, or the listener: it is 400, wherever the byte is in the query."""
    around = Surroundings()
    counts = DecisionCounts("test")
    rejections = make_rejections(around, counts)
    review = TokenReviewWebhook(around.authenticator, counts, rejections)
    introspection = Introspection(around.authenticator, around.clock, counts, rejections, max_age=None)
    for handler, path, otherwise in ((review, "/authenticate", 400), (introspection, "/introspect", 415)):
        for query in (f"?{chr(byte)}xy", f"?x{chr(byte)}y", f"?xy{chr(byte)}"):
            reply = ask(handler, target=path + query, method="POST")
            assert reply.status == (otherwise if byte in URI else 400)
            assert (b"bytes that a URI" in reply.body) is (byte not in URI)


WAYS: Final = tuple(_askers(_surroundings()))


def _status(answered: bytes) -> int:
    return int(answered[len(b"HTTP/1.1 ") :][:3])


def _targets(part: bytes) -> Iterator[bytes]:
    """Put *part* at the start, in the middle and at the end of a path and of a query."""
    yield from (b"/public/" + part + b"xy", b"/public/x" + part + b"y", b"/public/xy" + part)
    yield from (b"/public/xy?" + query for query in (part + b"=1", b"a" + part + b"=1", b"a=1" + part))


def _forms(byte: int) -> Iterator[bytes]:
    """Write *byte* as it is, percent-encoded, and percent-encoded twice."""
    encoded = {b"%02x" % byte, b"%02X" % byte}
    yield bytes([byte])
    yield from (percent + digits for percent in (b"%", b"%25") for digits in encoded)


@pytest.fixture(autouse=True)
def without_log() -> Iterator[None]:
    """Thousands of rejections are not logged."""
    with capture_logs():
        yield


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("patterns", [("/public/*",), ("/public/**",), ()], ids=["*", "**", "no rule"])
def test_bytes_that_a_uri_must_not_contain_are_malformed(way: str, patterns: tuple[str, ...]) -> None:
    """Raw, anywhere in path or query, with rules and without, whatever brings the target: 400."""
    asking = _askers(_surroundings(*patterns))[way]
    assert asking(b"/public/xy?a=1") == 200
    odd = [bytes([byte]) for byte in range(256) if byte not in URI]
    wrong = {target: asking(target) for byte in odd for target in _targets(byte) if asking(target) != 400}
    assert wrong == {}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pattern", ["/public/*", "/public/**"])
def test_what_is_granted_for_any_byte_is_one_path(way: str, pattern: str) -> None:
    """Raw and encoded: what decodes to something that ends, splits or moves a path fits no rule; the rest does."""
    asking = _askers(_surroundings(pattern))[way]
    for byte in range(256):
        for form in _forms(byte):
            if len(form) == 1 and byte not in URI:
                continue
            for target in _targets(form):
                status = asking(target)
                path = target.partition(b"?")[0]
                granted = _should_be_granted(pattern, path, form, byte)
                assert status == (200 if granted else 403), target
                if granted:
                    assert set(understand(target).values()) == {understand(path)["as it is"]}, target
                    assert fits(pattern, understand(target)["Go"]), target


def _should_be_granted(pattern: str, path: bytes, form: bytes, byte: int) -> bool:
    if len(form) > 1 and form in path:
        # An encoded percent sign is followed by two digits only where it was encoded twice.
        return len(form) == 3 and byte not in MEANINGFUL | OVERLONG
    if form == b"%" and form in path:
        return False
    return (
        b"//" not in path
        and b"/;" not in path
        and (pattern.endswith("**") or path.count(b"/") == 2)
        and (pattern.endswith("**") or path != b"/public/")
    )


PIECES: Final = st.sampled_from(
    [
        *("public", "files", "x", ".", "..", "...", "/", "//", ";", ";a=b", "?", "#", "\\", "%", "%2", "%2e"),
        *(
            "%2E%2e",
            "%2f",
            "%5c",
            "%00",
            "%23",
            "%3f",
            "%3b",
            "%25",
            "%252e",
            "%25%32%65",
            "%c0%ae",
            "%e0%80%ae",
        ),
        *(
            "%c3%a4",
            "%0a",
            "%61",
            "%41",
            "[",
            "]",
            "@",
            ":",
            "+",
            "~",
            "*",
            "**",
            "'",
            "\xe4",
            " ",
            "\t",
            "\0",
        ),
    ]
)
TARGETS: Final = st.lists(PIECES, max_size=10).map(lambda parts: ("/" + "".join(parts)).encode("latin-1"))


@given(target=TARGETS | TARGETS.map(lambda target: b"/public" + target), pattern=st.sampled_from(PATTERNS))
@example(target=b"/public/x#/../../admin/secret.txt", pattern="/public/**")
@example(target=b"/public/x%23/..%2f../admin", pattern="/public/**")
@example(target=b"/public/..;/admin", pattern="/public/**")
@example(target=b"/public/.;/x", pattern="/public/**")
@example(target=b"/public/%252e%252e/admin", pattern="/public/**")
@example(target=b"/public/%25%32%65%25%32%65/admin", pattern="/public/**")
@example(target=b"/public/x\\..\\..\\admin", pattern="/public/**")
@example(target=b"/x#/files/y", pattern="/*/files/**")
@example(target=b"/x%2ffiles/files/y", pattern="/*/files/**")
def test_a_granted_request_is_granted_for_one_interpretation(target: bytes, pattern: str) -> None:
    """Proxies and servers that decode, cut and resolve differently all arrive at the path that the rule allows."""
    statuses = {way: asking(target) for way, asking in _askers(_surroundings(pattern)).items()}
    assert set(statuses.values()) <= {200, 400, 403}
    assert len(set(statuses.values())) == 1, statuses
    if set(statuses.values()) == {200}:
        understood = understand(target)
        assert len(set(understood.values())) == 1, understood
        assert all(fits(pattern, path) for path in understood.values()), understood


@pytest.mark.parametrize("target", [b"/validate#x", b"/validate/role/reader#", b"/validate?a=\xe4", b"/x|y"])
def test_the_proxys_own_target_is_checked_too(target: bytes) -> None:
    """Caddy passes the client's query on in it."""
    around = _surroundings()
    handler = ForwardAuth(make_authorizer(around), behind_proxies=False)
    bearer = ("Authorization", f"Bearer {around.token.reveal()}")
    assert ask(handler, bearer, target=target.decode("latin-1")).status == 400
    assert ask(handler, bearer, target="/validate?a=%23").status == 200


def test_a_fragment_in_a_field_of_its_own_is_malformed() -> None:
    """Envoy names it so in the message, should it let one through."""
    around = _surroundings()
    request = CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.fragment = "GET", "/public/x", "/../y"
    http.headers["authorization"] = f"Bearer {around.token.reveal()}"
    found = CheckResponse.FromString(Checks(make_authorizer(around)).answer(request.SerializeToString()))
    assert found.denied_response.status.code == 400


def test_rules_see_a_fragment_too() -> None:
    """Should a target with one ever come that far, it fits no rule, whichever header it came in."""
    rules = (compile_rule(None, None, ["/public/**"]),)
    target = b"/public/x#/../../admin"
    families: tuple[tuple[bytes | None, ...], ...] = (
        (target, None, None, b"GET", None, None),
        (None, target, None, None, b"GET", None),
        (None, None, b"http://x" + target, None, b"GET", None),
    )
    found = [find_original(values) for values in families] + [read_request(b"GET", b"x", target)]
    assert [request for request in found if request is None or is_allowed(request, rules)] == []
