"""The conditions of a ServiceToken: what each of them says in a given situation."""

from typing import Final

from servicetokens.api.conditions import ConditionType, Reason
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle import checks, importing, schedule, words
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.checks import Finding, Situation
from servicetokens.lifecycle.conditions import Verdict
from servicetokens.lifecycle.credentials import next_rotation
from servicetokens.lifecycle.enforced import enforced

_ABOUT_THE_SECRET: Final = frozenset({Reason.SECRET_CONFLICT, Reason.SECRET_MISSING, Reason.DELIVERY_FAILED})


def verdicts(
    it: Situation,
    finding: Finding | None,
    current: Credential | None,
    end: int | None,
    *,
    imported: Credential | None,
    delivers: bool,
    defers: bool,
) -> list[Verdict]:
    """Return what every condition says once the plan is carried out.

    *current* is the credential that will be current then (None: there is none), *end* its end or the end of
    the one that expired; *imported* is the value accepted beside it; *delivers* says that the plaintext goes into
    the Secret, *defers* that what surrounds it there is not put right yet.
    """
    expired = current is None and end is not None and end <= it.now
    undone = _undone(it) if defers else ""
    found = [
        _ready(it, finding, expired=expired),
        _active(it, finding, current, end, imported, expired=expired),
        _secret_synced(it, finding, current, expired=expired, delivers=delivers, undone=undone),
        _roles_accepted(it),
        _expiring_soon(it, current),
        *enforced(it.snapshot.token, it.snapshot.enforcement),
    ]
    if imported is not None and (at := importing.warns_at(imported)) is not None and at <= it.now:
        found.append(_import_ending_soon(imported))
    if finding is not None:
        kind = ConditionType.STALLED if finding.stalled else ConditionType.RECONCILING
        found.append(Verdict(kind, "True", finding.reason, finding.message))
    return found


def deleting() -> list[Verdict]:
    """Return what the conditions of a token say while it is being deleted."""
    message = "This object is being deleted, and validators reject its token."
    types = (ConditionType.READY, ConditionType.ACTIVE, ConditionType.SECRET_SYNCED)
    return [Verdict(one, "False", Reason.DELETING, message) for one in types]


def being_delivered(it: Situation) -> list[Verdict]:
    """Return what the conditions say between the end of a token without an overlap and the delivery of the next."""
    name = it.snapshot.token.secret_name
    message = f"The new token is being written to the Secret '{name}'; the one before it is rejected already."
    return [
        Verdict(ConditionType.READY, "False", Reason.DELIVERING, message),
        Verdict(ConditionType.SECRET_SYNCED, "False", Reason.DELIVERING, message),
        Verdict(ConditionType.RECONCILING, "True", Reason.DELIVERING, message),
    ]


def _ready(it: Situation, finding: Finding | None, *, expired: bool) -> Verdict:
    ready = ConditionType.READY
    if finding is not None:
        return Verdict(ready, "False", finding.reason, finding.message)
    spec = it.snapshot.token.spec
    if expired:
        return Verdict(
            ready, "True", Reason.EXPIRED, f"The token has expired, as asked for. {_what_renews(it)}"
        )
    if spec is not None and spec.state == "Revoked":
        return Verdict(ready, "True", Reason.REVOKED, "The token is revoked, as asked for.")
    return Verdict(
        ready, "True", Reason.MINTED, f"The token is in the Secret '{it.snapshot.token.secret_name}'."
    )


def _what_renews(it: Situation) -> str:
    """Return how to get a fresh token after this one has expired."""
    spec = it.snapshot.token.spec
    if spec is not None and spec.expiration_time is not None and spec.expiration_time <= it.now:
        return "A later `spec.expirationTime` mints a fresh one."
    return "A new `spec.rotation.id`, or a longer `spec.expiresAfter`, mints a fresh one."


def _undone(it: Situation) -> str:
    """Return what is said of a Secret that holds the token, while what surrounds that is changed again and again."""
    memory = it.snapshot.memory
    if memory.delivery_error:
        return f" What surrounds it is out of date. {checks.describe_refusal(it)}"
    return (
        f" Its labels, annotations or other keys were {checks.who_undid(it.snapshot)}. {checks.PATIENCE} "
        f"The next repair is at {words.moment(memory.not_before)}."
    )


def _active(
    it: Situation,
    finding: Finding | None,
    current: Credential | None,
    end: int | None,
    imported: Credential | None,
    *,
    expired: bool,
) -> Verdict:
    """Answer as the validator does, and in its order, except that an expiry is named first: it is final."""
    active = ConditionType.ACTIVE
    snapshot = it.snapshot
    spec, account = snapshot.token.spec, snapshot.account
    if finding is not None and finding.reason is Reason.ALREADY_EXPIRED:
        return Verdict(active, "False", Reason.ALREADY_EXPIRED, finding.message)
    if expired:
        return Verdict(active, "False", Reason.EXPIRED, f"The token expired at {words.moment(end)}.")
    if finding is not None and finding.reason is Reason.INVALID_SPEC:
        return Verdict(active, "Unknown", Reason.INVALID_SPEC, finding.message)
    if account is None or account.deleting:
        return Verdict(
            active,
            "False",
            Reason.ACCOUNT_NOT_FOUND,
            "The account does not exist, so nobody vouches for the token.",
        )
    if current is None:
        return _not_minted(it, finding)
    if snapshot.keys.newest is None:
        return Verdict(active, "False", Reason.KEY_MISSING, snapshot.keys.error)
    if spec is not None and spec.state == "Revoked":
        why = f" ({spec.revocation_reason})" if spec.revocation_reason else ""
        return Verdict(active, "False", Reason.REVOKED, f"The token is revoked{why}.")
    if account.spec is not None and account.spec.state == "Suspended":
        return Verdict(
            active, "False", Reason.ACCOUNT_SUSPENDED, f"The account '{account.name}' is suspended."
        )
    message = f"The token is accepted until {words.moment(end)}" if end else "The token is accepted"
    if imported is not None:
        message += f", the imported value beside it until {words.moment(imported.expiration_time)}"
    return Verdict(active, "True", Reason.VALID, f"{message}.")


def _not_minted(it: Situation, finding: Finding | None) -> Verdict:
    """Say why there is no token that could be accepted."""
    active, account = ConditionType.ACTIVE, it.snapshot.account
    if account is not None and it.snapshot.token.status.account_uid not in {None, account.uid}:
        message = "The account was deleted and created anew; the token belonged to the old one."
        return Verdict(active, "False", Reason.ACCOUNT_REPLACED, message)
    waits = (Reason.NOT_MINTED, "There is no token yet; the condition Ready says why.")
    reason, message = (finding.reason, finding.message) if finding is not None else waits
    return Verdict(active, "False", reason, message)


def _secret_synced(
    it: Situation,
    finding: Finding | None,
    current: Credential | None,
    *,
    expired: bool,
    delivers: bool,
    undone: str,
) -> Verdict:
    synced, snapshot = ConditionType.SECRET_SYNCED, it.snapshot
    name = snapshot.token.secret_name
    if finding is not None and finding.reason in _ABOUT_THE_SECRET and not (delivers or undone):
        return Verdict(synced, "False", finding.reason, finding.message)
    if expired and snapshot.secret is not None:
        return Verdict(
            synced,
            "True",
            Reason.SYNCED,
            f"The Secret '{name}' stays, marked as expired, until this object is deleted.",
        )
    holds = current is not None and snapshot.secret is not None and snapshot.secret.holds(current)
    if delivers or holds:
        return Verdict(synced, "True", Reason.SYNCED, f"The Secret '{name}' holds the current token.{undone}")
    if snapshot.secret is not None and snapshot.secret.is_foreign_to(snapshot.token):
        return Verdict(
            synced, "False", Reason.SECRET_CONFLICT, f"The Secret '{name}' belongs to something else."
        )
    return Verdict(synced, "False", Reason.SECRET_MISSING, f"The Secret '{name}' does not hold the token.")


def _roles_accepted(it: Situation) -> Verdict:
    accepted = ConditionType.ROLES_ACCEPTED
    if it.snapshot.token.spec is None or it.snapshot.account is None:
        return Verdict(
            accepted, "Unknown", Reason.ACCOUNT_NOT_FOUND, "The roles are known once spec and account are."
        )
    reason, message = checks.describe_roles(it.snapshot, waits=it.cause is MintCause.FIRST)
    is_accepted = reason in {Reason.ALL_GRANTED, Reason.NO_ROLES}
    return Verdict(accepted, "True" if is_accepted else "False", reason, message)


def _expiring_soon(it: Situation, current: Credential | None) -> Verdict:
    soon, spec = ConditionType.EXPIRING_SOON, it.snapshot.token.spec
    if current is None or current.expiration_time is None:
        return Verdict(soon, "False", Reason.NOT_EXPIRING_SOON, "No end is near.")
    if next_rotation(spec, current.mint_time) is not None:
        return Verdict(soon, "False", Reason.NOT_EXPIRING_SOON, "It is rotated before it expires.")
    passed = [
        warning
        for warning in schedule.expiry_warnings(current.mint_time, current.expiration_time)
        if warning.at <= it.now
    ]
    if not passed:
        return Verdict(soon, "False", Reason.NOT_EXPIRING_SOON, "No end is near.")
    message = (
        f"The token expires at {words.moment(current.expiration_time)} and no rotation is declared; "
        "set `spec.rotation`, or give it a later expiry."
    )
    return Verdict(soon, "True", passed[-1].reason, message)


def _import_ending_soon(imported: Credential) -> Verdict:
    message = (
        f"The imported value ({imported.id}) is refused from {words.moment(imported.expiration_time)} on; whoever "
        "still uses it needs the token in the Secret by then, or you a later `spec.import.until`."
    )
    return Verdict(ConditionType.IMPORT_ENDING_SOON, "True", Reason.CUT_OVER_NEAR, message)
