"""ext_authz over HTTP: Envoy sends the client's own request without its body, and forwards it after exactly 200.

Every path is a check: Envoy appends the client's path to a prefix, or sends it as it is, so answering `/healthz` here
with 200 would let every request for that path pass. A path can only require more: after a prefix of ours the rest is
the client's path, but it is never certain that the client did not write the prefix. See docs/decisions/0017.
"""

import re
from functools import partial
from http import HTTPStatus
from typing import Final

from servicetokens.authn.decision import Accepted
from servicetokens.authn.requests import TARGET_TABLE, HttpRequest
from servicetokens.validator.authorizer import (
    REMOVED,
    ROLES,
    RequestAuthorizer,
    identity,
    origin_of,
    read_roles,
)
from servicetokens.validator.original import Fault, read_request
from servicetokens.validator.rendered import RenderedAnswers
from servicetokens.validator.request import FIRST_HEADER, HOST, Request
from servicetokens.validator.responses import NO_STORE, Answer, Header, render

_AUTHORIZATION, _FORWARDED_FOR, _REQUIRED_ROLES = range(FIRST_HEADER, FIRST_HEADER + 3)
_PREFIX: Final = re.compile(rb"/validate/role/(" + ROLES + rb")(?=[/?]|$)")

ODD_TARGET: Final = Fault(("the target of the client's request",), "bytes that a URI must not contain")
TWO_TOKENS: Final = Fault(("Authorization",), "repeated")
_ODD_ROLES: Final = Fault(("X-ServiceToken-Required-Roles",), "not a list of role names")

_REMOVED: Final[Header] = ("X-Envoy-Auth-Headers-To-Remove", ",".join(REMOVED))


class ExtAuthz:
    """The handler of the listener `extauthz-http`."""

    headers: tuple[bytes, ...] = (b"authorization", b"x-forwarded-for", b"x-servicetoken-required-roles")
    reads_body = False

    def __init__(self, authorizer: RequestAuthorizer, *, behind_proxies: bool) -> None:
        """Answer by *authorizer*. *behind_proxies* says whether any `X-Forwarded-For` may be trusted."""
        self._authorizer = authorizer
        self._behind_proxies = behind_proxies
        self._answers = RenderedAnswers(_render)

    def answer(self, request: Request) -> Answer:
        """See `Handler`."""
        values = request.values
        # The same as `is_target`, without the call.
        if not request.target.translate(TARGET_TABLE).isascii():
            return self._authorizer.reject_request(ODD_TARGET).answer
        prefix = _PREFIX.match(request.target)
        roles = _find_roles(values[_REQUIRED_ROLES], prefix)
        if roles is None:
            return self._authorizer.reject_request(_ODD_ROLES).answer
        if _AUTHORIZATION in request.repeated:
            return self._authorizer.reject_request(TWO_TOKENS).answer
        found = self._authorizer.recognize(values[_AUTHORIZATION], roles) or self._authorizer.authorize(
            values[_AUTHORIZATION],
            origin_of(request.origin, values[_FORWARDED_FOR], behind_proxies=self._behind_proxies),
            _unknown if prefix else partial(read_request, request.method, values[HOST], request.target),
            roles,
        )
        if not isinstance(found, Accepted):
            return found.answer
        return self._answers.get(found)


def _find_roles(header: bytes | None, prefix: re.Match[bytes] | None) -> tuple[str, ...] | None:
    """Return all roles that are required by the header and by the path; None when that cannot be read.

    Both can only add requirements: a client that writes one itself only restricts itself.
    """
    if header is None and prefix is None:
        return ()
    named = read_roles(header) if header is not None else ()
    if named is None:
        return None
    return named + tuple(prefix[1].decode("ascii").split(",")) if prefix else named


def _unknown() -> HttpRequest | None:
    """The client's request is unknown."""
    return None


def _render(accepted: Accepted, _form: object) -> Answer:
    return render(HTTPStatus.OK, (*identity(accepted), _REMOVED, NO_STORE))
