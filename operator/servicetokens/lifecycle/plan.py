"""One function decides about a token: `plan(snapshot, now)`.

                        spec.state: Revoked                      spec.state: Active, not expired
       Pending ──mint──▶ Active ─────────────▶ Revoked ──────────────────────────────▶ Active
          │               │  ▲                    │ expiry keeps running while revoked
          │ account/role  │  │ rotate             ▼
          │ missing       └──┘                 Expired ◀── expiry ── Active (no rotation)
          ▼                                       │ a later expiry or a new rotation.id
       waits, and says for what                   └────────────▶ mints a fresh credential

It is level-triggered: it looks at what is, not at what happened, so running it twice, late, or after a crash
between two writes is free. In this order it asks

    1. which credentials live            credentials.living
    2. whether another one is needed     credentials.mint_cause
    3. what stands in the way            checks.CHECKS
    4. which credential becomes current  arrival.find_arrival
    5. whether nobody uses it            unused.judge
    6. what status and Secret should be  and leaves out what they are already; `Active` by policy.acceptance
    7. when time alone changes that      requeue_at

Revocation and suspension are acceptance, not minting: a revoked token, or one that was suspended because nobody
used it, rotates and is repaired as any other, so that restoring it brings back a token that works.
"""

import dataclasses
from typing import Final

from servicetokens.api.conditions import ConditionType
from servicetokens.api.service_token import Credential, ServiceTokenStatus
from servicetokens.lifecycle import conditions, importing, schedule, unused
from servicetokens.lifecycle.actions import Deliver, MintCause, Plan, SecretWrite
from servicetokens.lifecycle.arrival import Arrival, answered, find_arrival, status_ahead
from servicetokens.lifecycle.checks import Situation, first_finding
from servicetokens.lifecycle.content import Subject, desired_content
from servicetokens.lifecycle.credentials import (
    cut_of,
    lives_too_long,
    living,
    mint_cause,
    next_rotation,
    older_after,
    warnings_of,
)
from servicetokens.lifecycle.schedule import next_deadline
from servicetokens.lifecycle.snapshot import SecretFacts, Snapshot
from servicetokens.lifecycle.transitions import events_of
from servicetokens.lifecycle.verdicts import (
    Coming,
    active,
    being_delivered,
    being_replaced,
    deleting,
    verdicts,
)
from servicetokens.tokens import lifetime

# How often a namespace that is being deleted is looked at again: one of that name may be created anew.
_ENDING_RECHECK: Final = 30
# The conditions that are true only while the Secret holds a token that is accepted, or that nothing more is wanted of.
_CLAIMS: Final = (ConditionType.READY, ConditionType.ACTIVE, ConditionType.SECRET_SYNCED)


def plan(snapshot: Snapshot, now: int) -> Plan:
    """Return what has to be done for the token of *snapshot* at *now* (Unix seconds)."""
    if snapshot.memory.namespace_ends:
        return Plan(requeue_at=now + _ENDING_RECHECK)
    if snapshot.token.deleting:
        return _say_that_it_goes(snapshot, now)
    alive = living(snapshot, now)
    it = Situation(snapshot, now, alive, mint_cause(snapshot, alive, now))
    arrival = find_arrival(it)
    status, current, subject = _next_status(it, arrival)
    deliver = _deliver(it, arrival, subject, current)
    owes = it.cause is not None or deliver is not None
    if not owes and snapshot.memory.delivery_error:
        # What was refused is not wanted any more.
        forgiving = dataclasses.replace(snapshot.memory, delivery_error="", not_before=0)
        return plan(dataclasses.replace(snapshot, memory=forgiving), now)
    # Somebody undoes what surrounds the token again and again. A token that is missing is checked for instead.
    is_deferred = deliver is not None and deliver.keeps_value and snapshot.memory.not_before > now
    finding = first_finding(it)
    coming = Coming(
        current=current,
        end=status.expiration_time,
        imported=importing.find_imported(status.credentials),
        account_uid=status.account_uid,
    )
    usable = active(it, finding, coming).status == "True"
    idle = unused.judge(snapshot, now, current, usable=usable)
    # A newer one that waits is more than what surrounds the present one.
    lacks_surroundings = is_deferred and it.cause is None
    found = verdicts(it, finding, coming, idle, delivers=arrival is not None, defers=lacks_surroundings)
    status = status.model_copy(
        update={
            "unused_since_time": idle.since,
            "suspension_time": idle.suspended_at,
            "conditions": conditions.merge(
                status.conditions, found, generation=snapshot.token.generation, now=now
            ),
        }
    )
    ahead = None if is_deferred else _ahead(it, arrival, deliver)
    # A rotation that is not asked for any more is carried through once the Secret holds its token.
    arrives = (it.cause or MintCause.ROTATION_REQUESTED) if arrival is not None else None
    return Plan(
        ahead=ahead,
        status=status
        if arrival is not None or ahead is not None or status != snapshot.token.status
        else None,
        mint=arrival.mint if arrival else None,
        deliver=None if is_deferred else deliver,
        owes=owes,
        arrives=arrives,
        events=events_of(snapshot, status, arrives, finding),
        requeue_at=_requeue_at(it, status, current, idle.look_at),
    )


def _say_that_it_goes(snapshot: Snapshot, now: int) -> Plan:
    """Return a status that says what validators do: they reject a token that is being deleted."""
    before = snapshot.token.status
    found = conditions.merge(before.conditions, deleting(), generation=snapshot.token.generation, now=now)
    status = before.model_copy(update={"observed_generation": snapshot.token.generation, "conditions": found})
    return Plan(status=None if status == before else status)


def _ahead(it: Situation, arrival: Arrival | None, deliver: Deliver | None) -> ServiceTokenStatus | None:
    """Return the status to be written before the Secret, if one is needed."""
    ahead = status_ahead(it, arrival)
    if (
        it.alive.current is not None
        and ahead is not None
        and all(one.is_pending for one in ahead.credentials)
    ):
        # What the Secret still holds is rejected from now on.
        return _while_delivered(it, ahead)
    if it.alive.current is not None and deliver is not None and deliver.write is SecretWrite.RECREATE:
        return _while_replaced(it, ahead)
    return ahead or _withdrawn(it, arrival)


def _withdrawn(it: Situation, arrival: Arrival | None) -> ServiceTokenStatus | None:
    """Return the status that does not call the token usable any more, or None where it does not do so as it is.

    What status lists is over, or not in the Secret any more, and a delivery takes its time.
    """
    status = it.snapshot.token.status
    is_late = arrival is None or arrival.is_delivered or it.alive.current is not None
    if is_late or not any(one.type in _CLAIMS and one.status == "True" for one in status.conditions):
        return None
    left = tuple(one for one in (it.alive.older, it.alive.pending) if one is not None)
    return _while_delivered(it, status.model_copy(update={"credentials": left}))


def _while_replaced(it: Situation, ahead: ServiceTokenStatus | None) -> ServiceTokenStatus | None:
    """Return *ahead*, or what status says, without the claim that the Secret is there: for a moment it will not be.

    Where status does not call the token ready, an attempt has failed, and that goes on being said until one succeeds.
    """
    status = ahead or it.snapshot.token.status
    ready = conditions.find(status.conditions, ConditionType.READY)
    if ready is None or ready.status != "True":
        return ahead
    generation = it.snapshot.token.generation
    found = conditions.merge(status.conditions, being_replaced(it), generation=generation, now=it.now)
    return status.model_copy(update={"conditions": found})


def _while_delivered(it: Situation, status: ServiceTokenStatus) -> ServiceTokenStatus:
    generation = it.snapshot.token.generation
    found = conditions.merge(status.conditions, being_delivered(it), generation=generation, now=it.now)
    return status.model_copy(update={"conditions": found})


def _next_status(
    it: Situation, arrival: Arrival | None
) -> tuple[ServiceTokenStatus, Credential | None, Subject | None]:
    """Return the status without its conditions' new verdicts, its current credential, and what the Secret is about."""
    snapshot, status = it.snapshot, it.snapshot.token.status
    changes: dict[str, object] = {
        "observed_generation": snapshot.token.generation,
        **_revocation_times(it),
    }
    current, older = it.alive.current, it.alive.older
    pending = it.alive.pending if it.cause is not None else None
    if arrival is not None:
        current, pending = arrival.credential, None
        older = importing.imported_now(snapshot, it.now, current.mint_time) or older_after(
            snapshot, it.alive, current.mint_time, it.now
        )
        changes |= answered(snapshot)
    changes["credentials"] = tuple(item for item in (older, current, pending) if item is not None)
    described, subject = _describe_last(it) if current is None else _describe(it, current)
    return status.model_copy(update=changes | described), current, subject


def _describe(it: Situation, current: Credential) -> tuple[dict[str, object], Subject]:
    """Return what the top of status says of the *current* credential."""
    token = it.snapshot.token
    subject = Subject(
        token_id=current.id,
        serial=current.serial,
        mint_time=current.mint_time,
        end=current.expiration_time,
    )
    return {
        # Never back, not even when the newest could not be delivered: one serial is one credential.
        "serial": max(
            current.serial, token.status.serial or 0, *(one.serial for one in token.status.credentials)
        ),
        "mint_time": current.mint_time,
        "token_id": current.id,
        "secret_name": token.secret_name,
        "expiration_time": current.expiration_time,
        "next_rotation_time": next_rotation(token.spec, current.mint_time),
    }, subject


def _describe_last(it: Situation) -> tuple[dict[str, object], Subject | None]:
    """Return what the top of status says when there is no current credential: the last one, if there was one."""
    token, status = it.snapshot.token, it.snapshot.token.status
    last = token.current
    serial = status.serial or (last.serial if last else None)
    if serial is None or (status.mint_time is None and last is not None and last.is_imported):
        # Nothing of ours was ever delivered; an imported value is none.
        return {"expiration_time": _end_that_has_passed(it), "next_rotation_time": None}, None
    mint_time = status.mint_time or (last.mint_time if last else 0)
    end = it.alive.died_at if it.alive.died_at is not None else status.expiration_time
    # Status may have been edited; by the spec it is over all the same, and nothing will be minted.
    end = lifetime.earliest(end, _end_that_has_passed(it))
    subject = Subject(
        token_id=status.token_id or "",
        serial=serial,
        mint_time=mint_time,
        end=end,
        expired=end is not None and end <= it.now,
    )
    return {
        "serial": serial,
        "mint_time": mint_time,
        "expiration_time": end,
        "next_rotation_time": None,
    }, subject


def _end_that_has_passed(it: Situation) -> int | None:
    """Return the fixed end of the spec if it has passed, also before anything was minted: the status says Expired."""
    spec = it.snapshot.token.spec
    end = spec.expiration_time if spec else None
    return end if end is not None and end <= it.now else None


def _revocation_times(it: Situation) -> dict[str, object]:
    """Return the change of the two times, if the token was revoked or restored since the last pass.

    A revocation clears the restoration, so "revoked" and "restored" can be told apart even within one second.
    """
    spec, status = it.snapshot.token.spec, it.snapshot.token.status
    if spec is None:
        return {}
    was_revoked = status.revocation_time is not None and status.restoration_time is None
    if spec.state == "Revoked" and not was_revoked:
        return {"revocation_time": it.now, "restoration_time": None}
    if spec.state != "Revoked" and was_revoked:
        return {"restoration_time": it.now}
    return {}


def _deliver(
    it: Situation, arrival: Arrival | None, subject: Subject | None, current: Credential | None
) -> Deliver | None:
    """Return the write that the Secret needs, or None when it is right or must not be touched."""
    token, secret = it.snapshot.token, it.snapshot.secret
    if subject is None or token.spec is None or (secret is not None and secret.is_foreign_to(token)):
        return None
    if arrival is not None and not arrival.is_delivered:
        return _write(secret, subject)
    if secret is None:
        return None
    held = current if current is not None and secret.holds(current) else None
    is_ours = secret.belongs_to(token)
    is_right = is_ours and not secret.immutable and secret.fingerprint == _fingerprint(it, subject)
    if is_right or (held is None and not (subject.expired and is_ours)):
        return None
    return dataclasses.replace(_write(secret, subject), keeps_value=True, holds=held)


def _fingerprint(it: Situation, subject: Subject) -> str:
    return desired_content(it.snapshot.token, subject).fingerprint


def _write(secret: SecretFacts | None, subject: Subject) -> Deliver:
    if secret is None:
        return Deliver(subject, SecretWrite.CREATE)
    how = SecretWrite.RECREATE if secret.immutable else SecretWrite.REPLACE
    return Deliver(subject, how, secret.resource_version, secret.uid)


def _requeue_at(
    it: Situation, status: ServiceTokenStatus, current: Credential | None, look_at: int | None
) -> int | None:
    snapshot, now = it.snapshot, it.now
    spec, memory = snapshot.token.spec, snapshot.memory
    deadlines: list[int | None] = [item.expiration_time for item in status.credentials]
    deadlines.append(look_at)
    deadlines += [status.expiration_time, status.next_rotation_time, cut_of(snapshot), memory.not_before]
    if current is not None:
        deadlines += [warning.at for warning in warnings_of(snapshot.token, current)]
    if spec is not None and spec.expiration_time is not None and current is None:
        limit = lives_too_long(snapshot, now)
        deadlines += [spec.expiration_time, spec.expiration_time - limit.seconds if limit else None]
    deadlines.append(importing.warns_at(importing.find_imported(status.credentials)))
    if not status.credentials:
        deadlines.append(importing.recheck_at(snapshot, now))
    if snapshot.secret is not None and snapshot.secret.is_foreign_to(snapshot.token):
        deadlines.append(now + schedule.conflict_recheck(status.conditions, now))
    return next_deadline(now, *deadlines)
