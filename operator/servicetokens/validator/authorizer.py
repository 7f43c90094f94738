"""The check of a client's request: what forward-auth and ext_authz share, independent of the proxy's protocol.

The outcome is the decision itself, or a `Rejection` with the challenge of RFC 6750 that belongs to it. Every acceptance
contains every identity header, empty when there is no value: a proxy may forward a client's own header where ours is
missing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from servicetokens.api.reasons import Reason
from servicetokens.authn.addresses import Origin
from servicetokens.authn.authenticator import Authenticator
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Rejected, Unavailable
from servicetokens.authn.requests import HttpRequest
from servicetokens.validator.audit import RejectionLog
from servicetokens.validator.bearer import (
    INVALID_REQUEST,
    INVALID_TOKEN,
    NO_CREDENTIALS,
    Missing,
    find_token,
    insufficient_scope,
)
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.original import Fault
from servicetokens.validator.responses import NO_STORE, RETRY_SOON, Answer, Header, render

# Role names are DNS labels; at most as many as an account can have.
_LABEL: Final = rb"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
ROLES: Final = _LABEL + rb"(?:," + _LABEL + rb"){0,15}"
"""Regular expression: names of roles that are all required, in the form that proxies send."""
_ROLES: Final = re.compile(ROLES)
_LONGEST_ROLES: Final = 16 * 64
# The usual form. What follows must be a token that was accepted before, byte by byte.
_USUAL_SCHEME: Final = b"Bearer "
# The token is valid, but not for this request: this is not a failed authentication.
_GOOD_TOKEN: Final = frozenset({Reason.ROLE_MISSING, Reason.REQUEST_NOT_ALLOWED})

# Reasons that depend on the client's request.
_BY_REQUEST: Final = frozenset({Reason.REQUEST_NOT_ALLOWED, Reason.AUDIENCE})

_IDENTITY: Final = ("Account", "Namespace", "Roles", "Permissions", "Id", "Expires")


def _aliases() -> Iterator[str]:
    """Yield the other names that CGI and WSGI give one of our headers in a backend: `-` and `_` are the same there."""
    for name in _IDENTITY:
        for first, second in ("_-", "-_", "__"):
            yield f"x{first}servicetoken{second}{name.lower()}"


REMOVED: Final = ("authorization", *_aliases())
"""The headers that Envoy removes from the client's request before it forwards it.

A backend that receives the identity has no use for the token; and a client could write an alias itself, which Envoy
would not overwrite.
"""


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """A rejection, or "unavailable": the status, the headers with the reason, and the same as finished bytes."""

    status: HTTPStatus
    headers: tuple[Header, ...]
    answer: Answer


def rejection(status: HTTPStatus, *headers: Header) -> Rejection:
    """Return one; caches on the way must not store it."""
    complete = (*headers, NO_STORE)
    return Rejection(status, complete, render(status, complete))


BAD_REQUEST: Final = rejection(HTTPStatus.BAD_REQUEST, INVALID_REQUEST)
_UNAUTHENTICATED: Final = rejection(HTTPStatus.UNAUTHORIZED, NO_CREDENTIALS)
_INVALID: Final = rejection(HTTPStatus.UNAUTHORIZED, INVALID_TOKEN)
_FORBIDDEN: Final = rejection(HTTPStatus.FORBIDDEN, insufficient_scope(()))
_TOO_MANY: Final = rejection(HTTPStatus.TOO_MANY_REQUESTS, RETRY_SOON)
_UNAVAILABLE: Final = rejection(HTTPStatus.SERVICE_UNAVAILABLE, RETRY_SOON)


class RequestAuthorizer:
    """Checks requests for one listener, counts and logs them."""

    def __init__(
        self, authenticator: Authenticator, counts: DecisionCounts, rejections: RejectionLog
    ) -> None:
        self._authenticate = authenticator.authenticate
        self._recognize = authenticator.recognize
        self._counts = counts
        self._rejections = rejections

    def recognize(self, authorization: bytes | None, roles: tuple[str, ...]) -> Accepted | None:
        """Accept a request whose token was accepted a moment ago; on None, `authorize` has to be called.

        It saves most of the time that a request takes: everything that only some tokens depend on.
        """
        if roles or authorization is None or not authorization.startswith(_USUAL_SCHEME):
            return None
        found = self._recognize(authorization[len(_USUAL_SCHEME) :])
        if found is not None:
            self._counts.accepted += 1
        return found

    def authorize(
        self,
        authorization: bytes | None,
        origin: Origin,
        original: Callable[[], HttpRequest | None],
        roles: tuple[str, ...],
        missing: Callable[[], Sequence[str]] = tuple,
    ) -> Accepted | Rejection:
        """Return whether the request may pass.

        Args:
            authorization: the value of the client's only such header, or None.
            origin: where the client is.
            original: gives the client's request, or None where it is unknown; called only if needed.
            roles: all of which are required.
            missing: names the headers that would say more about the client's request; called only for the debug log.
        """
        token = find_token(authorization)
        if isinstance(token, Missing):
            return self._reject_missing(token, origin)
        decision = self._authenticate(
            AuthenticationRequest(token, None, origin, original, roles, protocol=self._counts.protocol)
        )
        if isinstance(decision, Accepted):
            self._counts.accepted += 1
            return decision
        if isinstance(decision, Unavailable):
            self._counts.unavailable += 1
            return _UNAVAILABLE
        if decision.reason in _BY_REQUEST and self._rejections.explains:
            self._explain(decision, original(), missing())
        return self._reject(decision, roles, origin)

    def reject_request(self, fault: Fault) -> Rejection:
        """Reject a request that is malformed or contradicts itself; *fault* is for the debug log."""
        self._rejections.note_request("InvalidRequest")
        self._rejections.explain(
            "request malformed",
            headers=" and ".join(fault.headers),
            compared=fault.compared,
            values=" and ".join(fault.values),
        )
        return BAD_REQUEST

    def _explain(self, rejected: Rejected, request: HttpRequest | None, missing: Sequence[str]) -> None:
        """Log the rules or audiences that the request was compared with, and headers that the proxy did not send."""
        record = rejected.record
        self._rejections.explain(
            "request compared",
            reason=rejected.reason.value,
            token_id=rejected.token_id,
            namespace=record.account.namespace if record else "",
            token=record.name if record else "",
            missing=", ".join(missing),
            method=request.method if request else "",
            host=request.host if request else "",
            path=request.path if request else "",
        )

    def _reject_missing(self, missing: Missing, origin: Origin) -> Rejection:
        if missing is Missing.MALFORMED and not self._rejections.has_room(origin):
            return _TOO_MANY
        self._rejections.note_request(missing.value)
        return _UNAUTHENTICATED if missing is Missing.NO_CREDENTIALS else _INVALID

    def _reject(self, rejected: Rejected, required: tuple[str, ...], origin: Origin) -> Rejection:
        if not self._rejections.note(rejected, origin, is_failure=rejected.reason not in _GOOD_TOKEN):
            return _TOO_MANY
        if rejected.reason is Reason.ROLE_MISSING:
            return rejection(HTTPStatus.FORBIDDEN, insufficient_scope(required))
        return _FORBIDDEN if rejected.reason is Reason.REQUEST_NOT_ALLOWED else _INVALID


def read_roles(text: bytes) -> tuple[str, ...] | None:
    """Parse the names of required roles, separated by commas; None for anything else."""
    compact = text[: _LONGEST_ROLES + 1].replace(b" ", b"")
    if len(compact) > _LONGEST_ROLES or not _ROLES.fullmatch(compact):
        return None
    return tuple(compact.decode("ascii").split(","))


def origin_of(peer: Origin, forwarded_for: bytes | None, *, behind_proxies: bool) -> Origin:
    """Return where the client is: *peer*, and its `X-Forwarded-For` if that may be trusted at all."""
    if forwarded_for is None or not behind_proxies:
        return peer
    return Origin(peer.peer, forwarded_for.decode("latin-1"))


def identity(accepted: Accepted) -> tuple[Header, ...]:
    """Return the headers that identify the client to a backend, all of them, empty where there is no value."""
    values = (
        accepted.record.account.name,
        accepted.record.account.namespace,
        ",".join(role.name for role in accepted.roles),
        ",".join(accepted.permissions),
        accepted.token_id,
        "" if accepted.end is None else str(accepted.end),
    )
    return tuple((f"X-ServiceToken-{name}", value) for name, value in zip(_IDENTITY, values, strict=True))
