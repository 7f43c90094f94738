"""k8s Events: sent once, when something changes, for readers of `kubectl describe`.

The first mint sends none: it would be a third write for every new token, and the condition has the same content.
"""

from collections.abc import Iterator
from typing import Final

from servicetokens.api import times
from servicetokens.api.conditions import Condition, ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.lifecycle import conditions, importing
from servicetokens.lifecycle.actions import Event, MintCause
from servicetokens.lifecycle.checks import Finding
from servicetokens.lifecycle.credentials import overlap_of
from servicetokens.lifecycle.snapshot import Snapshot, TokenFacts

_MINTED: Final = {
    MintCause.ROTATION_DUE: (
        "Normal",
        "TokenRotated",
        "A new token was minted, as `spec.rotation.every` asks.",
    ),
    MintCause.ROTATION_REQUESTED: (
        "Normal",
        "TokenRotated",
        "A new token was minted, since `spec.rotation.id` changed.",
    ),
    MintCause.NOT_BEFORE: (
        "Warning",
        "TokenReminted",
        "The account's `tokensNotBeforeTime` has passed. A new token was minted, and the old one is rejected.",
    ),
    MintCause.ACCOUNT_REPLACED: (
        "Warning",
        "AccountReplaced",
        "The account was deleted and created again. A new token was minted, and the old one is rejected.",
    ),
    MintCause.RENEWED: (
        "Normal",
        "TokenMinted",
        "The expired token was given a later expiration: a new one was minted.",
    ),
}
_ROTATIONS: Final = frozenset({MintCause.ROTATION_DUE, MintCause.ROTATION_REQUESTED})
WITHOUT_OVERLAP: Final = " The previous one is rejected: there is no overlap."
"""What is added to the message of a rotation that ends the old credential immediately."""
# Reasons of Ready=False for which a person should be notified.
_FINDINGS: Final = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.ACCOUNT_NOT_FOUND,
        Reason.KEY_MISSING,
        Reason.LIFETIME_TOO_LONG,
        Reason.IMPORT_REJECTED,
        Reason.IMPORT_SECRET_MISSING,
        Reason.SECRET_CONFLICT,
        Reason.SECRET_MISSING,
        Reason.DELIVERY_FAILED,
        Reason.ROLE_NOT_GRANTED,
        Reason.ROLE_NOT_FOUND,
        Reason.ALREADY_EXPIRED,
    }
)


def events_of(
    snapshot: Snapshot, after: ServiceTokenStatus, arrives: MintCause | None, finding: Finding | None
) -> tuple[Event, ...]:
    """Return the Events for the change from the status of *snapshot* to *after*, with a credential that *arrives*."""
    token = snapshot.token
    before = token.status
    events = []
    is_a_replacement = arrives is MintCause.FIRST and _replaces_a_value(snapshot, after)
    if arrives is MintCause.SECRET_LOST or is_a_replacement:
        what = _what_was_lost(snapshot)
        events.append(
            Event(
                "Warning",
                "TokenReminted",
                f"{what} A new token was minted, and the old one is rejected.",
            )
        )
    elif arrives in _MINTED:
        kind, reason, note = _MINTED[arrives]
        if arrives in _ROTATIONS and overlap_of(token.spec) == 0:
            note += WITHOUT_OVERLAP
        events.append(Event("Warning" if kind == "Warning" else "Normal", reason, note))
    events += _import_events(token, after, arrives)
    if after.revocation_time != before.revocation_time or (
        before.restoration_time is not None and after.restoration_time is None
    ):
        why = token.spec.revocation_reason if token.spec else None
        events.append(
            Event(
                "Normal", "TokenRevoked", f"Validators reject the token from now on ({why or 'Unspecified'})."
            )
        )
    elif after.restoration_time != before.restoration_time:
        events.append(
            Event("Normal", "TokenRestored", "The same token is accepted again, unless it has expired.")
        )
    events += _of_being_unused(before, after)
    if _became(before.conditions, after.conditions, ConditionType.ACTIVE, {Reason.EXPIRED}):
        events.append(
            Event("Warning", "TokenExpired", f"The token expired at {times.moment(after.expiration_time)}.")
        )
    if (soon := _became_true(before.conditions, after.conditions, ConditionType.EXPIRING_SOON)) is not None:
        events.append(Event("Warning", "TokenExpiringSoon", soon.message))
    near = _became_true(before.conditions, after.conditions, ConditionType.IMPORT_ENDING_SOON)
    if near is not None:
        events.append(Event("Warning", "ImportEndingSoon", near.message))
    trouble = _became(before.conditions, after.conditions, ConditionType.READY, _FINDINGS)
    if trouble is not None and finding is not None:
        events.append(Event("Warning", trouble.reason, finding.event_note))
    return tuple(events)


def _replaces_a_value(snapshot: Snapshot, after: ServiceTokenStatus) -> bool:
    """Say whether the Secret held another value before the first mint: that of a status that was emptied, or a backup.

    Clients may use it; and the first mint of a token whose Secret is new needs no Event.
    """
    secret = snapshot.secret
    return secret is not None and not any(secret.holds(one) for one in after.credentials)


def _what_was_lost(snapshot: Snapshot) -> str:
    """Return why a token could not stay: its Secret was deleted, or holds a value that status does not list."""
    name, secret = snapshot.token.secret_name, snapshot.secret
    if secret is None:
        return f"The Secret '{name}' was deleted."
    who = f" (last changed by '{secret.changed_by}')" if secret.changed_by else ""
    return f"The value in the Secret '{name}' matches no token in status{who}."


def _of_being_unused(before: ServiceTokenStatus, after: ServiceTokenStatus) -> Iterator[Event]:
    active = conditions.find(after.conditions, ConditionType.ACTIVE)
    unused = _became_true(before.conditions, after.conditions, ConditionType.UNUSED)
    if after.suspension_time is not None and before.suspension_time is None and active is not None:
        yield Event("Warning", "TokenSuspended", active.message)
    elif unused is not None and after.suspension_time is None:
        yield Event("Warning", "TokenUnused", unused.message)
    elif before.suspension_time is not None and active is not None and active.status == "True":
        yield Event("Normal", "TokenResumed", "The same token is accepted again.")


def _import_events(token: TokenFacts, after: ServiceTokenStatus, arrives: MintCause | None) -> list[Event]:
    """Return the Events of an import: that it happened, that it is no longer possible, that it is over."""
    before = importing.find_imported(token.status.credentials)
    found = importing.find_imported(after.credentials)
    if before is not None and found is None:
        note = f"Validators reject the imported value ({before.id}) from now on."
        return [Event("Normal", "ImportEnded", note)]
    if arrives is not MintCause.FIRST or importing.until_of(token.spec) is None:
        return []
    if found is None:
        note = (
            "Nothing was imported: `spec.import.until` had passed before the first mint, or the token had a Secret "
            "already. Remove `spec.import`."
        )
        return [Event("Warning", "ImportSkipped", note)]
    note = (
        f"A value was imported as {found.id}, and is accepted until {times.moment(found.expiration_time)}. The Secret "
        "that it came from is never read again; delete it once nothing else needs it."
    )
    return [Event("Normal", "TokenImported", note)]


def _became(
    before: tuple[Condition, ...],
    after: tuple[Condition, ...],
    wanted: ConditionType,
    reasons: set[Reason] | frozenset[Reason],
) -> Condition | None:
    old, new = conditions.find(before, wanted), conditions.find(after, wanted)
    if new is None or new.reason not in reasons:
        return None
    return None if old is not None and old.reason == new.reason else new


def _became_true(
    before: tuple[Condition, ...], after: tuple[Condition, ...], wanted: ConditionType
) -> Condition | None:
    old, new = conditions.find(before, wanted), conditions.find(after, wanted)
    if new is None or new.status != "True":
        return None
    return None if old is not None and old.status == "True" and old.reason == new.reason else new
