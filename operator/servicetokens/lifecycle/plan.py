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
    4. what status and Secret should be  and leaves out what they are already
    5. whether nobody uses it            unused.judge
    6. when time alone changes that      requeue_at

Revocation and suspension are acceptance, not minting: a revoked token, or one that was suspended because nobody
used it, rotates and is repaired as any other, so that restoring it brings back a token that works.
"""

import dataclasses
from typing import Final

from servicetokens.api.conditions import ConditionType
from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.lifecycle import conditions, importing, schedule, unused
from servicetokens.lifecycle.actions import Deliver, Mint, Plan, SecretWrite
from servicetokens.lifecycle.checks import Situation, first_finding, mint_is_blocked
from servicetokens.lifecycle.content import Subject, desired_content
from servicetokens.lifecycle.credentials import (
    cut_of,
    lives_too_long,
    living,
    mint_cause,
    next_rotation,
    next_serial,
    older_after,
)
from servicetokens.lifecycle.schedule import next_deadline
from servicetokens.lifecycle.snapshot import Importable, SecretFacts, Snapshot
from servicetokens.lifecycle.transitions import events_of
from servicetokens.lifecycle.verdicts import verdicts
from servicetokens.tokens import lifetime, verifier

# Stand in a plan's status for what only the mint will know; `with_minted` fills them in.
_BLANK: Final = "blank"
# A foreign Secret is not watched, so its disappearance is noticed by looking again. Minutes, since a person
# has to act first.
_CONFLICT_RECHECK: Final = 60


def plan(snapshot: Snapshot, now: int) -> Plan:
    """Return what has to be done for the token of *snapshot* at *now* (Unix seconds)."""
    if snapshot.token.deleting:
        return Plan()
    alive = living(snapshot, now)
    it = Situation(snapshot, now, alive, mint_cause(snapshot, alive, now))
    mint = _mint(it)
    status, subject = _next_status(it, mint)
    deliver = _deliver(it, mint, subject)
    finding = first_finding(it)
    current = (
        next((item for item in status.credentials if item.serial == subject.serial), None)
        if subject
        else None
    )
    found = verdicts(
        it,
        finding,
        current,
        status.expiration_time,
        imported=importing.find_imported(status.credentials),
        delivers=deliver is not None,
    )
    usable = any(one.type is ConditionType.ACTIVE and one.status == "True" for one in found)
    idle = unused.judge(snapshot, now, current, usable=usable)
    status = status.model_copy(
        update={
            "unused_since_time": idle.since,
            "suspension_time": idle.suspended_at,
            "conditions": conditions.merge(
                status.conditions, idle.refuse(found), generation=snapshot.token.generation, now=now
            ),
        }
    )
    return Plan(
        status=status if mint is not None or status != snapshot.token.status else None,
        mint=mint,
        deliver=deliver,
        events=events_of(snapshot.token, status, mint),
        requeue_at=_requeue_at(it, status, current, idle.look_at),
    )


def with_minted(status: ServiceTokenStatus, mint: Mint, token_id: str, value: str) -> ServiceTokenStatus:
    """Return the planned *status* with the blank credential filled in: its public id and its verifier's *value*."""
    filled = tuple(
        credential
        if credential.serial != mint.serial
        else credential.model_copy(
            update={
                "id": token_id,
                "verifier": Verifier(algorithm=verifier.ALGORITHM, key_id=mint.key_id, value=value),
            }
        )
        for credential in status.credentials
    )
    return status.model_copy(update={"credentials": filled, "token_id": token_id})


def _mint(it: Situation) -> Mint | None:
    newest = it.snapshot.keys.newest
    if it.cause is None or newest is None or mint_is_blocked(it):
        return None
    serial = next_serial(it.snapshot) + (1 if importing.is_waiting(it.snapshot, it.now) else 0)
    return Mint(serial=serial, key_id=newest, cause=it.cause)


def _next_status(it: Situation, mint: Mint | None) -> tuple[ServiceTokenStatus, Subject | None]:
    """Return the status without its conditions' new verdicts, and the credential that the Secret is about."""
    status = it.snapshot.token.status
    changes: dict[str, object] = {
        "observed_generation": it.snapshot.token.generation,
        **_revocation_times(it),
    }
    current, older = it.alive.current, it.alive.older
    if mint is not None:
        current, older = _blank(it, mint), older_after(mint.cause, it.snapshot, it.alive, it.now)
        if isinstance(it.snapshot.imported, Importable) and importing.is_waiting(it.snapshot, it.now):
            older = importing.imported_credential(it.snapshot, it.snapshot.imported, _mint_time(it))
        changes |= _minted_for(it)
    changes["credentials"] = tuple(item for item in (older, current) if item is not None)
    described, subject = _describe_last(it) if current is None else _describe(it, current)
    return status.model_copy(update=changes | described), subject


def _minted_for(it: Situation) -> dict[str, object]:
    """Return what a mint records: whom it was made for, and which `rotation.id` it has answered."""
    account, spec = it.snapshot.account, it.snapshot.token.spec
    recorded: dict[str, object] = {"account_uid": account.uid if account else None}
    if spec is not None and spec.rotation is not None and spec.rotation.id is not None:
        recorded["rotation_id"] = spec.rotation.id
    return recorded


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
        "serial": max(current.serial, token.status.serial or 0),
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
    if serial is None:
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


def _blank(it: Situation, mint: Mint) -> Credential:
    mint_time = _mint_time(it)
    return Credential(
        serial=mint.serial,
        id=_BLANK,
        mint_time=mint_time,
        expiration_time=schedule.end_by_spec(it.snapshot.token.spec, mint_time),
        verifier=Verifier(algorithm=verifier.ALGORITHM, key_id=mint.key_id, value=_BLANK),
    )


def _mint_time(it: Situation) -> int:
    return lifetime.mint_time_after(cut_of(it.snapshot), it.now)


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


def _deliver(it: Situation, mint: Mint | None, subject: Subject | None) -> Deliver | None:
    """Return the write that the Secret needs, or None when it is right, must not be touched, or has to wait."""
    token, secret, memory = it.snapshot.token, it.snapshot.secret, it.snapshot.memory
    if subject is None or token.spec is None or (secret is not None and secret.is_foreign_to(token)):
        return None
    if mint is not None:
        return _write(secret, subject)
    if memory.not_before > it.now:
        return None
    if memory.undelivered == subject.serial:
        return _write(secret, subject)
    if secret is None or not secret.belongs_to(token):
        return None
    held = it.alive.current if it.alive.current is not None and secret.holds(it.alive.current) else None
    is_right = secret.fingerprint == desired_content(token, subject).fingerprint and not secret.immutable
    if is_right or (held is None and not subject.expired):
        return None
    return dataclasses.replace(_write(secret, subject), keeps_value=True, holds=held)


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
    if current is not None and current.expiration_time is not None and status.next_rotation_time is None:
        deadlines += [
            warning.at for warning in schedule.expiry_warnings(current.mint_time, current.expiration_time)
        ]
    if spec is not None and spec.expiration_time is not None and current is None:
        limit = lives_too_long(snapshot, now)
        deadlines += [spec.expiration_time, spec.expiration_time - limit.seconds if limit else None]
    deadlines.append(importing.warns_at(importing.find_imported(status.credentials)))
    if not status.credentials:
        deadlines.append(importing.recheck_at(snapshot, now))
    if snapshot.secret is not None and snapshot.secret.is_foreign_to(snapshot.token):
        deadlines.append(now + _CONFLICT_RECHECK)
    return next_deadline(now, *deadlines)
