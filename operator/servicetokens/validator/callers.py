"""The callers of introspection (RFC 7662 section 2.1): services with a token of their own and the permission.

They use HTTP Basic, `client_id` and `client_secret` in the form (RFC 6749 section 2.3.1), or Bearer. The secret is the
token; the id is its public id, or `<namespace>/<account>`, which does not change when the token rotates. A client may
repeat in the form what its header contains, as some do, but nothing different.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_plus

from servicetokens.api.reasons import Reason
from servicetokens.authn.addresses import Origin
from servicetokens.authn.authenticator import Authenticator
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Rejected, Unavailable
from servicetokens.validator.audit import RejectionLog
from servicetokens.validator.bearer import INVALID_TOKEN, Missing, find_token, insufficient_scope
from servicetokens.validator.responses import RETRY_SOON, Answer, Header, render_json

PERMISSION: Final = "servicetokens:introspect"
"""The permission that the caller's account must have through one of its roles."""

CLIENT_ID: Final = "client_id"
CLIENT_SECRET: Final = "client_secret"

# An id and a token, in the worst case percent-encoded, in base64.
_MAX_HEADER: Final = 2048
_BASIC: Final = re.compile(rb"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]+={0,2}) *")
_CHALLENGE: Final[Header] = ("WWW-Authenticate", 'Basic realm="servicetokens", charset="UTF-8"')

_INVALID_CLIENT: Final = render_json(HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"}, (_CHALLENGE,))
_INVALID_BEARER: Final = render_json(HTTPStatus.UNAUTHORIZED, {"error": "invalid_token"}, (INVALID_TOKEN,))
_FORBIDDEN: Final = render_json(
    HTTPStatus.FORBIDDEN,
    {
        "error": "insufficient_scope",
        "error_description": f"the caller's account needs a role with the permission {PERMISSION}",
    },
    (insufficient_scope((PERMISSION,)),),
)


def problem(status: HTTPStatus, sentence: str, headers: Iterable[Header] = ()) -> Answer:
    """Return an error in the form of RFC 6749 section 5.2, for clients that read only JSON."""
    is_mine = status < HTTPStatus.TOO_MANY_REQUESTS
    error = "invalid_request" if is_mine else "temporarily_unavailable"
    return render_json(status, {"error": error, "error_description": sentence}, headers)


TWO_HEADERS: Final = problem(HTTPStatus.BAD_REQUEST, "send one Authorization header only")
_SEVERAL_CALLERS: Final = problem(
    HTTPStatus.BAD_REQUEST, "the Authorization header and the form name different callers or secrets"
)
_TOO_MANY: Final = problem(
    HTTPStatus.TOO_MANY_REQUESTS, "too many failed attempts from this address", (RETRY_SOON,)
)
UNAVAILABLE: Final = problem(
    HTTPStatus.SERVICE_UNAVAILABLE, "the validator is not ready; see /readyz", (RETRY_SOON,)
)
# In the log, a caller's token is distinguished from those that it introspects.
_PROTOCOL: Final = "introspection-caller"


class Callers:
    """Authenticates callers, before anything else of their request is read."""

    def __init__(self, authenticator: Authenticator, rejections: RejectionLog) -> None:
        self._authenticate = authenticator.authenticate
        self._rejections = rejections

    def reject(self, authorization: bytes | None, form: Mapping[str, str], origin: Origin) -> Answer | None:
        """Return the error for a caller without permission, or None for one that has it.

        Args:
            authorization: the value of the only `Authorization` header, or None.
            form: the fields of the request, each once.
            origin: the caller's own address, to which its token may be restricted.
        """
        # An empty field is one that the client left out.
        id_in_form, secret_in_form = form.get(CLIENT_ID, ""), form.get(CLIENT_SECRET, "")
        if authorization is None:
            if not id_in_form and not secret_in_form:
                self._rejections.note_request(Missing.NO_CREDENTIALS.value)
                return _INVALID_CLIENT
            return self._check(id_in_form, secret_in_form, origin)
        token = find_token(authorization)
        name, secret = (None, token) if not isinstance(token, Missing) else _read_basic(authorization)
        if secret_in_form and secret_in_form != secret:
            return self._reject_several()
        return self._check(name, secret, origin, id_in_form)

    def _reject_several(self) -> Answer:
        self._rejections.note_request("InvalidRequest")
        return _SEVERAL_CALLERS

    def _check(self, name: str | None, secret: str, origin: Origin, also: str = "") -> Answer | None:
        """Check the caller with this *secret*, whose name must be *name*, and also *also* unless that is empty."""
        decision = self._authenticate(AuthenticationRequest(secret, (), origin, protocol=_PROTOCOL))
        if isinstance(decision, Unavailable):
            return UNAVAILABLE
        if isinstance(decision, Accepted) and not _is_called(decision, name):
            decision = Rejected(Reason.MALFORMED, decision.record, decision.token_id)
        if isinstance(decision, Rejected):
            if not self._rejections.note(decision, origin):
                return _TOO_MANY
            return _INVALID_BEARER if name is None else _INVALID_CLIENT
        if also and not _is_called(decision, also):
            return self._reject_several()
        if PERMISSION not in decision.permissions:
            rejected = Rejected(Reason.NOT_PERMITTED, decision.record, decision.token_id)
            self._rejections.note(rejected, origin, is_failure=False)
            return _FORBIDDEN
        return None


def _is_called(accepted: Accepted, name: str | None) -> bool:
    """Return whether the caller may use that name; a bearer token needs none."""
    if name is None or name == accepted.token_id:
        return True
    account = accepted.record.account
    return name == f"{account.namespace}/{account.name}"


def _read_basic(header: bytes) -> tuple[str, str]:
    """Return id and secret, each decoded once; two empty texts when the header is for another scheme, or broken."""
    match = _BASIC.fullmatch(header) if len(header) <= _MAX_HEADER else None
    if match is None:
        return "", ""
    try:
        text = base64.b64decode(match[1], validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    name, _, secret = text.partition(":")
    return unquote_plus(name), unquote_plus(secret)
