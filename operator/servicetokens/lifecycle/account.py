"""The status of a ServiceAccount. Nothing is minted for an account: its tokens read it themselves."""

from collections.abc import Mapping

from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.service_account import ServiceAccountStatus
from servicetokens.lifecycle import conditions, words
from servicetokens.lifecycle.conditions import ConditionUpdate
from servicetokens.lifecycle.enforced import enforced
from servicetokens.lifecycle.snapshot import AccountFacts, Enforcement, RoleFacts, find_role

# A token requests all roles of its account unless it has a list of its own.
_WAITS = "Until then, new tokens that request it are not minted; existing tokens stay valid without it."


def account_status(
    account: AccountFacts,
    roles: Mapping[str, RoleFacts | None],
    token_count: int,
    enforcement: Enforcement,
    now: int,
) -> ServiceAccountStatus | None:
    """Return the status to write for *account*, or None when it is current.

    *roles* has an entry for every role of its spec, *token_count* is the number of ServiceTokens naming it.
    """
    if account.deleting:
        found = conditions.deleting("its tokens", ConditionType.READY, ConditionType.ACTIVE)
    else:
        found = _judged(account, _roles(account, roles)) if account.spec else _invalid(account)
        found.extend(enforced(account, enforcement))
    status = account.status.model_copy(
        update={
            "observed_generation": account.generation,
            "token_count": token_count,
            "conditions": conditions.merge(
                account.status.conditions, found, generation=account.generation, now=now
            ),
        }
    )
    return None if status == account.status else status


def _judged(account: AccountFacts, roles: ConditionUpdate) -> list[ConditionUpdate]:
    """Return all updates for an account whose spec is valid; *roles* is the one about its roles, and decides Ready."""
    if roles.status == "True":
        ready = [
            ConditionUpdate(
                ConditionType.READY, "True", Reason.ACCEPTED, "The spec is valid, and all roles are granted."
            )
        ]
    else:
        # As for a token: a missing role may still be created, and a rejected one needs an administrator.
        kind = ConditionType.STALLED if roles.reason is Reason.ROLE_NOT_GRANTED else ConditionType.RECONCILING
        ready = [
            ConditionUpdate(ConditionType.READY, "False", roles.reason, roles.message),
            ConditionUpdate(kind, "True", roles.reason, roles.message),
        ]
    return [*ready, _active(account), roles]


def _active(account: AccountFacts) -> ConditionUpdate:
    if account.spec is not None and account.spec.state == "Suspended":
        message = "Validators reject every token of this account. Remove `spec.state` to accept them again."
        return ConditionUpdate(ConditionType.ACTIVE, "False", Reason.SUSPENDED, message)
    return ConditionUpdate(ConditionType.ACTIVE, "True", Reason.VALID, "Tokens of this account are accepted.")


def _roles(account: AccountFacts, roles: Mapping[str, RoleFacts | None]) -> ConditionUpdate:
    asked = account.spec.roles if account.spec else ()
    if not asked:
        return ConditionUpdate(
            ConditionType.ROLES_ACCEPTED, "True", Reason.NO_ROLES, _without_roles(none_asked=True)
        )
    unknown = [name for name in asked if find_role(roles, name) is None]
    refused = [
        name
        for name in asked
        if (role := find_role(roles, name)) is not None and not role.grants(account.namespace)
    ]
    if not unknown and not refused:
        message = f"Granted: {', '.join(asked)}."
        return ConditionUpdate(ConditionType.ROLES_ACCEPTED, "True", Reason.ALL_GRANTED, message)
    parts = [
        words.role_is_absent(name) if roles.get(name) is None else words.role_is_going(name)
        for name in unknown
    ]
    parts += [words.role_is_elsewhere(name, account.namespace) for name in refused]
    reason = Reason.ROLE_NOT_GRANTED if refused else Reason.ROLE_NOT_FOUND
    without = f" {_without_roles(none_asked=False)}" if len(parts) == len(asked) else ""
    message = f"{words.sentence_case('; '.join(parts))}. {_WAITS}{without}"
    return ConditionUpdate(ConditionType.ROLES_ACCEPTED, "False", reason, message)


def _without_roles(*, none_asked: bool) -> str:
    return f"The account has no roles. {words.without_roles('its tokens', 'them', none_asked=none_asked)}"


def _invalid(account: AccountFacts) -> list[ConditionUpdate]:
    message = (
        f"The spec breaks the rules of this version: {account.spec_error}. Correct it and apply it again."
    )
    return [
        ConditionUpdate(ConditionType.READY, "False", Reason.INVALID_SPEC, message),
        ConditionUpdate(ConditionType.ACTIVE, "Unknown", Reason.INVALID_SPEC, message),
        ConditionUpdate(ConditionType.STALLED, "True", Reason.INVALID_SPEC, message),
    ]
