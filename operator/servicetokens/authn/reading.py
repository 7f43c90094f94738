"""Convert API objects to records: the meaning of fields, and of fields that make no sense.

Every function except `read_role` succeeds: a record that could not be understood has `readable=False` and its
tokens are rejected. Nothing is guessed in its favour, and no other object is affected.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from servicetokens.api import values
from servicetokens.api.origin import Origin, origin_of
from servicetokens.authn.addresses import parse_network
from servicetokens.authn.records import (
    STATES,
    Account,
    Credential,
    Restrictions,
    Role,
    TokenRecord,
    compact_uid,
    pack_mint,
)
from servicetokens.authn.requests import compile_rule
from servicetokens.authn.wire import (
    AccountObject,
    RoleObject,
    TokenObject,
    TokenSpec,
    TokenStatus,
    Verifier,
    WireCredential,
)
from servicetokens.tokens.imported import import_end
from servicetokens.tokens.lifetime import earliest, effective_end, overlap_of
from servicetokens.tokens.verifier import ALGORITHM

_ACTIVE: Final = frozenset({None, "Active"})
_EVERY_NAMESPACE: Final = "*"
# The operator lists a credential with this `delivery` before the Secret holds it.
_PENDING: Final = "Pending"
_HEX: Final = re.compile("[0-9a-f]{64}")
# As in the schema: permissions end up in headers, where a line break or a comma would be another one.
_PERMISSION: Final = re.compile("[A-Za-z0-9][A-Za-z0-9:._/*+@-]{0,127}")
# The schema allows two; a third must have been forged.
_MOST_CREDENTIALS: Final = 2
_NO_TERMS: Final = Restrictions(roles=(), audiences=(), networks=())

# One number object for all tokens with the same value, instead of one for each.
_parse_lifetime: Final = lru_cache(maxsize=256)(values.parse_lifetime)


class _Spec(msgspec.Struct, gc=False):
    """The lifetimes of a token's spec in seconds."""

    expires_after: int | Literal["never"] | None
    expiration_time: int | None
    overlap: int
    import_until: int | None


def read_token(item: TokenObject, account: Account) -> TokenRecord:
    """Return the record of a ServiceToken whose account is *account*."""
    restrictions, readable = _NO_TERMS, True
    try:
        restrictions = _read_restrictions(item.spec)
        credentials = _read_credentials(item)
    except ValueError:
        # Their ids and verifiers are kept, so that our logs can name the token.
        credentials = [_expired(stored) for stored in _newest(item)]
        readable = False
    return TokenRecord(
        compact_uid=compact_uid(item.metadata.uid),
        name=item.metadata.name,
        account=account,
        account_uid=_shared_uid(item, account),
        restrictions=restrictions,
        state=STATES[
            item.spec.state not in _ACTIVE,
            item.metadata.deletion_timestamp is not None,
            _is_suspended(item),
            readable,
        ],
        current=credentials[0] if credentials else None,
        older=credentials[1] if len(credentials) > 1 else None,
        last_used=_read_last_use(item),
    )


def update_account(account: Account, item: AccountObject) -> None:
    """Update *account* from a ServiceAccount."""
    spec = item.spec
    account.version += 1
    # An account that is being deleted counts as deleted: a finalizer must not keep its tokens valid.
    account.uid = "" if item.metadata.deletion_timestamp is not None else item.metadata.uid
    account.suspended = spec.state not in _ACTIVE
    account.roles = spec.roles or ()
    account.readable = True
    account.not_before = None
    try:
        if spec.tokens_not_before_time is not None:
            account.not_before = values.parse_time_ceil(spec.tokens_not_before_time)
    except ValueError:
        account.readable = False


def forget_account(account: Account) -> None:
    """Mark *account* as not existing."""
    account.version += 1
    account.uid = ""
    account.suspended = False
    account.roles = ()
    account.readable = True
    account.not_before = None


def read_role(item: RoleObject) -> Role:
    """Return the record of a ServiceRole.

    Raises:
        ValueError: a part of it makes no sense, so that it must not be granted; also where removing an entry would
            grant it to more namespaces, or allow more requests.
    """
    spec = item.spec
    if _EVERY_NAMESPACE in spec.allowed_namespaces and len(spec.allowed_namespaces) > 1:
        message = f"'{_EVERY_NAMESPACE}' must be the only entry of allowedNamespaces"
        raise ValueError(message)
    if any(rule.hosts is rule.methods is rule.paths is None for rule in spec.http or ()):
        message = "an entry of http must restrict hosts, methods or paths"
        raise ValueError(message)
    if not all(_PERMISSION.fullmatch(permission) for permission in spec.permissions):
        message = "a permission must be one word of ASCII letters, digits and some punctuation"
        raise ValueError(message)
    return Role(
        name=item.metadata.name,
        namespaces=None
        if spec.allowed_namespaces == (_EVERY_NAMESPACE,)
        else frozenset(spec.allowed_namespaces),
        permissions=spec.permissions,
        max_lifetime=None if spec.max_lifetime is None else values.parse_lifetime(spec.max_lifetime),
        http=None
        if spec.http is None
        else tuple(compile_rule(rule.hosts, rule.methods, rule.paths) for rule in spec.http),
    )


def _read_restrictions(spec: TokenSpec) -> Restrictions:
    return Restrictions(
        roles=spec.roles,
        audiences=spec.audiences or (),
        networks=tuple(parse_network(text) for text in spec.allowed_cidrs or ()),
    )


def _read_spec(spec: TokenSpec) -> _Spec:
    expires_after: int | Literal["never"] | None = None
    if spec.expires_after is not None:
        expires_after = _parse_lifetime(spec.expires_after) or "never"
    every = overlap = None
    if spec.rotation is not None:
        every = None if spec.rotation.every is None else values.parse_duration(spec.rotation.every)
        overlap = None if spec.rotation.overlap is None else values.parse_overlap(spec.rotation.overlap)
    return _Spec(
        expires_after=expires_after,
        expiration_time=None if spec.expiration_time is None else values.parse_time(spec.expiration_time),
        overlap=overlap_of(every, overlap),
        import_until=None if spec.import_ is None else values.parse_time(spec.import_.until),
    )


def _read_credentials(item: TokenObject) -> list[Credential]:
    spec = _read_spec(item.spec)
    credentials = [_read_credential(stored, spec) for stored in _newest(item)]
    if not credentials:
        return credentials
    succeeded, succeeded_at = credentials[1:], credentials[0].mint_time
    if item.status is not None and (item.status.serial or 0) > credentials[0].serial:
        # Its successor is not in status: it could not be delivered, or this one was restored by hand.
        succeeded_at = _read_last_mint(item.status)
        # Of one that could not be delivered only the serial is left, and the older credential expires with
        # its overlap. One that was delivered has left its id, too: both may have been minted in one second.
        was_delivered = item.status.token_id not in {"", credentials[0].id}
        if was_delivered or succeeded_at > credentials[0].mint_time:
            succeeded = credentials
    for older in succeeded:
        if older.origin is Origin.IMPORTED or _waits_for(older, item, spec):
            continue
        # Whatever status contains, it does not outlive the rotation by more than the overlap in the spec.
        older.life = earliest(older.life, succeeded_at + spec.overlap - older.mint_time)
    return credentials


def _waits_for(older: Credential, item: TokenObject, spec: _Spec) -> bool:
    """Return whether the overlap of *older* has not begun: it is in the Secret until the newest one is delivered.

    With an overlap of zero the operator never lists both. The last delivered one is `status.tokenID`.
    """
    newest = _newest(item)[0]
    return (
        newest.delivery == _PENDING
        and older.serial != newest.serial
        and item.status is not None
        and item.status.token_id == older.id
        and spec.overlap > 0
    )


def _read_last_mint(status: TokenStatus) -> int:
    """Return when the last credential was minted, according to status. Raises ValueError when status lacks it."""
    if status.mint_time is None:
        message = "serial has no mintTime"
        raise ValueError(message)
    return values.parse_recorded_time(status.mint_time)


def _read_credential(stored: WireCredential, spec: _Spec) -> Credential:
    mint_time = values.parse_recorded_time(stored.mint_time)
    stored_end = (
        None if stored.expiration_time is None else values.parse_recorded_time(stored.expiration_time)
    )
    end = effective_end(
        mint_time=mint_time,
        stored_end=stored_end,
        expires_after=spec.expires_after,
        expiration_time=spec.expiration_time,
    )
    if origin_of(stored.id) is Origin.IMPORTED:
        # It has no overlap but a cut-over date. It was not minted by us, so it ends when the spec no longer
        # requests it.
        end = import_end(mint_time, spec.import_until, end)
    key_id, verifier = _read_verifier(stored.verifier)
    return Credential(
        id=stored.id,
        serial=stored.serial,
        key_id=key_id,
        minted=pack_mint(mint_time, verifier),
        life=None if end is None else _shared_number(end - mint_time, spec.expires_after),
    )


def _read_verifier(verifier: Verifier) -> tuple[str, bytes]:
    """Return key id and hash, both empty when they cannot be ours: then no presented value matches."""
    if verifier.algorithm != ALGORITHM or not _HEX.fullmatch(verifier.value):
        return "", b""
    return _shared_key_id(verifier.key_id), bytes.fromhex(verifier.value)


@lru_cache(maxsize=64)
def _shared_key_id(key_id: str) -> str:
    """Return the same object for equal texts: all tokens name one of a few keys."""
    return key_id


def read_end(status: TokenStatus) -> int | None:
    """Return the expiration of the last credential, for the log; None when it never expires, or cannot be read."""
    try:
        return None if status.expiration_time is None else values.parse_recorded_time(status.expiration_time)
    except ValueError:
        return None


def _read_last_use(item: TokenObject) -> int:
    """Return the time of the last use, as far as it can be read: no decision depends on it."""
    text = item.status.last_used_time if item.status else ""
    try:
        return values.parse_recorded_time(text) if text else 0
    except ValueError:
        return 0


def _is_suspended(item: TokenObject) -> bool:
    """Return whether it was suspended for disuse, and the spec has not resumed it since.

    The operator updates status as well; this takes effect immediately, and does not need the operator.
    """
    suspended_at = item.status.suspension_time if item.status else None
    if suspended_at is None:
        return False
    if item.spec.in_use_time is None:
        return True
    try:
        return values.parse_time(item.spec.in_use_time) < values.parse_recorded_time(suspended_at)
    except ValueError:
        return True


def _expired(stored: WireCredential) -> Credential:
    key_id, verifier = _read_verifier(stored.verifier)
    return Credential(stored.id, stored.serial, key_id, pack_mint(0, verifier), life=0)


def _newest(item: TokenObject) -> Sequence[WireCredential]:
    """Return the stored credentials, the highest serial first, and at most as many as can exist.

    They are the newest two of the object: where `status.serial` is higher than all of them, it counts as one.
    """
    if item.status is None:
        return ()
    stored, last = item.status.credentials, item.status.serial or 0
    if len(stored) > 1:
        stored = tuple(sorted(stored, key=lambda credential: credential.serial, reverse=True))
    is_missing = bool(stored) and last > stored[0].serial
    return stored[: _MOST_CREDENTIALS - is_missing]


def _shared_number(seconds: int, known: object) -> int:
    """Return *known* when it is the same number."""
    return known if isinstance(known, int) and known == seconds else seconds


def _shared_uid(item: TokenObject, account: Account) -> str:
    """Return the uid of the account that a token was minted for, the same object for all of its tokens."""
    uid = item.status.account_uid if item.status else ""
    if uid != account.uid_of_tokens:
        account.uid_of_tokens = uid
    return account.uid_of_tokens
