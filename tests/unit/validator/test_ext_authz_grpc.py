"""ext_authz over gRPC: the messages that Envoy sends and gets."""

from collections.abc import Mapping, Sequence

import pytest
from envoy.config.core.v3.base_pb2 import HeaderValue
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from google.rpc import code_pb2

from common.builders.presenting import Surroundings
from common.drivers.asking import make_authorizer
from servicetokens.validator.ext_authz_grpc import Checks
from servicetokens.validator.failures import BURST


@pytest.fixture
def around() -> Surroundings:
    """A token with one of the two roles of its account."""
    found = Surroundings()
    found.put_role("orders-reader", permissions=["orders:read"])
    found.put_role("orders-writer")
    found.put_account(roles=["orders-reader", "orders-writer"])
    found.put_token(roles=["orders-reader"])
    return found


@pytest.fixture
def checks(around: Surroundings) -> Checks:
    """The handler."""
    return Checks(make_authorizer(around))


def request(
    headers: Mapping[str, str] | None = None,
    *,
    raw: Sequence[tuple[str, str]] = (),
    extensions: Mapping[str, str] | None = None,
    method: str = "GET",
    path: str = "/orders/1?page=2",
    source: str = "192.0.2.7",
) -> CheckRequest:
    """Return what Envoy sends, with headers in the map, or *raw* in the list."""
    found = CheckRequest()
    http = found.attributes.request.http
    http.method, http.path, http.host = method, path, "Orders.example.com:8443"
    http.headers.update(headers or {})
    http.header_map.headers.extend(HeaderValue(key=name, raw_value=value.encode()) for name, value in raw)
    found.attributes.context_extensions.update(extensions or {})
    found.attributes.source.address.socket_address.address = source
    return found


def check(checks: Checks, sent: CheckRequest) -> CheckResponse:
    """Return the answer as Envoy reads it."""
    return CheckResponse.FromString(checks.answer(sent.SerializeToString()))


def bearer(around: Surroundings) -> str:
    """Return the value that presents the token."""
    return f"Bearer {around.token.reveal()}"


def test_a_yes_overwrites_identity_and_takes_the_token_away(checks: Checks, around: Surroundings) -> None:
    """Twice, since the second answer is the one that was kept."""
    for _ in range(2):
        answer = check(checks, request({"authorization": bearer(around)}))
        assert answer.status.code == code_pb2.OK
        sent = {option.header.key: option for option in answer.ok_response.headers}
        assert set(sent) == {
            f"x-servicetoken-{name}"
            for name in ("account", "namespace", "roles", "permissions", "id", "expires")
        }
        assert sent["x-servicetoken-roles"].header.value == "orders-reader"
        assert {option.append_action for option in sent.values()} == {2}, "OVERWRITE_IF_EXISTS_OR_ADD"
        assert all(option.keep_empty_value for option in sent.values())
        assert answer.ok_response.headers_to_remove[0] == "authorization"
        assert "x_servicetoken_roles" in answer.ok_response.headers_to_remove


def test_headers_in_a_list_count_like_those_in_the_map(checks: Checks, around: Surroundings) -> None:
    """With `encode_raw_headers` they come there, in any case, and each on its own."""
    assert check(checks, request(raw=[("Authorization", bearer(around))])).status.code == code_pb2.OK
    for pair in ([bearer(around), "Bearer bad"], ["Bearer bad", bearer(around)]):
        answer = check(checks, request(raw=[("authorization", value) for value in pair]))
        assert answer.denied_response.status.code == 400
        joined = check(checks, request({"authorization": ",".join(pair)}))
        assert joined.denied_response.status.code == 401


@pytest.mark.parametrize(
    ("headers", "extensions", "code", "status"),
    [
        ({}, {}, code_pb2.UNAUTHENTICATED, 401),
        ({"authorization": "Bearer svt_AAAAAAAAAAAA_" + "a" * 49}, {}, code_pb2.UNAUTHENTICATED, 401),
        (None, {"required_roles": "orders-writer"}, code_pb2.PERMISSION_DENIED, 403),
        (None, {"required_roles": "orders-reader,orders-writer"}, code_pb2.PERMISSION_DENIED, 403),
        (None, {"required_roles": "Not A Role"}, code_pb2.INVALID_ARGUMENT, 400),
    ],
)
def test_a_no_says_why_to_the_client(
    checks: Checks,
    around: Surroundings,
    headers: Mapping[str, str] | None,
    extensions: Mapping[str, str],
    code: int,
    status: int,
) -> None:
    """Without a denied response Envoy would show an empty 403 for everything."""
    sent = {"authorization": bearer(around)} if headers is None else headers
    answer = check(checks, request(sent, extensions=extensions))
    assert (answer.status.code, answer.denied_response.status.code) == (code, status)
    shown = {option.header.key: option.header.value for option in answer.denied_response.headers}
    assert shown["www-authenticate"].startswith('Bearer realm="servicetokens"')
    assert shown["cache-control"] == "no-store"


def test_a_token_without_roles_passes_no_request(checks: Checks, around: Surroundings) -> None:
    """As over HTTP."""
    around.put_account()
    around.put_token()
    answer = check(checks, request({"authorization": bearer(around)}))
    assert (answer.status.code, answer.denied_response.status.code) == (code_pb2.PERMISSION_DENIED, 403)


@pytest.mark.parametrize("message", [b"\xff" * 10, b"\x0a\xff\xff\xff\x7f", b"", bytes(100)])
def test_an_invalid_message_is_rejected(checks: Checks, message: bytes) -> None:
    """By an answer, and without a message in the log that an unknown client could repeat indefinitely."""
    assert CheckResponse.FromString(checks.answer(message)).denied_response.status.code in {400, 401}


def test_required_roles_that_are_held_pass(checks: Checks, around: Surroundings) -> None:
    """They come from the configuration of the route."""
    sent = request({"authorization": bearer(around)}, extensions={"required_roles": "orders-reader"})
    assert check(checks, sent).status.code == code_pb2.OK


def test_an_incomplete_index_is_unavailable_and_a_flood_is_throttled(
    checks: Checks, around: Surroundings
) -> None:
    """Envoy shows what the denied response says, also for these."""
    wrong = request({"authorization": "Bearer svt_AAAAAAAAAAAA_" + "a" * 49})
    for _ in range(BURST):
        check(checks, wrong)
    flooded = check(checks, wrong)
    assert (flooded.status.code, flooded.denied_response.status.code) == (code_pb2.RESOURCE_EXHAUSTED, 429)
    around.clock.advance(3600)
    late = check(checks, request({"authorization": bearer(around)}))
    assert (late.status.code, late.denied_response.status.code) == (code_pb2.UNAVAILABLE, 503)


def test_rules_and_networks_apply_to_the_request_in_the_message(checks: Checks, around: Surroundings) -> None:
    """Method, host and path of the client, and the address that Envoy saw."""
    around.put_role(
        "orders-reader", http=[{"hosts": ["orders.example.com"], "methods": ["GET"], "paths": ["/orders/*"]}]
    )
    around.put_token(roles=["orders-reader"], allowedCIDRs=["192.0.2.0/24"])
    header = {"authorization": bearer(around)}
    assert check(checks, request(header)).status.code == code_pb2.OK
    assert check(checks, request(header, method="POST")).status.code == code_pb2.PERMISSION_DENIED
    assert check(checks, request(header, path="/users")).status.code == code_pb2.PERMISSION_DENIED
    for elsewhere in ("198.51.100.1", "", "not-an-address"):
        assert check(checks, request(header, source=elsewhere)).status.code == code_pb2.UNAUTHENTICATED
