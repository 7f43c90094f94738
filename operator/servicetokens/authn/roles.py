"""Which roles a token has now: computed at each validation, so that removing one takes effect at the next request."""

from collections.abc import Iterable, Mapping
from typing import Final

from servicetokens.authn.records import Account, Credential, Role, TokenRecord
from servicetokens.authn.requests import HttpRequest, is_allowed

# Names with this prefix have a meaning in Kubernetes itself; a group `system:masters` from us would be an administrator
# that RBAC does not restrict. No DNS label contains a colon, but the index does not rely on the schema.
_RESERVED: Final = "system:"


def effective_roles(
    record: TokenRecord, credential: Credential, catalogue: Mapping[str, Role]
) -> tuple[Role, ...]:
    """Return the roles requested by token and account that the catalogue grants, sorted by name."""
    account = record.account
    names = set(account.roles)
    if record.restrictions.roles is not None:
        names &= set(record.restrictions.roles)
    granted = (catalogue.get(name) for name in sorted(names) if not name.startswith(_RESERVED))
    return tuple(role for role in granted if role and _is_granted(role, account, credential.life))


def asks_for_roles(record: TokenRecord) -> bool:
    """Return whether the token requests any role."""
    return bool(record.account.roles or record.restrictions.roles)


def permissions_of(roles: Iterable[Role]) -> tuple[str, ...]:
    """Return what *roles* permit together, sorted, without duplicates."""
    return tuple(sorted({permission for role in roles for permission in role.permissions}))


def allowing_roles(roles: tuple[Role, ...], request: HttpRequest | None) -> tuple[Role, ...]:
    """Return those of *roles* that allow *request*; a role with rules does not allow an unknown request."""
    return tuple(
        role
        for role in roles
        if role.http is None or (request is not None and is_allowed(request, role.http))
    )


def _is_granted(role: Role, account: Account, life: int | None) -> bool:
    if role.namespaces is not None and account.namespace not in role.namespaces:
        return False
    if role.max_lifetime is None:
        return True
    return life is not None and life <= role.max_lifetime
