"""The question that every listener asks, and the three answers: yes, no, cannot tell.

Nothing but `Accepted` lets a request through. The stranger learns one generic refusal whatever the reason is;
the reason is for logs and metrics.
"""

from collections.abc import Callable

import msgspec

from servicetokens.api.reasons import Reason
from servicetokens.authn.addresses import Origin
from servicetokens.authn.claims import Ended
from servicetokens.authn.records import Role, TokenRecord
from servicetokens.authn.requests import HttpRequest
from servicetokens.tokens.verifier import KeyRing


class Presented(msgspec.Struct, frozen=True, gc=False):
    """A token as it arrived, and all that the listener knows about the occasion.

    Attributes:
        token: what was presented, unchecked.
        audiences: for whom the asker asks. None where the protocol cannot say: then it is the host of the
            original request.
        origin: where the client is; None where the protocol does not tell.
        original: gives the HTTP request that a proxy asks about, or None when that is unknown. Called only if
            a decision depends on it. None where the protocol is not about an HTTP request.
        required_roles: roles of which every one must be held.
        protocol: the listener that asks, for the log.
        asker_checks_audience: the protocol tells the asker for whom the token is, instead of asking for whom he asks.
    """

    token: str
    audiences: tuple[str, ...] | None = ()
    origin: Origin | None = None
    original: Callable[[], HttpRequest | None] | None = None
    required_roles: tuple[str, ...] = ()
    asker_checks_audience: bool = False
    protocol: str = ""

    def __repr__(self) -> str:
        """Say nothing of the token, not even its id: it may not be one of ours."""
        return f"Presented(token=…, audiences={self.audiences!r}, required_roles={self.required_roles!r})"


class Accepted(msgspec.Struct, gc=False, eq=False):
    """The token is good until `until`, a Unix second, as long as nothing of what it was judged by changes.

    Then it has to be judged anew, which need not mean that it is not good any more.

    Attributes:
        record: the ServiceToken.
        token_id: of the credential that was presented.
        end: Unix second from which that is dead; None is never. `until` may be earlier.
        roles: the effective roles, sorted by name.
        permissions: what they permit together, sorted.
        restricted: whether it depends on the HTTP request which roles there are.
        unconditional: whether it depends on nothing but the roles that the asker requires.
        account_version, roles_version, keys: by what it was judged.
        proof: the SHA-256 of the token, by which it is recognised as long as this decision holds.
        answer, answer_key: where a listener keeps the finished answer, which goes away together with this
            decision. The key is the listener's own.
        narrowed: the decisions for requests that only some of the roles allow, by those roles.
        noted: whether it has let somebody in, and that was told.
    """

    record: TokenRecord
    token_id: str
    end: int | None
    roles: tuple[Role, ...]
    permissions: tuple[str, ...]
    restricted: bool
    unconditional: bool
    until: int
    account_version: int
    roles_version: int
    keys: KeyRing
    proof: bytes
    answer: tuple[bytes, bytes] = (b"", b"")
    answer_key: object = None
    narrowed: "dict[tuple[Role, ...], Accepted] | None" = None
    noted: bool = False


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """The token is refused. *record* is its object where the secret part was right: then it may be named.

    *ended* is what is left of its credential where that has ended: whether the secret part was right is not known then.
    *token_id* is the public id that was presented, with either of them.
    """

    reason: Reason
    record: TokenRecord | None = None
    token_id: str = ""
    ended: Ended | None = None


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """The index cannot tell yet, or no longer; *problems* say why, a sentence each."""

    problems: tuple[str, ...]


Decision = Accepted | Rejected | Unavailable
