"""May a client's request pass? What forward-auth and ext_authz have in common, whatever the proxy speaks.

The outcome is the decision itself, or a `Refusal` with the challenge of RFC 6750 that belongs to it. Every
identity header is in every yes, empty when there is no value: a proxy may pass on a client's own where ours is
missing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from servicetokens.api.reasons import Reason
from servicetokens.authn.addresses import Origin
from servicetokens.authn.authenticator import TokenAuthenticator
from servicetokens.authn.decision import Accepted, Presented, Rejected, Unavailable
from servicetokens.authn.requests import HttpRequest
from servicetokens.validator.audit import Refusals
from servicetokens.validator.bearer import (
    INVALID_REQUEST,
    INVALID_TOKEN,
    NO_CREDENTIALS,
    Missing,
    find_token,
    insufficient_scope,
)
from servicetokens.validator.metrics import Tally
from servicetokens.validator.original import Fault
from servicetokens.validator.responses import NO_STORE, RETRY_SOON, Answer, Header, render

# Role names are DNS labels; at most as many as an account can have.
_LABEL: Final = rb"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
ROLES: Final = _LABEL + rb"(?:," + _LABEL + rb"){0,15}"
"""Regular expression: names of roles that are all required, as proxies are told to write them."""
_ROLES: Final = re.compile(ROLES)
_LONGEST_ROLES: Final = 16 * 64
# As nearly everybody writes it. Whatever follows has to be the very token that was judged before, byte by byte.
_USUAL_SCHEME: Final = b"Bearer "
# The token is good, only not for this: whoever holds one has not failed to authenticate.
_GOOD_TOKEN: Final = frozenset({Reason.ROLE_MISSING, Reason.REQUEST_NOT_ALLOWED})

# What the client asked for decides about these.
_BY_REQUEST: Final = frozenset({Reason.REQUEST_NOT_ALLOWED, Reason.AUDIENCE})

_IDENTITY: Final = ("Account", "Namespace", "Roles", "Permissions", "Id", "Expires")


def _aliases() -> Iterator[str]:
    """Give the other names under which CGI and WSGI show one of our headers to a backend: `-` and `_` are one there."""
    for name in _IDENTITY:
        for first, second in ("_-", "-_", "__"):
            yield f"x{first}servicetoken{second}{name.lower()}"


REMOVED: Final = ("authorization", *_aliases())
"""What Envoy is told to take out of the client's request before it passes.

A backend that is told who is calling has no use for the token; and a client could write an alias itself, which
Envoy would not overwrite.
"""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A no, or "cannot tell": the status, the headers that say why, and the same as finished bytes."""

    status: HTTPStatus
    headers: tuple[Header, ...]
    answer: Answer


def refusal(status: HTTPStatus, *headers: Header) -> Refusal:
    """Make one; it is not to be stored by anybody on the way."""
    complete = (*headers, NO_STORE)
    return Refusal(status, complete, render(status, complete))


BAD_REQUEST: Final = refusal(HTTPStatus.BAD_REQUEST, INVALID_REQUEST)
_UNAUTHENTICATED: Final = refusal(HTTPStatus.UNAUTHORIZED, NO_CREDENTIALS)
_INVALID: Final = refusal(HTTPStatus.UNAUTHORIZED, INVALID_TOKEN)
_FORBIDDEN: Final = refusal(HTTPStatus.FORBIDDEN, insufficient_scope(()))
_TOO_MANY: Final = refusal(HTTPStatus.TOO_MANY_REQUESTS, RETRY_SOON)
_UNAVAILABLE: Final = refusal(HTTPStatus.SERVICE_UNAVAILABLE, RETRY_SOON)


class Gate:
    """Judges for one listener, counts, and tells the log."""

    def __init__(self, authenticator: TokenAuthenticator, tally: Tally, refusals: Refusals) -> None:
        self._authenticate = authenticator.authenticate
        self._recognise = authenticator.recognise
        self._tally = tally
        self._refusals = refusals

    def recognise(self, authorization: bytes | None, roles: tuple[str, ...]) -> Accepted | None:
        """Let a request pass whose token was let in a moment ago; None says nothing, and `judge` has to be asked.

        What it saves is most of the time that a request takes: everything that only some tokens depend on.
        """
        if roles or authorization is None or not authorization.startswith(_USUAL_SCHEME):
            return None
        found = self._recognise(authorization[len(_USUAL_SCHEME) :])
        if found is not None:
            self._tally.accepted += 1
        return found

    def judge(
        self,
        authorization: bytes | None,
        origin: Origin,
        original: Callable[[], HttpRequest | None],
        roles: tuple[str, ...],
        missing: Callable[[], Sequence[str]] = tuple,
    ) -> Accepted | Refusal:
        """Say whether the request may pass.

        Args:
            authorization: the value of the client's only such header, or None.
            origin: where the client is.
            original: gives the client's request, or None where nobody knows it; called only if it matters.
            roles: of which every one is required.
            missing: names the headers that would say more about the client's request; called only for the debug log.
        """
        token = find_token(authorization)
        if isinstance(token, Missing):
            return self._refuse_missing(token, origin)
        decision = self._authenticate(
            Presented(token, None, origin, original, roles, protocol=self._tally.protocol)
        )
        if isinstance(decision, Accepted):
            self._tally.accepted += 1
            return decision
        if isinstance(decision, Unavailable):
            self._tally.unavailable += 1
            return _UNAVAILABLE
        if decision.reason in _BY_REQUEST and self._refusals.explains:
            self._explain(decision, original(), missing())
        return self._refuse(decision, roles, origin)

    def refuse_request(self, fault: Fault) -> Refusal:
        """Reject a request that is malformed or contradicts itself; *fault* is for the debug log."""
        self._refusals.note_request("InvalidRequest")
        self._refusals.explain(
            "request malformed",
            headers=" and ".join(fault.headers),
            compared=fault.compared,
            values=" and ".join(fault.values),
        )
        return BAD_REQUEST

    def _explain(self, rejected: Rejected, request: HttpRequest | None, missing: Sequence[str]) -> None:
        """Log what the rules or the audiences of the token were compared with, and what the proxy did not say."""
        record = rejected.record
        self._refusals.explain(
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

    def _refuse_missing(self, missing: Missing, origin: Origin) -> Refusal:
        if missing is Missing.MALFORMED and not self._refusals.has_room(origin):
            return _TOO_MANY
        self._refusals.note_request(missing.value)
        return _UNAUTHENTICATED if missing is Missing.NO_CREDENTIALS else _INVALID

    def _refuse(self, rejected: Rejected, required: tuple[str, ...], origin: Origin) -> Refusal:
        if not self._refusals.note(rejected, origin, is_failure=rejected.reason not in _GOOD_TOKEN):
            return _TOO_MANY
        if rejected.reason is Reason.ROLE_MISSING:
            return refusal(HTTPStatus.FORBIDDEN, insufficient_scope(required))
        return _FORBIDDEN if rejected.reason is Reason.REQUEST_NOT_ALLOWED else _INVALID


def read_roles(text: bytes) -> tuple[str, ...] | None:
    """Read the names of required roles, separated by commas; None when it is something else."""
    compact = text[: _LONGEST_ROLES + 1].replace(b" ", b"")
    if len(compact) > _LONGEST_ROLES or not _ROLES.fullmatch(compact):
        return None
    return tuple(compact.decode("ascii").split(","))


def origin_of(peer: Origin, forwarded_for: bytes | None, *, behind_proxies: bool) -> Origin:
    """Return where the client is: *peer*, and what it forwards if that may be believed at all."""
    if forwarded_for is None or not behind_proxies:
        return peer
    return Origin(peer.peer, forwarded_for.decode("latin-1"))


def identity(accepted: Accepted) -> tuple[Header, ...]:
    """Return the headers that tell a backend who is calling, all of them, empty where there is nothing to tell."""
    values = (
        accepted.record.account.name,
        accepted.record.account.namespace,
        ",".join(role.name for role in accepted.roles),
        ",".join(accepted.permissions),
        accepted.token_id,
        "" if accepted.end is None else str(accepted.end),
    )
    return tuple((f"X-ServiceToken-{name}", value) for name, value in zip(_IDENTITY, values, strict=True))
