"""RFC 7662: a service asks whether a token that was presented to it is valid.

A rejection has the same bytes for every reason, also for a token of another installation: a caller must not learn
anything about a token that it found. The caller is authenticated first (`callers`).
"""

import re
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from servicetokens.api.names import GROUP
from servicetokens.authn.authenticator import Authenticator
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Unavailable
from servicetokens.authn.requests import ODD_TARGET, TARGET_TABLE
from servicetokens.runtime.clock import Clock
from servicetokens.validator.audit import RejectionLog
from servicetokens.validator.callers import (
    CLIENT_ID,
    CLIENT_SECRET,
    TWO_HEADERS,
    UNAVAILABLE,
    Callers,
    problem,
)
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.rendered import RenderedAnswers
from servicetokens.validator.request import FIRST_HEADER, HOST, Request
from servicetokens.validator.responses import NO_STORE, Answer, Header, render, render_json
from servicetokens.validator.token_review import USERNAME_PREFIX

PATH: Final = b"/introspect"
METADATA_PATHS: Final = frozenset(
    {b"/.well-known/oauth-authorization-server", b"/.well-known/openid-configuration"}
)
"""RFC 8414, and the path that OpenID Connect clients use; both give the same answer."""

_AUTHORIZATION, _TYPE, _ENCODING = range(FIRST_HEADER, FIRST_HEADER + 3)
_TOKEN: Final = "token"
_FORM_TYPE: Final = b"application/x-www-form-urlencoded"
# token, token_type_hint, client_id, client_secret, and fields that clients add.
_MAX_FIELDS: Final = 16
_UNIQUE: Final = frozenset({_TOKEN, CLIENT_ID, CLIENT_SECRET})
_PLAIN_BODY: Final = re.compile(rb"token=([A-Za-z0-9_.~-]*)")
_HOST: Final = re.compile(rb"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?")

_JSON: Final[tuple[Header, ...]] = (("Content-Type", "application/json"), NO_STORE, ("Pragma", "no-cache"))
_OK: Final = b"HTTP/1.1 200 OK\r\n"
# Stands for `exp` in a kept answer: as many digits as Unix seconds have until the year 2286.
_EXP: Final = 1_000_000_000

_INACTIVE: Final = render(HTTPStatus.OK, _JSON, b'{"active":false}')
_ODD_TARGET: Final = problem(HTTPStatus.BAD_REQUEST, ODD_TARGET)
_NOT_FOUND: Final = problem(HTTPStatus.NOT_FOUND, "the paths here are /introspect and its metadata")
_WRONG_METHOD: Final = problem(HTTPStatus.METHOD_NOT_ALLOWED, "send the token by POST", (("Allow", "POST"),))
_WRONG_METADATA_METHOD: Final = problem(
    HTTPStatus.METHOD_NOT_ALLOWED, "get the metadata by GET", (("Allow", "GET"),)
)
_WRONG_TYPE: Final = problem(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/x-www-form-urlencoded, without Content-Encoding"
)
_INVALID_HOST: Final = problem(HTTPStatus.BAD_REQUEST, "the Host header is not a host name")
_NO_TOKEN: Final = problem(HTTPStatus.BAD_REQUEST, "the field 'token' is missing")
_MALFORMED: Final = problem(HTTPStatus.BAD_REQUEST, "the form has too many fields, or a field twice")


class Introspection:
    """The handler of the listener `introspection`."""

    headers: tuple[bytes, ...] = (b"authorization", b"content-type", b"content-encoding")
    reads_body = True

    def __init__(
        self,
        authenticator: Authenticator,
        clock: Clock,
        counts: DecisionCounts,
        rejections: RejectionLog,
        *,
        max_age: int | None,
    ) -> None:
        """Answer by *authenticator*.

        Args:
            authenticator: decides about callers and the tokens that they introspect.
            clock: for `exp`.
            counts: counts the answers about tokens.
            rejections: counts and logs rejections.
            max_age: seconds for which a client may rely on an answer: `exp` is never later than that. Many clients
                cache an answer until `exp`, so it limits how long they accept a revoked token. None gives the token's
                own expiration.
        """
        self._authenticate = authenticator.authenticate
        self._callers = Callers(authenticator, rejections)
        self._clock = clock
        self._counts = counts
        self._rejections = rejections
        self._max_age = max_age
        self._answers = RenderedAnswers(partial(_render, always_ends=max_age is not None))

    def answer(self, request: Request) -> Answer:
        """See `Handler`."""
        # The same as `is_target`, without the call.
        if not request.target.translate(TARGET_TABLE).isascii():
            self._rejections.note_request("InvalidRequest")
            return _ODD_TARGET
        path = request.target.partition(b"?")[0]
        if path == PATH:
            return self._introspect(request) if request.method == b"POST" else _WRONG_METHOD
        if path in METADATA_PATHS:
            return (
                _describe_server(request.values[HOST]) if request.method == b"GET" else _WRONG_METADATA_METHOD
            )
        return _NOT_FOUND

    def _introspect(self, request: Request) -> Answer:
        values = request.values
        kind = (values[_TYPE] or b"").partition(b";")[0].strip().lower()
        if kind != _FORM_TYPE or values[_ENCODING] not in (None, b"identity"):
            return _WRONG_TYPE
        form = _read_form(request.body)
        if form is None:
            self._rejections.note_request("InvalidRequest")
            return _MALFORMED
        if _AUTHORIZATION in request.repeated:
            self._rejections.note_request("InvalidRequest")
            return TWO_HEADERS
        rejection = self._callers.reject(values[_AUTHORIZATION], form, request.origin)
        if rejection is not None:
            return rejection
        token = form.get(_TOKEN)
        if token is None:
            return _NO_TOKEN
        # The client's address is unknown here, so a token that is restricted to networks is rejected; the audience is
        # for the caller to check, in `aud`.
        decision = self._authenticate(
            AuthenticationRequest(token, asker_checks_audience=True, protocol=self._counts.protocol)
        )
        if isinstance(decision, Accepted):
            self._counts.accepted += 1
            return self._accept(decision)
        if isinstance(decision, Unavailable):
            self._counts.unavailable += 1
            return UNAVAILABLE
        self._rejections.note(decision)
        return _INACTIVE

    def _accept(self, accepted: Accepted) -> Answer:
        """Insert `exp` into the answer that is kept for the decision."""
        before, after = self._answers.get(accepted)
        if not after:
            return _OK, before
        end = accepted.end
        if self._max_age is not None:
            soon = self._clock.now() + self._max_age
            end = soon if end is None or soon < end else end
        return _OK, b"%b%d%b" % (before, min(end or 0, 9_999_999_999), after)


def _render(accepted: Accepted, _form: object, *, always_ends: bool) -> tuple[bytes, bytes]:
    """Render everything but the digits of `exp`, which stand between the two parts; the second is empty without."""
    has_end = always_ends or accepted.end is not None
    body = msgspec.json.encode(_describe(accepted) | ({"exp": _EXP} if has_end else {}))
    _, rest = render(HTTPStatus.OK, _JSON, body)
    digits = str(_EXP).encode()
    return (
        (rest[: rest.rindex(digits)], rest[rest.rindex(digits) + len(digits) :]) if has_end else (rest, b"")
    )


def _describe(accepted: Accepted) -> dict[str, object]:
    account, record = accepted.record.account, accepted.record
    minted = next(one.mint_time for one in record.credentials if one.id == accepted.token_id)
    name = f"{USERNAME_PREFIX}{account.namespace}:{account.name}"
    return {
        "active": True,
        "token_type": "Bearer",
        "client_id": f"{account.namespace}/{account.name}",
        "username": name,
        "sub": name,
        "scope": " ".join(accepted.permissions),
        "jti": accepted.token_id,
        "iat": minted,
        **({"aud": list(record.restrictions.audiences)} if record.restrictions.audiences else {}),
        f"{GROUP}/account-uid": account.uid,
        f"{GROUP}/token-name": record.name,
        f"{GROUP}/roles": [role.name for role in accepted.roles],
    }


def _read_form(body: bytes) -> dict[str, str] | None:
    """Return the fields, decoded once; None when there are too many, or a known one is repeated.

    Bytes that are not UTF-8 become surrogates, which no token and no name has: such a token is unknown, not an error.
    """
    plain = _PLAIN_BODY.fullmatch(body)
    if plain is not None:
        return {_TOKEN: plain[1].decode("ascii")}
    try:
        fields = parse_qsl(
            body.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="surrogateescape",
        )
    except ValueError:
        return None
    return None if _has_repeated(name for name, _ in fields) else dict(fields)


def _has_repeated(names: Iterable[str]) -> bool:
    seen = [name for name in names if name in _UNIQUE]
    return len(seen) != len(set(seen))


def _describe_server(host: bytes | None) -> Answer:
    """Return the metadata (RFC 8414) under the host name of the request, which is what the client compares."""
    if host is None or not _HOST.fullmatch(host):
        return _INVALID_HOST
    issuer = f"https://{host.decode('ascii')}"
    return render_json(
        HTTPStatus.OK,
        {
            "issuer": issuer,
            "introspection_endpoint": issuer + PATH.decode(),
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            # Required by RFC 8414, and empty: tokens are declared in Kubernetes, not issued here.
            "response_types_supported": [],
        },
    )
