"""The three kinds in memory: few fields, no dictionaries, and shared objects for equal values.

    TokenRecord ──▶ Account     shared by all tokens of one account, even while it does not exist
         │     └──▶ Restrictions       shared by all tokens with the same restrictions
         └──▶ Credential (current, and the older one during an overlap)

This shape of a token costs about 550 bytes, and has nothing that a decision does not need. The structs take no part in
garbage collection (`gc=False`), so that a full collection never stops the process; none of them forms a cycle.
"""

import itertools
import re
from typing import Final
from uuid import UUID

import msgspec

from servicetokens.api.origin import Origin, origin_of
from servicetokens.authn.addresses import Network
from servicetokens.authn.requests import HttpRule

# As the API server writes it; another text form of the same number is another uid.
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Enough for the year 9999, and for any value in a status before it is rejected.
_TIME_BYTES: Final = 8


class Account(msgspec.Struct, eq=False, weakref=True):
    """A ServiceAccount, shared by its tokens and updated in place, so that they need no look-up.

    Attributes:
        uid: empty while the account does not exist.
        readable: False when the object contains something that this code does not understand.
        roles: the names in `spec.roles`.
        not_before: Unix second; credentials minted in it or before are rejected from then on.
        version: increases with every change.
        uid_of_tokens: the uid that its tokens name, kept to be shared by them.
    """

    namespace: str
    name: str
    uid: str = ""
    readable: bool = True
    suspended: bool = False
    roles: tuple[str, ...] = ()
    not_before: int | None = None
    version: int = 0
    uid_of_tokens: str = ""


class Role(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A ServiceRole: what it permits, and which namespaces may use it.

    Attributes:
        namespaces: None for all namespaces.
        max_lifetime: seconds; None is no limit.
        http: rules of which one must allow a request; None when every request is allowed.
    """

    name: str
    namespaces: frozenset[str] | None
    permissions: tuple[str, ...]
    max_lifetime: int | None
    http: tuple[HttpRule, ...] | None


class Restrictions(msgspec.Struct, frozen=True, weakref=True):
    """The restrictions of a token.

    Attributes:
        roles: None for all roles of the account.
        audiences: empty for all.
        networks: empty for all.
    """

    roles: tuple[str, ...] | None
    audiences: tuple[str, ...]
    networks: tuple[Network, ...]


def pack_mint(mint_time: int, verifier: bytes) -> bytes:
    """Return what `Credential.minted` holds. A time before 1970 counts as 1970."""
    return max(0, mint_time).to_bytes(_TIME_BYTES, "big") + verifier


def compact_uid(uid: str) -> int | str:
    """Return a uid in its stored form: the number of a UUID takes 48 bytes, its text 96."""
    return int(uid.replace("-", ""), 16) if _UUID.fullmatch(uid) else uid


class Credential(msgspec.Struct, gc=False, eq=False):
    """One minted secret.

    Attributes:
        key_id: which key made its verifier; empty when it was another algorithm.
        minted: `mint_time` and `verifier` in one object, as `pack_mint` makes it.
        life: seconds from then to its end, the least of all that spec and status say; None means that it never expires.
            Most tokens share this number, which is not possible for the expiration itself.
    """

    id: str
    serial: int
    key_id: str
    minted: bytes
    life: int | None

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return origin_of(self.id)

    @property
    def mint_time(self) -> int:
        """Unix second."""
        return int.from_bytes(self.minted[:_TIME_BYTES], "big")

    @property
    def verifier(self) -> bytes:
        """The 32 bytes of its keyed hash; empty when status holds none that we can use."""
        return self.minted[_TIME_BYTES:]

    @property
    def end(self) -> int | None:
        """Unix second from which it is expired; None means never."""
        return None if self.life is None else self.mint_time + self.life


class State(msgspec.Struct, frozen=True, gc=False):
    """The state of a token, according to its object.

    *suspended*: for disuse. *readable* is False when the object contains something that this code does not understand.
    """

    revoked: bool
    deleting: bool
    suspended: bool
    readable: bool


STATES: Final = {
    flags: State(*flags) for flags in itertools.product((False, True), repeat=len(State.__struct_fields__))
}
"""All of them, by their fields in order."""


class TokenRecord(msgspec.Struct, gc=False, eq=False):
    """A ServiceToken.

    Attributes:
        compact_uid: `uid`, as `compact_uid` makes it.
        account_uid: the account for which it was minted.
        state: revoked, being deleted, suspended, readable, in one object that all such tokens share.
        current: None while nothing is minted.
        mark: number of the list in which it was last seen.
        last_used: Unix second of a use, as its status says; 0 for none. It may be hours old.
    """

    compact_uid: int | str
    name: str
    account: Account
    account_uid: str
    restrictions: Restrictions
    state: State
    current: Credential | None
    older: Credential | None = None
    mark: int = 0
    last_used: int = 0

    @property
    def uid(self) -> str:
        """`metadata.uid`."""
        known = self.compact_uid
        return known if isinstance(known, str) else str(UUID(int=known))

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """The current credential and the older one, if they exist."""
        return tuple(credential for credential in (self.current, self.older) if credential)
