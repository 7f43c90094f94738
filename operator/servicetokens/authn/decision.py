"""The request of every listener, and the three results: accepted, rejected, unavailable.

Nothing but `Accepted` lets a request through. Clients receive the same rejection whatever the reason is; the reason is
for logs and metrics.
"""

from collections.abc import Callable

import msgspec

from servicetokens.api.reasons import Reason
from servicetokens.authn.addresses import Origin
from servicetokens.authn.claims import Ended
from servicetokens.authn.records import Role, TokenRecord
from servicetokens.authn.requests import HttpRequest


class AuthenticationRequest(msgspec.Struct, frozen=True, gc=False):
    """A token as it arrived, and all that the listener knows about the request.

    Attributes:
        token: what was presented, unchecked.
        audiences: the audiences that the caller requests. None where the protocol does not say: then it is the host of
            the original request.
        origin: where the client is; None where the protocol does not tell.
        original: gives the HTTP request that a proxy asks about, or None when that is unknown. Called only if
            a decision depends on it. None where the protocol is not about an HTTP request.
        required_roles: roles that the token must have, all of them.
        protocol: the listener, for the log.
        asker_checks_audience: the caller receives the token's audiences and checks them itself.
    """

    token: str
    audiences: tuple[str, ...] | None = ()
    origin: Origin | None = None
    original: Callable[[], HttpRequest | None] | None = None
    required_roles: tuple[str, ...] = ()
    asker_checks_audience: bool = False
    protocol: str = ""

    def __repr__(self) -> str:
        """Show nothing of the token, not even its id: it may not be a service token."""
        return f"AuthenticationRequest(token=…, audiences={self.audiences!r}, required_roles={self.required_roles!r})"


class Accepted(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """The token is valid: its object, until when, and with which roles.

    Decisions are compared by identity, and what is derived from one is kept outside of it, for as long as it exists.

    Attributes:
        record: the ServiceToken.
        token_id: of the credential that was presented.
        end: Unix second from which that is dead; None is never.
        roles: the effective roles, sorted by name.
        permissions: what they permit together, sorted.
    """

    record: TokenRecord
    token_id: str
    end: int | None
    roles: tuple[Role, ...]
    permissions: tuple[str, ...]


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """The token is rejected. *record* is its object where the secret part was right: then it may be named.

    *ended* is what is left of its credential where that has ended: whether the secret part was right is not known then.
    *token_id* is the public id that was presented, with either of them.
    """

    reason: Reason
    record: TokenRecord | None = None
    token_id: str = ""
    ended: Ended | None = None


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """The index cannot decide yet, or no longer; *problems* are the reasons, a sentence each."""

    problems: tuple[str, ...]


Decision = Accepted | Rejected | Unavailable
