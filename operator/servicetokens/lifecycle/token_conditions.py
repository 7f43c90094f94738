"""The conditions of a ServiceToken: what each of them says in a given situation."""

from typing import Final

from servicetokens.api import times
from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle import checks, conditions, importing, words
from servicetokens.lifecycle.acceptance import Acceptance, Outcome
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.checks import Finding
from servicetokens.lifecycle.conditions import ConditionUpdate
from servicetokens.lifecycle.credentials import is_compromised, warnings_of
from servicetokens.lifecycle.enforced import enforced
from servicetokens.lifecycle.evaluation import Evaluation

_ABOUT_THE_SECRET: Final = frozenset({Reason.SECRET_CONFLICT, Reason.SECRET_MISSING, Reason.DELIVERY_FAILED})


def condition_updates(
    evaluation: Evaluation,
    finding: Finding | None,
    outcome: Outcome,
    acceptance: Acceptance,
    *,
    delivers: bool,
    defers: bool,
) -> list[ConditionUpdate]:
    """Return what every condition says once the plan is carried out.

    *delivers* says that the plaintext goes into the Secret, *defers* that what surrounds it there is not repaired yet.
    """
    undone = _undone(evaluation) if defers else ""
    disuse = acceptance.disuse.update
    updates = [
        _ready(evaluation, finding, expired=outcome.has_expired(evaluation.now)),
        _active(evaluation, finding, outcome, acceptance),
        _secret_synced(evaluation, finding, outcome, delivers=delivers, undone=undone),
        _roles_accepted(evaluation),
        _expiring_soon(evaluation, outcome.current),
        *enforced(evaluation.snapshot.token, evaluation.snapshot.enforcement),
        *((disuse,) if disuse is not None else ()),
    ]
    warned_at = importing.warns_at(outcome.imported)
    if outcome.imported is not None and warned_at is not None and warned_at <= evaluation.now:
        updates.append(_import_ending_soon(outcome.imported))
    if finding is not None:
        kind = ConditionType.STALLED if finding.stalled else ConditionType.RECONCILING
        updates.append(ConditionUpdate(kind, "True", finding.reason, finding.message))
    return updates


def deleting() -> list[ConditionUpdate]:
    """Return what the conditions of a token say while it is being deleted."""
    return conditions.deleting(
        "its token", ConditionType.READY, ConditionType.ACTIVE, ConditionType.SECRET_SYNCED
    )


def being_delivered(evaluation: Evaluation) -> list[ConditionUpdate]:
    """Return what the conditions say after the expiration of a token without an overlap, before the next delivery."""
    name = evaluation.snapshot.token.secret_name
    message = f"The new token is being written to the Secret '{name}'; the previous one is rejected already."
    types = [ConditionType.READY, ConditionType.SECRET_SYNCED]
    said = conditions.find(evaluation.snapshot.token.status.conditions, ConditionType.ACTIVE)
    # A token that was revoked or suspended before stays so, and its reason outlasts the delivery.
    if said is None or said.status != "False":
        types.append(ConditionType.ACTIVE)
    found = [ConditionUpdate(one, "False", Reason.DELIVERING, message) for one in types]
    return [*found, ConditionUpdate(ConditionType.RECONCILING, "True", Reason.DELIVERING, message)]


def being_replaced(evaluation: Evaluation) -> list[ConditionUpdate]:
    """Return what the conditions say while an immutable Secret is deleted and created again."""
    name = evaluation.snapshot.token.secret_name
    message = f"The Secret '{name}' is immutable. It is being deleted and created again."
    return [
        ConditionUpdate(ConditionType.READY, "False", Reason.DELIVERING, message),
        ConditionUpdate(ConditionType.SECRET_SYNCED, "False", Reason.DELIVERING, message),
        ConditionUpdate(ConditionType.RECONCILING, "True", Reason.DELIVERING, message),
    ]


def _ready(evaluation: Evaluation, finding: Finding | None, *, expired: bool) -> ConditionUpdate:
    ready = ConditionType.READY
    if finding is not None:
        return ConditionUpdate(ready, "False", finding.reason, finding.message)
    spec = evaluation.snapshot.token.spec
    if expired:
        return ConditionUpdate(
            ready, "True", Reason.EXPIRED, f"The token has expired, as requested. {_what_renews(evaluation)}"
        )
    if spec is not None and spec.state == "Revoked":
        return ConditionUpdate(ready, "True", Reason.REVOKED, "The token is revoked, as requested.")
    return ConditionUpdate(
        ready, "True", Reason.MINTED, f"The token is in the Secret '{evaluation.snapshot.token.secret_name}'."
    )


def _what_renews(evaluation: Evaluation) -> str:
    """Return how to get a fresh token after this one has expired."""
    spec = evaluation.snapshot.token.spec
    if spec is not None and spec.expiration_time is not None and spec.expiration_time <= evaluation.now:
        return "A later `spec.expirationTime` mints a new one."
    return (
        "A new `spec.rotation.id` mints a new one, and so does a `spec.expiresAfter` by which this one would not have "
        "expired yet."
    )


def _undone(evaluation: Evaluation) -> str:
    """Return what is said of a Secret that holds the token, while what surrounds that is changed again and again."""
    memory = evaluation.snapshot.memory
    if memory.delivery_error:
        return f" The rest of the Secret is out of date. {checks.describe_rejection(evaluation)}"
    return (
        f" Its labels, annotations or other keys were {checks.who_undid(evaluation.snapshot)}. {checks.PATIENCE} "
        f"The next repair is at {times.moment(memory.not_before)}."
    )


def _active(
    evaluation: Evaluation, finding: Finding | None, outcome: Outcome, acceptance: Acceptance
) -> ConditionUpdate:
    """Answer as validators do, once the plan is carried out."""
    kind, reason = ConditionType.ACTIVE, acceptance.reason
    if reason is Reason.VALID:
        return ConditionUpdate(kind, "True", reason, _validity(outcome))
    if reason is Reason.INVALID_SPEC and finding is not None:
        return ConditionUpdate(kind, "Unknown", reason, finding.message)
    if reason is Reason.UNUSED_FOR_LONG and acceptance.disuse.update is not None:
        return ConditionUpdate(kind, "False", reason, acceptance.disuse.update.message)
    return ConditionUpdate(kind, "False", reason, _rejection(evaluation, finding, outcome, reason))


def _validity(outcome: Outcome) -> str:
    """Return until when the token is accepted: a sentence."""
    until = f" until {times.moment(outcome.end)}" if outcome.end else ""
    imported = outcome.imported
    beside = (
        f", and the imported value until {times.moment(imported.expiration_time)}"
        if imported is not None
        else ""
    )
    return f"The token is accepted{until}{beside}."


def _rejection(evaluation: Evaluation, finding: Finding | None, outcome: Outcome, reason: Reason) -> str:
    """Return the sentence for people: what *reason* means, with what else is known here."""
    snapshot = evaluation.snapshot
    spec, name = snapshot.token.spec, snapshot.token.account_name
    if reason is Reason.EXPIRED:
        return f"The token expired at {times.moment(outcome.end)}."
    if reason is Reason.ACCOUNT_NOT_FOUND and snapshot.account is not None:
        return words.account_is_going(name)
    if reason is Reason.ACCOUNT_NOT_FOUND:
        return "The account does not exist, so validators reject the token."
    if reason is Reason.ACCOUNT_REPLACED:
        return "The account was deleted and created again; the token belonged to the old one."
    if reason is Reason.REVOKED:
        why = f" ({spec.revocation_reason})" if spec is not None and spec.revocation_reason else ""
        others = " Only its newest credential is kept." if is_compromised(spec) else ""
        return f"The token is revoked{why}.{others}"
    if reason is Reason.ACCOUNT_SUSPENDED:
        return f"The account '{name}' is suspended."
    if reason is Reason.KEY_MISSING:
        return snapshot.keys.error
    if outcome.current is not None:
        return f"Validators reject the token: {reason.meaning}."
    return finding.message if finding is not None else "There is no token yet; the condition Ready says why."


def _secret_synced(
    evaluation: Evaluation,
    finding: Finding | None,
    outcome: Outcome,
    *,
    delivers: bool,
    undone: str,
) -> ConditionUpdate:
    synced, snapshot = ConditionType.SECRET_SYNCED, evaluation.snapshot
    name = snapshot.token.secret_name
    if finding is not None and finding.reason in _ABOUT_THE_SECRET and not (delivers or undone):
        return ConditionUpdate(synced, "False", finding.reason, finding.message)
    if outcome.has_expired(evaluation.now) and snapshot.secret is not None:
        marked = "" if undone else ", marked as expired,"
        stays = f"The Secret '{name}' stays{marked} until this object is deleted.{undone}"
        return ConditionUpdate(synced, "True", Reason.SYNCED, stays)
    current = outcome.current
    holds = current is not None and snapshot.secret is not None and snapshot.secret.holds(current)
    if delivers or holds:
        return ConditionUpdate(
            synced, "True", Reason.SYNCED, f"The Secret '{name}' holds the current token.{undone}"
        )
    if snapshot.secret is not None and snapshot.secret.is_foreign_to(snapshot.token):
        return ConditionUpdate(
            synced, "False", Reason.SECRET_CONFLICT, f"The Secret '{name}' belongs to something else."
        )
    if current is not None and snapshot.secret is not None and snapshot.keys.newest is None:
        unknown = f"Without the key it is unknown whether the Secret '{name}' holds the token."
        return ConditionUpdate(synced, "Unknown", Reason.KEY_MISSING, unknown)
    return ConditionUpdate(
        synced, "False", Reason.SECRET_MISSING, f"The Secret '{name}' does not hold the token."
    )


def _roles_accepted(evaluation: Evaluation) -> ConditionUpdate:
    accepted = ConditionType.ROLES_ACCEPTED
    if evaluation.snapshot.token.spec is None or evaluation.snapshot.account is None:
        return ConditionUpdate(
            accepted,
            "Unknown",
            Reason.ACCOUNT_NOT_FOUND,
            "The roles are evaluated once the spec is valid and the account exists.",
        )
    reason, message = checks.describe_roles(evaluation.snapshot, waits=evaluation.cause is MintCause.FIRST)
    is_accepted = reason in {Reason.ALL_GRANTED, Reason.NO_ROLES}
    return ConditionUpdate(accepted, "True" if is_accepted else "False", reason, message)


def _expiring_soon(evaluation: Evaluation, current: Credential | None) -> ConditionUpdate:
    soon, spec = ConditionType.EXPIRING_SOON, evaluation.snapshot.token.spec
    warnings = warnings_of(evaluation.snapshot.token, current) if current is not None else ()
    if current is not None and current.expiration_time is not None and not warnings:
        return ConditionUpdate(soon, "False", Reason.NOT_EXPIRING_SOON, "It is rotated before it expires.")
    passed = [warning for warning in warnings if warning.at <= evaluation.now]
    if current is None or not passed:
        return ConditionUpdate(soon, "False", Reason.NOT_EXPIRING_SOON, "The token does not expire soon.")
    is_fixed = spec is not None and spec.expiration_time is not None
    remedy = (
        ". A rotation does not change that; set a later `spec.expirationTime`."
        if is_fixed
        else " and no rotation is declared; set `spec.rotation.every`, or a later expiration."
    )
    message = f"The token expires at {times.moment(current.expiration_time)}{remedy}"
    return ConditionUpdate(soon, "True", passed[-1].reason, message)


def _import_ending_soon(imported: Credential) -> ConditionUpdate:
    message = (
        f"Validators reject the imported value ({imported.id}) from {times.moment(imported.expiration_time)} on. Move "
        "its clients to the token in the Secret before then, or set a later `spec.import.until`."
    )
    return ConditionUpdate(ConditionType.IMPORT_ENDING_SOON, "True", Reason.CUT_OVER_NEAR, message)
