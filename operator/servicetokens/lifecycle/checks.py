"""What can stand between a token and `Ready=True`, as an ordered tuple of small checks: the first finding wins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from servicetokens.api import times
from servicetokens.api.origin import Origin
from servicetokens.api.reasons import Reason
from servicetokens.lifecycle import importing, words
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.credentials import is_compromised, lives_too_long
from servicetokens.lifecycle.evaluation import Evaluation
from servicetokens.lifecycle.schedule import end_by_spec
from servicetokens.lifecycle.snapshot import Snapshot, find_role, roles_asked_for


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a token is not ready. *stalled*: only a person can change it. *blocks_mint*: nothing is minted until then.

    *note* is the message of an Event: without times, so that equal ones are counted and not repeated. By default it is
    the message of the condition.
    """

    reason: Reason
    message: str
    stalled: bool = False
    blocks_mint: bool = True
    note: str = ""

    @property
    def event_note(self) -> str:
        """What an Event says of it."""
        return self.note or self.message


Check = Callable[[Evaluation], Finding | None]


def spec_is_invalid(evaluation: Evaluation) -> Finding | None:
    """The stored spec breaks today's rules: it is older than they are, or the CRD is another one."""
    if evaluation.snapshot.token.spec is not None:
        return None
    error = evaluation.snapshot.token.spec_error
    message = f"The spec breaks the rules of this version: {error}. Correct it and apply it again."
    return Finding(Reason.INVALID_SPEC, message, stalled=True)


def end_has_passed_before_the_start(evaluation: Evaluation) -> Finding | None:
    """The token never lived: its fixed end had passed before anything was minted. Most likely a wrong year."""
    spec, status = evaluation.snapshot.token.spec, evaluation.snapshot.token.status
    end = spec.expiration_time if spec else None
    if end is None or end > evaluation.now or status.serial is not None or status.credentials:
        return None
    message = (
        f"`spec.expirationTime` ({times.moment(end)}) had passed before a token was minted, so there is none. "
        "Set a time in the future."
    )
    return Finding(Reason.ALREADY_EXPIRED, message, stalled=True)


def account_is_missing(evaluation: Evaluation) -> Finding | None:
    """The account does not exist: not yet, or no longer."""
    account = evaluation.snapshot.account
    if account is not None and not account.deleting:
        return None
    if account is not None:
        message = (
            f"{words.account_is_going(account.name)} "
            "Create it again after it was deleted: then a new token is minted."
        )
        return Finding(Reason.ACCOUNT_NOT_FOUND, message)
    message = (
        f"Waiting for the ServiceAccount '{evaluation.snapshot.token.account_name}' of servicetokens.dev in this "
        "namespace; create it, or correct `spec.accountRef.name` in a new ServiceToken."
    )
    return Finding(Reason.ACCOUNT_NOT_FOUND, message)


def key_is_missing(evaluation: Evaluation) -> Finding | None:
    """There is no key to sign with. The operator makes the first one itself, and never another while tokens exist."""
    if evaluation.snapshot.keys.newest is not None:
        return None
    return Finding(Reason.KEY_MISSING, evaluation.snapshot.keys.error, stalled=True)


def account_is_invalid(evaluation: Evaluation) -> Finding | None:
    """The account breaks today's rules, so its policy and its kill switch are unknown."""
    account = evaluation.snapshot.account
    if account is None or account.spec is not None:
        return None
    message = (
        f"The spec of the ServiceAccount '{account.name}' breaks the rules of this version: {account.spec_error}. "
        "Correct it and apply it again."
    )
    return Finding(Reason.INVALID_SPEC, message, stalled=True)


def lifetime_is_too_long(evaluation: Evaluation) -> Finding | None:
    """The token would live longer than the account or one of its roles allows."""
    spec, limit = evaluation.snapshot.token.spec, lives_too_long(evaluation.snapshot, evaluation.mint_time)
    if spec is None or limit is None:
        return None
    end = end_by_spec(spec, evaluation.mint_time)
    asked = (
        "never to expire" if end is None else f"a lifetime of {times.duration(end - evaluation.mint_time)}"
    )
    if spec.expiration_time is not None:
        # Not for how long: that would be another message, and another write, with every second.
        asked = f"to be valid until {times.moment(end)}"
    message = (
        f"The token requests {asked}, and {limit.whose} allows at most {times.duration(limit.seconds)}. "
        "Shorten `spec.expiresAfter` or `spec.expirationTime`, or have `maxLifetime` raised there."
    )
    return Finding(Reason.LIFETIME_TOO_LONG, message, stalled=True)


def secret_is_foreign(evaluation: Evaluation) -> Finding | None:
    """The Secret's name is taken by something that is not ours to touch."""
    secret, token = evaluation.snapshot.secret, evaluation.snapshot.token
    if secret is None or not secret.is_foreign_to(token):
        return None
    message = (
        f"The Secret '{token.secret_name}' exists already with type '{secret.type}'"
        f"{secret.describe_holder(token)}, and is not changed. "
        "Delete or rename it, or create a ServiceToken with another `spec.secret.name`."
    )
    return Finding(Reason.SECRET_CONFLICT, message, stalled=True)


def import_is_impossible(evaluation: Evaluation) -> Finding | None:
    """The value to be imported does not exist, or is too weak. It cannot be imported later."""
    obstacle = importing.find_obstacle(evaluation.snapshot, evaluation.now)
    if obstacle is None:
        return None
    reason, message = obstacle
    return Finding(reason, message, stalled=reason is Reason.IMPORT_REJECTED)


def role_is_not_granted(evaluation: Evaluation) -> Finding | None:
    """A role asked for is not granted: it does not exist, does not list this namespace, or the account lacks it.

    A live credential goes on without the role (roles are resolved when a token is presented), so only the
    first mint waits.
    """
    missing = _ungranted(evaluation.snapshot)
    if not missing:
        return None
    is_first = evaluation.cause is MintCause.FIRST
    return Finding(
        _reason_of(missing),
        _sentence(missing, evaluation.snapshot, waits=is_first),
        stalled=_reason_of(missing) is Reason.ROLE_NOT_GRANTED,
        blocks_mint=is_first,
    )


def secret_cannot_be_written(evaluation: Evaluation) -> Finding | None:
    """The API server rejects the Secret (a quota, an admission rule), or another writer keeps reverting it."""
    memory, name = evaluation.snapshot.memory, evaluation.snapshot.token.secret_name
    if memory.not_before <= evaluation.now or not evaluation.owes:
        return None
    if memory.delivery_error:
        return Finding(Reason.DELIVERY_FAILED, describe_rejection(evaluation))
    if not _replaces_what_was_undone(evaluation):
        return None
    message = (
        f"The Secret '{name}' was {who_undid(evaluation.snapshot)} soon after the operator had written it. {PATIENCE} "
        f"{words.sentence_case(_what_is_valid_meanwhile(evaluation))}"
    )
    later = f" The next token is minted at {times.moment(memory.not_before)}."
    return Finding(Reason.SECRET_MISSING, message + later, note=message)


def _replaces_what_was_undone(evaluation: Evaluation) -> bool:
    """Say whether a mint would restore what a user has removed.

    A scheduled rotation is no exception once there is nothing left to rotate; one that was begun is finished.
    """
    if evaluation.cause is MintCause.ROTATION_DUE:
        return evaluation.alive.current is None and evaluation.alive.pending is None
    return evaluation.cause is MintCause.SECRET_LOST


PATIENCE: Final = (
    "The operator repairs it immediately the first time, then with delays that double from 10 s to 5 min. "
    "Stop what changes it."
)


def describe_rejection(evaluation: Evaluation) -> str:
    """Return why the Secret is not written, and what that means."""
    token, memory = evaluation.snapshot.token, evaluation.snapshot.memory
    return (
        f"Failed to write the Secret '{token.secret_name}': {memory.delivery_error}. "
        f"The operator retries until it succeeds; {_what_is_valid_meanwhile(evaluation)}"
    )


def who_undid(snapshot: Snapshot) -> str:
    """Return what happened to the Secret, and who did it where that is known: the words after "it was"."""
    secret = snapshot.secret
    if secret is None:
        return "deleted again"
    return f"changed again by '{secret.changed_by}'" if secret.changed_by else "changed again"


def _what_is_valid_meanwhile(evaluation: Evaluation) -> str:
    """Return what the delay means for the users of the token: the end of a sentence."""
    current, status = evaluation.alive.current, evaluation.snapshot.token.status
    if current is None and evaluation.cause is None:
        return "the token has ended and stays rejected."
    if current is not None and _is_taken_back(evaluation.snapshot):
        return "the token in it stays as it is, and rejected."
    if current is not None and evaluation.cause is None:
        return "the token in it stays valid."
    if current is not None:
        end = current.expiration_time
        at_most = f", at most until {times.moment(end)}" if end is not None else ""
        return f"the token in the Secret stays valid until then{at_most}."
    if evaluation.alive.older is not None:
        until = times.moment(evaluation.alive.older.expiration_time)
        which = "imported value" if evaluation.alive.older.origin is Origin.IMPORTED else "previous token"
        return f"until then only the {which} is valid, at most until {until}."
    if evaluation.alive.pending is not None and status.mint_time is not None:
        spec = evaluation.snapshot.token.spec
        why = "revocationReason: KeyCompromise" if is_compromised(spec) else "rotation.overlap: 0s"
        return (
            f"until then no token is valid: `{why}` ended the previous one without waiting for the delivery."
        )
    return "until then no token is valid."


def _is_taken_back(snapshot: Snapshot) -> bool:
    """Say whether validators reject the token by a user's decision, whatever the Secret holds."""
    spec, account = snapshot.token.spec, snapshot.account
    is_suspended = account is not None and account.spec is not None and account.spec.state == "Suspended"
    is_revoked = spec is not None and spec.state == "Revoked"
    return is_revoked or is_suspended or snapshot.token.status.suspension_time is not None


CHECKS: tuple[Check, ...] = (
    spec_is_invalid,  # nothing else can be checked
    end_has_passed_before_the_start,  # nothing would help
    account_is_missing,  # whose token would it be
    account_is_invalid,  # its limits and its kill switch are unknown
    key_is_missing,  # nothing could be verified
    lifetime_is_too_long,  # against the policy of the account or of a role
    secret_is_foreign,  # nowhere to deliver to
    secret_cannot_be_written,  # not now
    import_is_impossible,  # only the first mint can be accompanied by it
    role_is_not_granted,  # the credential would carry less than it says
)


def find_obstacles(evaluation: Evaluation, ordered: tuple[Check, ...] = CHECKS) -> tuple[Finding, ...]:
    """Return what stands in the way, the first reason first, up to one that blocks the mint: the last, if any does."""
    found: list[Finding] = []
    for check in ordered:
        finding = check(evaluation)
        if finding is not None:
            found.append(finding)
            if finding.blocks_mint:
                break
    return tuple(found)


def describe_roles(snapshot: Snapshot, *, waits: bool) -> tuple[Reason, str]:
    """Return reason and message of the condition RolesAccepted. *waits*: nothing is minted without these roles."""
    missing = _ungranted(snapshot)
    if missing:
        return _reason_of(missing), _sentence(missing, snapshot, waits=waits)
    asked = roles_asked_for(snapshot.token, snapshot.account)
    if not asked:
        return Reason.NO_ROLES, f"The token has no roles. {words.without_roles('it', 'it', none_asked=True)}"
    return Reason.ALL_GRANTED, f"Granted: {', '.join(asked)}."


def _ungranted(snapshot: Snapshot) -> list[tuple[str, Reason]]:
    namespace = snapshot.token.namespace
    account = snapshot.account
    found: list[tuple[str, Reason]] = []
    for name in roles_asked_for(snapshot.token, account):
        role = find_role(snapshot.roles, name)
        if role is None:
            found.append((name, Reason.ROLE_NOT_FOUND))
        elif not role.grants(namespace) or (account and account.spec and name not in account.spec.roles):
            found.append((name, Reason.ROLE_NOT_GRANTED))
    return found


def _reason_of(missing: list[tuple[str, Reason]]) -> Reason:
    """Return one reason for all: a role that exists is not granted, one that does not may still be created."""
    is_refused = any(reason is Reason.ROLE_NOT_GRANTED for _, reason in missing)
    return Reason.ROLE_NOT_GRANTED if is_refused else Reason.ROLE_NOT_FOUND


def _sentence(missing: list[tuple[str, Reason]], snapshot: Snapshot, *, waits: bool) -> str:
    parts = []
    for name, reason in missing:
        role = find_role(snapshot.roles, name)
        if reason is Reason.ROLE_NOT_FOUND and snapshot.roles.get(name) is not None:
            parts.append(words.role_is_going(name))
        elif reason is Reason.ROLE_NOT_FOUND:
            parts.append(words.role_is_absent(name))
        elif role is not None and not role.grants(snapshot.token.namespace):
            parts.append(words.role_is_elsewhere(name, snapshot.token.namespace))
        else:
            parts.append(
                f"the ServiceAccount '{snapshot.token.account_name}' does not have the role '{name}' in `spec.roles`"
            )
    text = "; ".join(parts)
    is_without = len(missing) == len(roles_asked_for(snapshot.token, snapshot.account))
    if waits:
        effect = "No token is minted until then."
    elif is_without:
        consequence = words.without_roles("it", "it", none_asked=False)
        effect = f"Until then the token has no roles. {consequence}"
    else:
        effect = "Until then the token has only its other roles."
    return f"{words.sentence_case(text)}. {effect}"
