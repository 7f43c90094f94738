"""Forward-auth: a proxy asks whether it may forward a client's request, and gets a status and a few headers.

Paths are compared raw. Nothing is taken from a query string (Caddy passes the client's on), and nothing from headers
but the token, the original request and the client's address. An acceptance is exactly 200, since Envoy treats 204 as a
rejection.
"""

import re
from functools import partial
from http import HTTPStatus
from typing import Final

from servicetokens.authn.decision import Accepted
from servicetokens.authn.requests import is_target
from servicetokens.validator import original
from servicetokens.validator.authorizer import ROLES, RequestAuthorizer, identity, origin_of
from servicetokens.validator.original import Fault, find_fault, find_missing, find_original
from servicetokens.validator.rendered import RenderedAnswers
from servicetokens.validator.request import FIRST_HEADER, Request
from servicetokens.validator.responses import NO_STORE, Answer, render, render_json
from servicetokens.validator.token_review import USERNAME_PREFIX

_AUTHORIZATION, _FORWARDED_FOR, _ACCEPT, _FIRST_ORIGINAL = range(FIRST_HEADER, FIRST_HEADER + 4)
_WANTED: Final = (b"authorization", b"x-forwarded-for", b"accept", *original.HEADERS)
_NAMES: Final = ("Authorization", "X-Forwarded-For", "Accept", *original.NAMES)
# X-Forwarded-For and Accept may come in several lines; headers with identity or the request may not.
_SINGLE: Final = frozenset(range(FIRST_HEADER, FIRST_HEADER + len(_WANTED))) - {_FORWARDED_FOR, _ACCEPT}

_PATH: Final = b"/validate"
_ROLES_PATH: Final = re.compile(rb"/validate/role/(" + ROLES + rb")")
# Paths come from the configuration of proxies, so there are few; other clients may invent more.
_MOST_PATHS: Final = 256

_JSON: Final = b"application/json"

_ODD_TARGET: Final = Fault(("the target of the proxy's own request",), "bytes that a URI must not contain")
_NOT_FOUND: Final = render(HTTPStatus.NOT_FOUND, (NO_STORE,))


class ForwardAuth:
    """The handler of the listener `forwardauth`."""

    headers: tuple[bytes, ...] = _WANTED
    reads_body = False

    def __init__(self, authorizer: RequestAuthorizer, *, behind_proxies: bool) -> None:
        """Answer by *authorizer*. *behind_proxies* says whether any `X-Forwarded-For` may be believed."""
        self._authorizer = authorizer
        self._behind_proxies = behind_proxies
        self._roles_by_path: dict[bytes, tuple[str, ...]] = {_PATH: ()}
        self._plain_answers = RenderedAnswers(_render_plain)
        self._json_answers = RenderedAnswers(_render_json)

    def answer(self, request: Request) -> Answer:
        """See `Handler`."""
        roles = self._roles_by_path.get(request.target)
        if roles is None:
            if not is_target(request.target):
                return self._authorizer.reject_request(_ODD_TARGET).answer
            roles = self._find_roles(request.target)
            if roles is None:
                return _NOT_FOUND
        values = request.values
        originals = values[_FIRST_ORIGINAL:]
        fault = _find_repeated(request) if request.repeated else None
        fault = fault or find_fault(originals)
        if fault is not None:
            return self._authorizer.reject_request(fault).answer
        found = self._authorizer.recognize(values[_AUTHORIZATION], roles) or self._authorizer.authorize(
            values[_AUTHORIZATION],
            origin_of(request.origin, values[_FORWARDED_FOR], behind_proxies=self._behind_proxies),
            partial(find_original, originals),
            roles,
            partial(find_missing, originals),
        )
        if not isinstance(found, Accepted):
            return found.answer
        answers = self._json_answers if _JSON in (values[_ACCEPT] or b"") else self._plain_answers
        return answers.get(found)

    def _find_roles(self, target: bytes) -> tuple[str, ...] | None:
        """Return the roles that the path requires, or None for an unknown path."""
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


def _find_repeated(request: Request) -> Fault | None:
    """Return the first header that must not be repeated but is."""
    for number in sorted(request.repeated):
        if number in _SINGLE:
            return Fault((_NAMES[number - FIRST_HEADER],), "repeated")
    return None


def _render_plain(accepted: Accepted, _form: object) -> Answer:
    return render(HTTPStatus.OK, (*identity(accepted), NO_STORE))


def _render_json(accepted: Accepted, _form: object) -> Answer:
    return render_json(HTTPStatus.OK, _describe(accepted), identity(accepted))


def _describe(accepted: Accepted) -> dict[str, object]:
    """Return the headers' content for proxies that read a body: Ory Oathkeeper's `bearer_token` uses these fields."""
    account = accepted.record.account
    return {
        "sub": f"{USERNAME_PREFIX}{account.namespace}:{account.name}",
        "extra": {
            "account": account.name,
            "namespace": account.namespace,
            "roles": [role.name for role in accepted.roles],
            "permissions": list(accepted.permissions),
            "id": accepted.token_id,
            "expires": accepted.end,
        },
    }
