"""Answers of the API server, and the exceptions that they become."""

import json
from typing import Any

import pytest

from servicetokens.kube import errors
from servicetokens.kube.errors import KubeError, from_answer


def status(**fields: Any) -> bytes:
    """A `v1/Status` as the API server sends it."""
    return json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", **fields}).encode()


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.Unprocessable),
        (401, "Unauthorized", errors.Unauthorized),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (405, "MethodNotAllowed", errors.Unprocessable),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "Conflict", errors.Conflict),
        (410, "Expired", errors.Gone),
        (413, "RequestEntityTooLarge", errors.Unprocessable),
        (422, "Invalid", errors.Unprocessable),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.ApiUnavailable),
        (503, "ServiceUnavailable", errors.ApiUnavailable),
        (504, "Timeout", errors.ApiUnavailable),
    ],
)
def test_each_status_is_the_exception_that_callers_handle(
    code: int, reason: str, kind: type[KubeError]
) -> None:
    """The exception carries status, reason and the server's own sentence."""
    error = from_answer(code, status(message="a sentence", reason=reason, code=code))
    assert type(error) is kind
    assert (error.status, error.reason, str(error)) == (code, reason, "a sentence")


DENIALS = (
    'admission webhook "secrets.example.com" denied the request: User "x" cannot create resource "secrets"',
    (
        "secrets \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
        'User "x" cannot create resource "secrets" in API group ""'
    ),
)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 413, 422, 500, 503])
@pytest.mark.parametrize("message", DENIALS, ids=["webhook", "policy"])
def test_what_admission_denies_is_forbidden_with_whatever_code(code: int, message: str) -> None:
    """It is about this request: no credentials expired, nothing is absent or in conflict, and no right is missing."""
    error = from_answer(code, status(message=message, reason="Unauthorized", code=code))
    assert type(error) is errors.Forbidden
    assert not error.lacks_permission
    assert error.message == message


@pytest.mark.parametrize(
    "message",
    [
        'secrets is forbidden: User "x" cannot create resource "secrets" in API group "" in the namespace "a"',
        'servicetokens.servicetokens.dev "a" is forbidden: User "x" cannot update resource "servicetokens/status"',
        'forbidden: User "x" cannot get path "/openapi/v3"',
    ],
)
def test_a_missing_permission_is_distinguished_from_other_rejections(message: str) -> None:
    """By the beginning of the message, not by a text that a user put into it."""
    assert errors.Forbidden(message).lacks_permission
    quoted = errors.Forbidden(f'secrets "a" is forbidden: exceeded quota: {message}')
    assert not quoted.lacks_permission


def test_a_taken_name_is_a_conflict_too() -> None:
    """Anyone who handles conflicts handles this one."""
    assert isinstance(from_answer(409, status(reason="AlreadyExists")), errors.Conflict)


def test_a_server_error_may_have_been_applied() -> None:
    """A write that was answered by 5xx has to be looked up before it is repeated."""
    error = from_answer(504, status(reason="Timeout"))
    assert isinstance(error, errors.ApiUnavailable)
    assert error.may_have_been_applied


def test_causes_and_waiting_time_are_kept() -> None:
    """A namespace that terminates is known by its cause; the header overrides the body."""
    details = {"causes": [{"reason": "NamespaceTerminating", "message": "m"}], "retryAfterSeconds": 3}
    error = from_answer(403, status(reason="Forbidden", details=details))
    assert error.causes == ("NamespaceTerminating",)
    assert error.retry_after == 3
    assert from_answer(429, status(details=details), "7").retry_after == 7
    assert from_answer(429, b"", "Wed, 25 Nov 2026 00:00:00 GMT").retry_after is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"404 page not found\n", "the API server answered 502: 404 page not found"),
        (b"<html>\n <b>Bad  Gateway</b>", "the API server answered 502: <html> <b>Bad Gateway</b>"),
        (b"\xff\xfe", "the API server answered 502: "),
        (b"", "the API server answered 502"),
        (b"[]", "the API server answered 502: []"),
        (b"{}", "the API server answered 502"),
    ],
)
def test_an_answer_that_is_no_status_still_makes_a_sentence(body: bytes, words: str) -> None:
    """Proxies and overloaded servers answer in plain text, or not at all."""
    assert str(from_answer(502, body)).startswith(words)


def test_a_message_is_bounded() -> None:
    """What the server says ends up in conditions and logs."""
    assert len(str(from_answer(422, status(message="x" * 5000)))) == 1000
    assert len(str(from_answer(500, b"y" * 5000))) <= 1000
