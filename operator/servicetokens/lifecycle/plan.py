"""One function decides about a token: `plan(snapshot, now, mint)`.

                        spec.state: Revoked                      spec.state: Active, not expired
       Pending ──mint──▶ Active ─────────────▶ Revoked ──────────────────────────────▶ Active
          │               │  ▲                    │ expiry keeps running while revoked
          │ account/role  │  │ rotate             ▼
          │ missing       └──┘                 Expired ◀── expiry ── Active (no rotation)
          ▼                                       │ a later expiry or a new rotation.id
       waits, and says for what                   └────────────▶ mints a fresh credential

It is level-triggered: it looks at what is, not at what happened, so running it twice, late, or after a crash
between two writes is free. In this order it asks

    1. which credentials live             credentials.living
    2. whether another one is needed      credentials.mint_cause
    3. what the Secret holds that status  arrival.find_delivered, secret_update.find_repair
       does not list, or holds wrongly
    4. what stands in the way             checks.find_obstacles
    5. which credential becomes current   arrival.find_arrival, which mints it if it has to be minted
    6. whether validators accept it       acceptance.find_acceptance, of which disuse is a part
    7. what status and Secret should be   and leaves out what they are already
    8. when time alone changes that       requeue_at

Revocation and suspension are acceptance, not minting: a revoked token, or one that was suspended because it
was not used, rotates and is repaired as any other, so that it works when it is restored.
"""

from typing import Final

from servicetokens.api.conditions import ConditionType
from servicetokens.api.service_token import Credential, ServiceTokenStatus
from servicetokens.lifecycle import conditions, importing, schedule
from servicetokens.lifecycle.acceptance import Outcome, find_acceptance
from servicetokens.lifecycle.actions import MintCause, Minter, Plan, SecretUpdate, SecretWrite
from servicetokens.lifecycle.arrival import answered, find_arrival, find_delivered, status_ahead
from servicetokens.lifecycle.checks import find_obstacles
from servicetokens.lifecycle.content import Subject
from servicetokens.lifecycle.credentials import (
    cut_of,
    lives_too_long,
    living,
    mint_cause,
    next_rotation,
    older_after,
    warnings_of,
)
from servicetokens.lifecycle.evaluation import Arrival, Evaluation
from servicetokens.lifecycle.schedule import next_deadline
from servicetokens.lifecycle.secret_update import (
    find_repair,
    fixed_end_that_has_passed,
    last_subject,
    subject_of,
    write_of,
)
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.lifecycle.token_conditions import (
    being_delivered,
    being_replaced,
    condition_updates,
    deleting,
)
from servicetokens.lifecycle.transitions import events_of

# How often a namespace that is being deleted is looked at again: one of that name may be created again.
_ENDING_RECHECK: Final = 30
# The conditions that are true only while the Secret holds a token that is accepted, or that nothing more is wanted of.
_CLAIMS: Final = (ConditionType.READY, ConditionType.ACTIVE, ConditionType.SECRET_SYNCED)


def plan(snapshot: Snapshot, now: int, mint: Minter) -> Plan:
    """Return what has to be done for the token of *snapshot* at *now* (Unix seconds).

    *mint* is called once, if a new credential is due.
    """
    if snapshot.memory.namespace_ends:
        return Plan(requeue_at=now + _ENDING_RECHECK)
    if snapshot.token.deleting:
        return _mark_deleting(snapshot, now)
    evaluation = evaluate(snapshot, now)
    obstacles = find_obstacles(evaluation)
    finding = next(iter(obstacles), None)
    arrival = find_arrival(evaluation, mint, is_blocked=any(one.blocks_mint for one in obstacles))
    current = arrival.credential if arrival is not None else evaluation.alive.current
    subject = subject_of(current) if current is not None else last_subject(snapshot, evaluation.alive, now)
    status = _next_status(evaluation, arrival, current, subject)
    outcome = Outcome(
        current=current,
        end=status.expiration_time,
        imported=importing.find_imported(status.credentials),
        account_uid=status.account_uid,
    )
    acceptance = find_acceptance(evaluation, finding, outcome)
    deliver = _deliver(evaluation, arrival, subject)
    # Another writer keeps reverting what surrounds the token. A token that is missing is checked for instead.
    is_deferred = deliver is not None and deliver.keeps_value and snapshot.memory.not_before > now
    # A newer one that waits is more than what surrounds the present one.
    lacks_surroundings = is_deferred and evaluation.cause is None
    updates = condition_updates(
        evaluation,
        finding,
        outcome,
        acceptance,
        delivers=arrival is not None,
        defers=lacks_surroundings,
    )
    status = status.model_copy(
        update={
            "unused_since_time": acceptance.disuse.since,
            "suspension_time": acceptance.disuse.suspended_at,
            "conditions": conditions.merge(
                status.conditions, updates, generation=snapshot.token.generation, now=now
            ),
        }
    )
    ahead = None if is_deferred else _ahead(evaluation, arrival, deliver)
    # A rotation that is not asked for any more is carried through once the Secret holds its token.
    arrives = (evaluation.cause or MintCause.ROTATION_REQUESTED) if arrival is not None else None
    is_new = arrival is not None or ahead is not None or status != snapshot.token.status
    return Plan(
        ahead=ahead,
        status=status if is_new else None,
        mint=arrival.mint if arrival else None,
        deliver=None if is_deferred else deliver,
        owes=evaluation.owes,
        arrives=arrives,
        events=events_of(snapshot, status, arrives, finding),
        requeue_at=_requeue_at(evaluation, status, current, acceptance.disuse.look_at),
    )


def evaluate(snapshot: Snapshot, now: int) -> Evaluation:
    """Return what follows from *snapshot* before anything is decided."""
    alive = living(snapshot, now)
    cause = mint_cause(snapshot, alive, now)
    delivered = find_delivered(snapshot, alive, cause, now)
    current = delivered.credential if delivered is not None else alive.current
    subject = subject_of(current) if current is not None else last_subject(snapshot, alive, now)
    repair = find_repair(snapshot, subject, current)
    return Evaluation(snapshot, now, alive, cause, delivered, repair)


def _mark_deleting(snapshot: Snapshot, now: int) -> Plan:
    """Return a status that says what validators do: they reject a token that is being deleted."""
    before = snapshot.token.status
    found = conditions.merge(before.conditions, deleting(), generation=snapshot.token.generation, now=now)
    status = before.model_copy(update={"observed_generation": snapshot.token.generation, "conditions": found})
    return Plan(status=None if status == before else status)


def _ahead(
    evaluation: Evaluation, arrival: Arrival | None, deliver: SecretUpdate | None
) -> ServiceTokenStatus | None:
    """Return the status to be written before the Secret, if one is needed."""
    ahead = status_ahead(evaluation, arrival)
    if (
        evaluation.alive.current is not None
        and ahead is not None
        and all(one.is_pending for one in ahead.credentials)
    ):
        # What the Secret still holds is rejected from now on.
        return _while_delivered(evaluation, ahead)
    if evaluation.alive.current is not None and deliver is not None and deliver.write is SecretWrite.RECREATE:
        return _while_replaced(evaluation, ahead)
    return ahead or _withdrawn(evaluation, arrival)


def _withdrawn(evaluation: Evaluation, arrival: Arrival | None) -> ServiceTokenStatus | None:
    """Return the status that does not call the token usable any more, or None where it does not do so as it is.

    What status lists is over, or not in the Secret any more, and a delivery takes its time.
    """
    status = evaluation.snapshot.token.status
    is_late = arrival is None or arrival.is_delivered or evaluation.alive.current is not None
    if is_late or not any(one.type in _CLAIMS and one.status == "True" for one in status.conditions):
        return None
    left = tuple(one for one in (evaluation.alive.older, evaluation.alive.pending) if one is not None)
    changes: dict[str, object] = {"credentials": left}
    if evaluation.alive.lost is not None and (status.expiration_time or evaluation.now) <= evaluation.now:
        # A cut came before this end, which would be taken for final if this process exits before the delivery is said.
        changes["expiration_time"] = None
    return _while_delivered(evaluation, status.model_copy(update=changes))


def _while_replaced(evaluation: Evaluation, ahead: ServiceTokenStatus | None) -> ServiceTokenStatus | None:
    """Return *ahead*, or what status says, without the claim that the Secret is there: for a moment it will not be.

    Where status does not call the token ready, an attempt has failed, and that goes on being said until one succeeds.
    """
    status = ahead or evaluation.snapshot.token.status
    ready = conditions.find(status.conditions, ConditionType.READY)
    if ready is None or ready.status != "True":
        return ahead
    generation = evaluation.snapshot.token.generation
    found = conditions.merge(
        status.conditions, being_replaced(evaluation), generation=generation, now=evaluation.now
    )
    return status.model_copy(update={"conditions": found})


def _while_delivered(evaluation: Evaluation, status: ServiceTokenStatus) -> ServiceTokenStatus:
    generation = evaluation.snapshot.token.generation
    found = conditions.merge(
        status.conditions, being_delivered(evaluation), generation=generation, now=evaluation.now
    )
    return status.model_copy(update={"conditions": found})


def _next_status(
    evaluation: Evaluation, arrival: Arrival | None, current: Credential | None, subject: Subject | None
) -> ServiceTokenStatus:
    """Return the status once *arrival* is delivered, its conditions as they were."""
    snapshot, status = evaluation.snapshot, evaluation.snapshot.token.status
    changes: dict[str, object] = {
        "observed_generation": snapshot.token.generation,
        **_revocation_times(evaluation),
    }
    older = evaluation.alive.older
    pending = evaluation.alive.pending if evaluation.cause is not None else None
    if arrival is not None:
        pending = None
        delivered_at = arrival.credential.mint_time
        older = importing.imported_now(snapshot, evaluation.now, delivered_at) or older_after(
            snapshot, evaluation.alive, delivered_at, evaluation.now
        )
        changes |= answered(snapshot)
    changes["credentials"] = tuple(item for item in (older, current, pending) if item is not None)
    described = _describe_last(evaluation, subject) if current is None else _describe(evaluation, current)
    return status.model_copy(update=changes | described)


def _describe(evaluation: Evaluation, current: Credential) -> dict[str, object]:
    """Return what the top of status says of the *current* credential."""
    token = evaluation.snapshot.token
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
    }


def _describe_last(evaluation: Evaluation, last: Subject | None) -> dict[str, object]:
    """Return what the top of status says when there is no current credential: of the *last* one, if there was one."""
    if last is None:
        end = fixed_end_that_has_passed(evaluation.snapshot, evaluation.now)
        return {"expiration_time": end, "next_rotation_time": None}
    return {
        "serial": last.serial,
        "mint_time": last.mint_time,
        "expiration_time": last.end,
        "next_rotation_time": None,
    }


def _revocation_times(evaluation: Evaluation) -> dict[str, object]:
    """Return the change of the two times, if the token was revoked or restored since the last pass.

    A revocation clears the restoration, which tells "revoked" from "restored" even within one second.
    """
    spec, status = evaluation.snapshot.token.spec, evaluation.snapshot.token.status
    if spec is None:
        return {}
    was_revoked = status.revocation_time is not None and status.restoration_time is None
    if spec.state == "Revoked" and not was_revoked:
        return {"revocation_time": evaluation.now, "restoration_time": None}
    if spec.state != "Revoked" and was_revoked:
        return {"restoration_time": evaluation.now}
    return {}


def _deliver(evaluation: Evaluation, arrival: Arrival | None, subject: Subject | None) -> SecretUpdate | None:
    """Return the write that the Secret needs, or None when it is right or must not be touched."""
    if arrival is None or arrival.is_delivered or subject is None:
        return evaluation.repair
    return write_of(evaluation.snapshot.secret, subject)


def _requeue_at(
    evaluation: Evaluation, status: ServiceTokenStatus, current: Credential | None, look_at: int | None
) -> int | None:
    snapshot, now = evaluation.snapshot, evaluation.now
    spec, memory = snapshot.token.spec, snapshot.memory
    deadlines: list[int | None] = [item.expiration_time for item in status.credentials]
    deadlines.append(look_at)
    retry_at = memory.not_before if evaluation.owes else None
    deadlines += [status.expiration_time, status.next_rotation_time, cut_of(snapshot), retry_at]
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
