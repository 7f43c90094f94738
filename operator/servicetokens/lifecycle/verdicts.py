"""The conditions of a ServiceToken: what each of them says in a given situation."""

from servicetokens.api.conditions import ConditionType, Reason
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle import checks, importing, schedule, words
from servicetokens.lifecycle.checks import Finding, Situation
from servicetokens.lifecycle.conditions import Verdict
from servicetokens.lifecycle.credentials import next_rotation
from servicetokens.lifecycle.enforced import enforced


def verdicts(
    it: Situation,
    finding: Finding | None,
    current: Credential | None,
    end: int | None,
    *,
    imported: Credential | None,
    delivers: bool,
) -> list[Verdict]:
    """Return what every condition says once the plan is carried out.

    *current* is the credential that will be current then (None: there is none), *end* its end or the end of
    the one that expired; *imported* is the value accepted beside it; *delivers* says that the plaintext goes into
    the Secret.
    """
    expired = current is None and end is not None and end <= it.now
    found = [
        _ready(it, finding, expired=expired),
        _active(it, finding, current, end, imported, expired=expired),
        _secret_synced(it, finding, current, expired=expired, delivers=delivers),
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


def _ready(it: Situation, finding: Finding | None, *, expired: bool) -> Verdict:
    ready = ConditionType.READY
    if finding is not None:
        return Verdict(ready, "False", finding.reason, finding.message)
    spec = it.snapshot.token.spec
    if expired:
        message = "The token has expired, as asked for. A later expiry or a new `spec.rotation.id` mints a fresh one."
        return Verdict(ready, "True", Reason.EXPIRED, message)
    if spec is not None and spec.state == "Revoked":
        return Verdict(ready, "True", Reason.REVOKED, "The token is revoked, as asked for.")
    return Verdict(
        ready, "True", Reason.MINTED, f"The token is in the Secret '{it.snapshot.token.secret_name}'."
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
        if snapshot.token.status.account_uid not in {None, account.uid}:
            message = "The account was deleted and created anew; the token belonged to the old one."
            return Verdict(active, "False", Reason.ACCOUNT_REPLACED, message)
        return Verdict(
            active, "False", Reason.NOT_MINTED, "There is no token yet; the condition Ready says why."
        )
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


def _secret_synced(
    it: Situation, finding: Finding | None, current: Credential | None, *, expired: bool, delivers: bool
) -> Verdict:
    synced, snapshot = ConditionType.SECRET_SYNCED, it.snapshot
    name = snapshot.token.secret_name
    if finding is not None and finding.reason in {Reason.SECRET_CONFLICT, Reason.SECRET_MISSING}:
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
        return Verdict(synced, "True", Reason.SYNCED, f"The Secret '{name}' holds the current token.")
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
    reason, message = checks.describe_roles(it.snapshot)
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
