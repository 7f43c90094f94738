"""What the debug log tells people who configure a proxy, and that other levels contain none of it."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.builders.presenting import Surroundings
from common.drivers.asking import ask, make_authorizer
from servicetokens.validator import audit
from servicetokens.validator.ext_authz import ExtAuthz
from servicetokens.validator.forward_auth import ForwardAuth


@pytest.fixture
def debug() -> Iterator[None]:
    """The level is `debug`."""
    logger = logging.getLogger(audit.__name__)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(before)


@pytest.fixture
def around() -> Surroundings:
    """A role with hosts, methods and paths."""
    found = Surroundings()
    rule = {"hosts": ["orders.example.com"], "methods": ["GET"], "paths": ["/orders/*"]}
    found.put_role("reader", http=[rule])
    found.put_account(roles=["reader"])
    return found


@pytest.fixture
def handler(around: Surroundings) -> ForwardAuth:
    """Forward-auth."""
    return ForwardAuth(make_authorizer(around), behind_proxies=False)


def explained(
    handler: ForwardAuth | ExtAuthz,
    around: Surroundings,
    *headers: tuple[str, str],
    target: str = "/validate",
) -> tuple[int, list[dict[str, Any]]]:
    """Return the status, and the lines at debug level."""
    bearer = ("Authorization", f"Bearer {around.token.reveal()}")
    with capture_logs() as lines:
        status = ask(handler, bearer, *headers, target=target).status
    return status, [dict(line) for line in lines if line["log_level"] == "debug"]


MISSING = {
    "everything": ((), "X-Forwarded-Uri, X-Original-URI or X-Original-URL"),
    "method and host": ((("X-Forwarded-Uri", "/orders/1"),), "X-Forwarded-Method, X-Forwarded-Host"),
    "the host": ((("X-Original-URI", "/orders/1"), ("X-Original-Method", "GET")), "X-Original-URL"),
    "the method": ((("X-Original-URL", "http://orders.example.com/orders/1"),), "X-Original-Method"),
}


@pytest.mark.parametrize(("headers", "missing"), MISSING.values(), ids=MISSING)
@pytest.mark.usefixtures("debug")
def test_a_403_names_the_headers_that_are_missing(
    handler: ForwardAuth, around: Surroundings, headers: tuple[tuple[str, str], ...], missing: str
) -> None:
    """One line says what the proxy did not say."""
    status, lines = explained(handler, around, *headers)
    assert (status, len(lines)) == (403, 1)
    assert (lines[0]["event"], lines[0]["reason"]) == ("request compared", "RequestNotAllowed")
    assert lines[0]["missing"] == missing


@pytest.mark.usefixtures("debug")
def test_a_403_says_what_was_compared(handler: ForwardAuth, around: Surroundings) -> None:
    """Method, host and path as the rules saw them, without the query, which may hold secrets."""
    headers = (
        ("X-Original-Method", "POST"),
        ("X-Original-URL", "https://Orders.example.com:8443/orders/1?password=secret"),
    )
    status, lines = explained(handler, around, *headers)
    assert (status, len(lines)) == (403, 1)
    line = lines[0]
    assert (line["method"], line["host"], line["path"]) == ("POST", "orders.example.com", "/orders/1")
    assert (line["missing"], line["namespace"], line["token"]) == ("", "team-a", "ci-prod")
    assert "secret" not in str(lines)
    authz = ExtAuthz(make_authorizer(around), behind_proxies=False)
    status, lines = explained(
        authz, around, ("Host", "other.example.com"), target="/orders/1?password=secret"
    )
    assert status == 403
    assert (lines[0]["host"], lines[0]["path"]) == ("other.example.com", "/orders/1")


@pytest.mark.usefixtures("debug")
def test_a_token_with_audiences_and_no_host_is_explained(handler: ForwardAuth, around: Surroundings) -> None:
    """Its 401 has the same cause."""
    around.put_token(audiences=["https://orders.example.com"])
    status, lines = explained(handler, around, ("X-Original-URI", "/orders/1"), ("X-Original-Method", "GET"))
    assert (status, len(lines)) == (401, 1)
    assert (lines[0]["reason"], lines[0]["missing"]) == ("Audience", "X-Original-URL")


MALFORMED = {
    "paths": (
        (("X-Original-URI", "/a?x"), ("X-Original-URL", "http://orders.example.com/b?y")),
        ("X-Original-URI and X-Original-URL", "path", "/a and /b"),
    ),
    "methods": (
        (("X-Forwarded-Method", "GET"), ("X-Original-Method", "POST")),
        ("X-Forwarded-Method and X-Original-Method", "method", "GET and POST"),
    ),
    "paths of two proxies": (
        (("X-Forwarded-Uri", "/a"), ("X-Original-URL", "http://x/b")),
        ("X-Forwarded-Uri and X-Original-URL", "path", "/a and /b"),
    ),
    "hosts of two proxies": (
        (("X-Forwarded-Uri", "/a"), ("X-Forwarded-Host", "y"), ("X-Original-URL", "http://x/a")),
        ("X-Forwarded-Host and X-Original-URL", "host", "y and x"),
    ),
    "a fragment": (
        (("X-Original-URI", "/a#/../b?password=secret"),),
        ("X-Original-URI", "bytes that a URI must not contain", "/a#/../b"),
    ),
    "twice": (
        (("X-Original-URI", "/a"), ("X-Original-URI", "/a")),
        ("X-Original-URI", "repeated", ""),
    ),
}


@pytest.mark.parametrize(("headers", "said"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.usefixtures("debug")
def test_a_400_names_the_header_or_the_two_that_disagree(
    handler: ForwardAuth,
    around: Surroundings,
    headers: tuple[tuple[str, str], ...],
    said: tuple[str, str, str],
) -> None:
    """And what was compared."""
    status, lines = explained(handler, around, *headers)
    assert (status, len(lines)) == (400, 1)
    line = lines[0]
    assert line["event"] == "request malformed"
    assert (line["headers"], line["compared"], line["values"]) == said


@pytest.mark.usefixtures("debug")
def test_explanations_are_bounded(handler: ForwardAuth, around: Surroundings) -> None:
    """A long path is cut, and a flood of them leaves few lines a second."""
    headers = (("X-Original-URI", "/" + "a" * 5000), ("X-Original-Method", "GET"))
    lines = [line for _ in range(50) for line in explained(handler, around, *headers)[1]]
    assert 1 <= len(lines) <= 20
    assert all(len(line["path"]) == 200 for line in lines)


def test_nothing_is_explained_at_other_levels(handler: ForwardAuth, around: Surroundings) -> None:
    """Who calls is in the audit line; what was requested is not logged."""
    logging.getLogger(audit.__name__).setLevel(logging.INFO)
    assert explained(handler, around, ("X-Original-URI", "/a#b")) == (400, [])
    assert explained(handler, around, ("X-Original-URI", "/a")) == (403, [])
