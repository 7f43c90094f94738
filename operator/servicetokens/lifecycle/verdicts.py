"""The conditions of a ServiceToken: what each of them says in a given situation."""

from dataclasses import dataclass
from typing import Final

from servicetokens.api import times
from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle import checks, conditions, importing, words
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.checks import Finding, Situation
from servicetokens.lifecycle.conditions import Verdict
from servicetokens.lifecycle.credentials import cut_of, warnings_of
from servicetokens.lifecycle.enforced import enforced
from servicetokens.lifecycle.snapshot import AccountFacts, Snapshot
from servicetokens.lifecycle.unused import Idleness
from servicetokens.policy.acceptance import Facts, find_refusal

_ABOUT_THE_SECRET: Final = frozenset({Reason.SECRET_CONFLICT, Reason.SECRET_MISSING, Reason.DELIVERY_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """What will be on status once the plan is carried out.

    *current* is the credential that will be current (None: there is none), *end* its end or the end of the one that
    expired, *imported* the value accepted beside it, *account_uid* the account that they were minted for.
    """

    current: Credential | None
    end: int | None
    imported: Credential | None
    account_uid: str | None

    def has_expired(self, now: int) -> bool:
        """Say whether the last credential has ended by *now*, and none follows."""
        return self.current is None and self.end is not None and self.end <= now


def verdicts(
    it: Situation, finding: Finding | None, coming: Coming, idle: Idleness, *, delivers: bool, defers: bool
) -> list[Verdict]:
    """Return what every condition says once the plan is carried out.

    *delivers* says that the plaintext goes into the Secret, *defers* that what surrounds it there is not put right yet.
    """
    undone = _undone(it) if defers else ""
    suspended_because = idle.verdict.message if idle.verdict and idle.suspended_at is not None else None
    found = [
        _ready(it, finding, expired=coming.has_expired(it.now)),
        active(it, finding, coming, suspended_because=suspended_because),
        _secret_synced(it, finding, coming, delivers=delivers, undone=undone),
        _roles_accepted(it),
        _expiring_soon(it, coming.current),
        *enforced(it.snapshot.token, it.snapshot.enforcement),
        *((idle.verdict,) if idle.verdict is not None else ()),
    ]
    warned_at = importing.warns_at(coming.imported)
    if coming.imported is not None and warned_at is not None and warned_at <= it.now:
        found.append(_import_ending_soon(coming.imported))
    if finding is not None:
        kind = ConditionType.STALLED if finding.stalled else ConditionType.RECONCILING
        found.append(Verdict(kind, "True", finding.reason, finding.message))
    return found


def deleting() -> list[Verdict]:
    """Return what the conditions of a token say while it is being deleted."""
    return conditions.deleting(
        "its token", ConditionType.READY, ConditionType.ACTIVE, ConditionType.SECRET_SYNCED
    )


def being_delivered(it: Situation) -> list[Verdict]:
    """Return what the conditions say between the end of a token without an overlap and the delivery of the next."""
    name = it.snapshot.token.secret_name
    message = f"The new token is being written to the Secret '{name}'; the previous one is rejected already."
    types = [ConditionType.READY, ConditionType.SECRET_SYNCED]
    said = conditions.find(it.snapshot.token.status.conditions, ConditionType.ACTIVE)
    # A token that was revoked or suspended before stays so, and its reason outlasts the delivery.
    if said is None or said.status != "False":
        types.append(ConditionType.ACTIVE)
    found = [Verdict(one, "False", Reason.DELIVERING, message) for one in types]
    return [*found, Verdict(ConditionType.RECONCILING, "True", Reason.DELIVERING, message)]


def being_replaced(it: Situation) -> list[Verdict]:
    """Return what the conditions say while an immutable Secret is deleted and created anew."""
    message = (
        f"The Secret '{it.snapshot.token.secret_name}' is immutable. It is being deleted and created again."
    )
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
            ready, "True", Reason.EXPIRED, f"The token has expired, as requested. {_what_renews(it)}"
        )
    if spec is not None and spec.state == "Revoked":
        return Verdict(ready, "True", Reason.REVOKED, "The token is revoked, as requested.")
    return Verdict(
        ready, "True", Reason.MINTED, f"The token is in the Secret '{it.snapshot.token.secret_name}'."
    )


def _what_renews(it: Situation) -> str:
    """Return how to get a fresh token after this one has expired."""
    spec = it.snapshot.token.spec
    if spec is not None and spec.expiration_time is not None and spec.expiration_time <= it.now:
        return "A later `spec.expirationTime` mints a new one."
    return "A new `spec.rotation.id`, or a longer `spec.expiresAfter`, mints a new one."


def _undone(it: Situation) -> str:
    """Return what is said of a Secret that holds the token, while what surrounds that is changed again and again."""
    memory = it.snapshot.memory
    if memory.delivery_error:
        return f" The rest of the Secret is out of date. {checks.describe_refusal(it)}"
    return (
        f" Its labels, annotations or other keys were {checks.who_undid(it.snapshot)}. {checks.PATIENCE} "
        f"The next repair is at {times.moment(memory.not_before)}."
    )


def active(
    it: Situation, finding: Finding | None, coming: Coming, *, suspended_because: str | None = None
) -> Verdict:
    """Answer as validators do, once the plan is carried out; *suspended_because* says why disuse has suspended it."""
    if finding is not None and finding.reason is Reason.ALREADY_EXPIRED:
        return _inactive(Reason.ALREADY_EXPIRED, finding.message)
    if coming.has_expired(it.now):
        return _inactive(Reason.EXPIRED, f"The token expired at {times.moment(coming.end)}.")
    if finding is not None and finding.reason is Reason.INVALID_SPEC:
        return Verdict(ConditionType.ACTIVE, "Unknown", Reason.INVALID_SPEC, finding.message)
    if coming.current is None:
        return _without_token(it, finding)
    facts = _facts(it, coming, coming.current, suspended=suspended_because is not None)
    refusal = find_refusal(facts, it.now)
    if refusal is not None:
        return _inactive(refusal, suspended_because or _refusal_message(it.snapshot, refusal))
    if it.snapshot.keys.newest is None:
        return _inactive(Reason.KEY_MISSING, it.snapshot.keys.error)
    message = (
        f"The token is accepted until {times.moment(coming.end)}" if coming.end else "The token is accepted"
    )
    if coming.imported is not None:
        message += f", and the imported value until {times.moment(coming.imported.expiration_time)}"
    return Verdict(ConditionType.ACTIVE, "True", Reason.VALID, f"{message}.")


def _inactive(reason: Reason, message: str) -> Verdict:
    return Verdict(ConditionType.ACTIVE, "False", reason, message)


def _facts(it: Situation, coming: Coming, current: Credential, *, suspended: bool) -> Facts:
    """Return what `find_refusal` asks for."""
    token, account = it.snapshot.token, _account_of(it.snapshot)
    account_spec = account.spec if account is not None else None
    return Facts(
        deleting=token.deleting,
        account_uid=account.uid if account is not None else "",
        minted_for=coming.account_uid or "",
        revoked=token.spec is not None and token.spec.state == "Revoked",
        account_suspended=account_spec is not None and account_spec.state == "Suspended",
        suspended=suspended,
        # What is not understood is found by the checks, and says more than this would.
        readable=True,
        mint_time=current.mint_time,
        end=current.expiration_time,
        not_before=cut_of(it.snapshot),
    )


def _account_of(snapshot: Snapshot) -> AccountFacts | None:
    """Return the account, unless it is being deleted: then nobody vouches for its tokens any more."""
    return None if snapshot.account is None or snapshot.account.deleting else snapshot.account


def _refusal_message(snapshot: Snapshot, refusal: Reason) -> str:
    """Return the sentence for people: what `Reason` means, with what is known here besides."""
    spec, name = snapshot.token.spec, snapshot.token.account_name
    if refusal is Reason.ACCOUNT_NOT_FOUND and snapshot.account is not None:
        return words.account_is_going(name)
    if refusal is Reason.ACCOUNT_NOT_FOUND:
        return "The account does not exist, so validators reject the token."
    if refusal is Reason.REVOKED:
        why = f" ({spec.revocation_reason})" if spec is not None and spec.revocation_reason else ""
        return f"The token is revoked{why}."
    if refusal is Reason.ACCOUNT_SUSPENDED:
        return f"The account '{name}' is suspended."
    return f"Validators reject the token: {refusal.meaning}."


def _without_token(it: Situation, finding: Finding | None) -> Verdict:
    """Say why there is no token that could be accepted."""
    account = _account_of(it.snapshot)
    if account is None:
        return _inactive(Reason.ACCOUNT_NOT_FOUND, _refusal_message(it.snapshot, Reason.ACCOUNT_NOT_FOUND))
    if it.snapshot.token.status.account_uid not in {None, account.uid}:
        message = "The account was deleted and created again; the token belonged to the old one."
        return _inactive(Reason.ACCOUNT_REPLACED, message)
    waits = (Reason.NOT_MINTED, "There is no token yet; the condition Ready says why.")
    return _inactive(*((finding.reason, finding.message) if finding is not None else waits))


def _secret_synced(
    it: Situation,
    finding: Finding | None,
    coming: Coming,
    *,
    delivers: bool,
    undone: str,
) -> Verdict:
    synced, snapshot = ConditionType.SECRET_SYNCED, it.snapshot
    name = snapshot.token.secret_name
    if finding is not None and finding.reason in _ABOUT_THE_SECRET and not (delivers or undone):
        return Verdict(synced, "False", finding.reason, finding.message)
    if coming.has_expired(it.now) and snapshot.secret is not None:
        marked = "" if undone else ", marked as expired,"
        stays = f"The Secret '{name}' stays{marked} until this object is deleted.{undone}"
        return Verdict(synced, "True", Reason.SYNCED, stays)
    current = coming.current
    holds = current is not None and snapshot.secret is not None and snapshot.secret.holds(current)
    if delivers or holds:
        return Verdict(synced, "True", Reason.SYNCED, f"The Secret '{name}' holds the current token.{undone}")
    if snapshot.secret is not None and snapshot.secret.is_foreign_to(snapshot.token):
        return Verdict(
            synced, "False", Reason.SECRET_CONFLICT, f"The Secret '{name}' belongs to something else."
        )
    if current is not None and snapshot.secret is not None and snapshot.keys.newest is None:
        unknown = f"Without the key it is unknown whether the Secret '{name}' holds the token."
        return Verdict(synced, "Unknown", Reason.KEY_MISSING, unknown)
    return Verdict(synced, "False", Reason.SECRET_MISSING, f"The Secret '{name}' does not hold the token.")


def _roles_accepted(it: Situation) -> Verdict:
    accepted = ConditionType.ROLES_ACCEPTED
    if it.snapshot.token.spec is None or it.snapshot.account is None:
        return Verdict(
            accepted,
            "Unknown",
            Reason.ACCOUNT_NOT_FOUND,
            "The roles are evaluated once the spec is valid and the account exists.",
        )
    reason, message = checks.describe_roles(it.snapshot, waits=it.cause is MintCause.FIRST)
    is_accepted = reason in {Reason.ALL_GRANTED, Reason.NO_ROLES}
    return Verdict(accepted, "True" if is_accepted else "False", reason, message)


def _expiring_soon(it: Situation, current: Credential | None) -> Verdict:
    soon, spec = ConditionType.EXPIRING_SOON, it.snapshot.token.spec
    warnings = warnings_of(it.snapshot.token, current) if current is not None else ()
    if current is not None and current.expiration_time is not None and not warnings:
        return Verdict(soon, "False", Reason.NOT_EXPIRING_SOON, "It is rotated before it expires.")
    passed = [warning for warning in warnings if warning.at <= it.now]
    if current is None or not passed:
        return Verdict(soon, "False", Reason.NOT_EXPIRING_SOON, "The token does not expire soon.")
    is_fixed = spec is not None and spec.expiration_time is not None
    remedy = (
        ". A rotation does not change that; set a later `spec.expirationTime`."
        if is_fixed
        else " and no rotation is declared; set `spec.rotation.every`, or a later expiration."
    )
    message = f"The token expires at {times.moment(current.expiration_time)}{remedy}"
    return Verdict(soon, "True", passed[-1].reason, message)


def _import_ending_soon(imported: Credential) -> Verdict:
    message = (
        f"Validators reject the imported value ({imported.id}) from {times.moment(imported.expiration_time)} on. Move "
        "its clients to the token in the Secret before then, or set a later `spec.import.until`."
    )
    return Verdict(ConditionType.IMPORT_ENDING_SOON, "True", Reason.CUT_OVER_NEAR, message)
