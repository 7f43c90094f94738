"""Forward-auth: a proxy asks whether it may let a client's request pass, and gets a status and a few headers.

Paths are compared raw. Nothing is taken from a query string (Caddy passes the client's on), and nothing from
headers but the token, the original request and the client's address. A yes is exactly 200, since Envoy takes
204 for a no, with every identity header, since a proxy may pass on a client's own one where ours is missing.
"""

import re
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Final

from servicetokens.authn.addresses import Origin
from servicetokens.authn.authenticator import TokenAuthenticator
from servicetokens.authn.decision import Accepted, Presented, Rejected, RejectReason, Unavailable
from servicetokens.validator import original
from servicetokens.validator.bearer import (
    INVALID_REQUEST,
    INVALID_TOKEN,
    NO_CREDENTIALS,
    Missing,
    find_token,
    insufficient_scope,
)
from servicetokens.validator.metrics import Tally
from servicetokens.validator.original import Contradiction, find_original, may_contradict
from servicetokens.validator.refusals import Refusals
from servicetokens.validator.request import FIRST_HEADER, Request
from servicetokens.validator.responses import NO_STORE, RETRY_SOON, Answer, Header, render

_AUTHORIZATION: Final = FIRST_HEADER
_FORWARDED_FOR: Final = FIRST_HEADER + 1
_FIRST_ORIGINAL: Final = FIRST_HEADER + 2
_WANTED: Final = (b"authorization", b"x-forwarded-for", *original.HEADERS)
# X-Forwarded-For may come in several lines; all that says who and what may not.
_SINGLE: Final = frozenset(range(FIRST_HEADER, FIRST_HEADER + len(_WANTED))) - {_FORWARDED_FOR}

_PATH: Final = b"/validate"
# Role names are DNS labels; at most as many as an account can have.
_LABEL: Final = rb"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_ROLES_PATH: Final = re.compile(rb"/validate/role/(" + _LABEL + rb"(?:," + _LABEL + rb"){0,15})")
# The token is good, only not for this: whoever holds one has not failed to authenticate.
_GOOD_TOKEN: Final = frozenset({RejectReason.ROLE_MISSING, RejectReason.REQUEST_NOT_ALLOWED})
# Paths are written into the configuration of proxies, so there are few; strangers may invent more.
_MOST_PATHS: Final = 256


def _refusal(status: HTTPStatus, *headers: Header) -> Answer:
    return render(status, (*headers, NO_STORE))


_NOT_FOUND: Final = _refusal(HTTPStatus.NOT_FOUND)
_BAD_REQUEST: Final = _refusal(HTTPStatus.BAD_REQUEST, INVALID_REQUEST)
_UNAUTHENTICATED: Final = _refusal(HTTPStatus.UNAUTHORIZED, NO_CREDENTIALS)
_INVALID: Final = _refusal(HTTPStatus.UNAUTHORIZED, INVALID_TOKEN)
_FORBIDDEN: Final = _refusal(HTTPStatus.FORBIDDEN, insufficient_scope(()))
_TOO_MANY: Final = _refusal(HTTPStatus.TOO_MANY_REQUESTS, RETRY_SOON)
_UNAVAILABLE: Final = _refusal(HTTPStatus.SERVICE_UNAVAILABLE, RETRY_SOON)


class ForwardAuth:
    """The handler of the listener `forwardauth`."""

    headers: tuple[bytes, ...] = _WANTED
    reads_body = False

    def __init__(
        self, authenticator: TokenAuthenticator, tally: Tally, refusals: Refusals, *, behind_proxies: bool
    ) -> None:
        """Answer by *authenticator*. *behind_proxies* says whether any `X-Forwarded-For` may be believed."""
        self._authenticate = authenticator.authenticate
        self._tally = tally
        self._refusals = refusals
        self._behind_proxies = behind_proxies
        self._roles_by_path: dict[bytes, tuple[str, ...]] = {_PATH: ()}

    def answer(self, request: Request) -> Answer:
        """See `Handler`."""
        roles = self._find_roles(request.target)
        if roles is None:
            return _NOT_FOUND
        originals = request.values[_FIRST_ORIGINAL:]
        if _is_ambiguous(request, originals):
            self._refusals.note_request("InvalidRequest")
            return _BAD_REQUEST
        token = find_token(request.values[_AUTHORIZATION])
        if isinstance(token, Missing):
            return self._refuse_missing(token, request)
        decision = self._authenticate(
            Presented(token, None, self._origin(request), partial(find_original, originals), roles)
        )
        if isinstance(decision, Accepted):
            self._tally.accepted += 1
            return decision.answer if decision.answer_key is self else self._keep_answer(decision)
        if isinstance(decision, Unavailable):
            self._tally.unavailable += 1
            return _UNAVAILABLE
        return self._refuse(decision, roles, self._origin(request))

    def _find_roles(self, target: bytes) -> tuple[str, ...] | None:
        """Return the roles that the path requires, or None when it is no path of ours."""
        path = target.partition(b"?")[0]
        roles = self._roles_by_path.get(path)
        if roles is None:
            match = _ROLES_PATH.fullmatch(path)
            if match is None:
                return None
            roles = tuple(match[1].decode("ascii").split(","))
            if len(self._roles_by_path) < _MOST_PATHS:
                self._roles_by_path[path] = roles
        return roles

    def _origin(self, request: Request) -> Origin:
        forwarded = request.values[_FORWARDED_FOR]
        if forwarded is None or not self._behind_proxies:
            return request.origin
        return Origin(request.origin.peer, forwarded.decode("latin-1"))

    def _keep_answer(self, accepted: Accepted) -> Answer:
        accepted.answer = render(HTTPStatus.OK, (*_identity(accepted), NO_STORE))
        accepted.answer_key = self
        return accepted.answer

    def _refuse_missing(self, missing: Missing, request: Request) -> Answer:
        if missing is Missing.MALFORMED and not self._refusals.has_room(self._origin(request)):
            return _TOO_MANY
        self._refusals.note_request(missing.value)
        return _UNAUTHENTICATED if missing is Missing.NO_CREDENTIALS else _INVALID

    def _refuse(self, rejected: Rejected, required: tuple[str, ...], origin: Origin) -> Answer:
        if rejected.reason in _GOOD_TOKEN:
            self._refusals.note(rejected)
        elif not self._refusals.note(rejected, origin):
            return _TOO_MANY
        if rejected.reason is RejectReason.ROLE_MISSING:
            return _refusal(HTTPStatus.FORBIDDEN, insufficient_scope(required))
        if rejected.reason is RejectReason.REQUEST_NOT_ALLOWED:
            return _FORBIDDEN
        return _INVALID


def _is_ambiguous(request: Request, originals: Sequence[bytes | None]) -> bool:
    """Say whether the request contradicts itself: a header twice, or the headers of proxies that disagree."""
    if request.repeated and not request.repeated.isdisjoint(_SINGLE):
        return True
    if not may_contradict(originals):
        return False
    try:
        find_original(originals)
    except Contradiction:
        return True
    return False


def _identity(accepted: Accepted) -> tuple[Header, ...]:
    return (
        ("X-ServiceToken-Account", accepted.record.account.name),
        ("X-ServiceToken-Namespace", accepted.record.account.namespace),
        ("X-ServiceToken-Roles", ",".join(role.name for role in accepted.roles)),
        ("X-ServiceToken-Permissions", ",".join(accepted.permissions)),
        ("X-ServiceToken-Id", accepted.token_id),
        ("X-ServiceToken-Expires", "" if accepted.end is None else str(accepted.end)),
    )
