"""The credential that becomes current in a pass: minted in it, waiting to be delivered, or delivered unnoticed.

    first mint                        Secret              →  status
    lost, cut, renewed, replaced      status (not ready)  →  Secret  →  status
    rotation, import                  status (pending)    →  Secret  →  status

Where the Secret holds nothing that is accepted, no client uses the new value yet, and no credential is on status before
it was delivered. In a rotation the Secret holds an accepted value until the next one is written, so that one must be
known to validators before: it is pending on status, and the value before it keeps its own end until the delivery.
"""

from servicetokens.api.service_token import Credential, ServiceTokenStatus
from servicetokens.lifecycle import importing, schedule
from servicetokens.lifecycle.actions import Mint, MintCause, Minter
from servicetokens.lifecycle.credentials import (
    Living,
    cut_of,
    delivered_now,
    delivery_time,
    is_held,
    next_serial,
    overlap_of,
)
from servicetokens.lifecycle.evaluation import Arrival, Evaluation
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.tokens import lifetime


def find_delivered(snapshot: Snapshot, alive: Living, cause: MintCause | None, now: int) -> Arrival | None:
    """Return the credential that the Secret holds already, while status does not list it as delivered; or None."""
    pending, minted = alive.pending, snapshot.memory.minted
    if pending is not None and _was_delivered(snapshot, pending, now):
        return Arrival(_at(snapshot, pending, delivery_time(snapshot, pending, now)), is_delivered=True)
    if (
        minted is not None
        and cause is not None
        and _was_minted_for_this(snapshot, minted, now)
        and _was_delivered(snapshot, minted, now)
    ):
        return Arrival(_at(snapshot, minted, delivery_time(snapshot, minted, now)), is_delivered=True)
    return None


def find_arrival(evaluation: Evaluation, mint: Minter, *, is_blocked: bool) -> Arrival | None:
    """Return the credential that becomes current in this pass, or None when none is wanted or it has to wait.

    One that has to be minted is made by *mint*.
    """
    snapshot, now = evaluation.snapshot, evaluation.now
    pending, newest = evaluation.alive.pending, snapshot.keys.newest
    if evaluation.delivered is not None:
        return evaluation.delivered
    if evaluation.cause is None or newest is None or is_blocked:
        return None
    if pending is not None and not is_held(snapshot, pending):
        return Arrival(_at(snapshot, pending, delivered_now(snapshot, now)))
    mint_time = delivered_now(snapshot, now)
    wanted = Mint(
        serial=next_serial(snapshot) + (1 if importing.is_waiting(snapshot, now) else 0),
        key_id=newest,
        cause=evaluation.cause,
        mint_time=mint_time,
        expiration_time=schedule.end_by_spec(snapshot.token.spec, mint_time),
    )
    return Arrival(mint(wanted), wanted)


def status_ahead(evaluation: Evaluation, arrival: Arrival | None) -> ServiceTokenStatus | None:
    """Return the status that lists *arrival* as pending, where validators have to know it before the Secret holds it.

    Nothing else changes with it: until the delivery everything is as it was. An overlap of nothing ends the credential
    before it immediately, delivered or not.
    """
    if arrival is None or arrival.mint is None:
        return None
    snapshot, status = evaluation.snapshot, evaluation.snapshot.token.status
    changes: dict[str, object] = {"serial": arrival.mint.serial}
    before = evaluation.alive.current
    if (
        imported := importing.imported_now(snapshot, evaluation.now, arrival.credential.mint_time)
    ) is not None:
        before = imported
        changes["account_uid"] = snapshot.account.uid if snapshot.account else None
    elif before is None:
        return None
    elif overlap_of(snapshot.token.spec) == 0:
        before = None
    pending = arrival.credential.model_copy(update={"delivery": "Pending"})
    changes["credentials"] = tuple(one for one in (before, pending) if one is not None)
    return status.model_copy(update=changes)


def _was_delivered(snapshot: Snapshot, candidate: Credential, now: int) -> bool:
    """Say whether the Secret holds *candidate*, which status does not list as delivered, and it is still valid."""
    if not is_held(snapshot, candidate):
        return False
    end = schedule.end_by_spec(snapshot.token.spec, delivery_time(snapshot, candidate, now))
    return snapshot.token.spec is not None and (end is None or end > now)


def _was_minted_for_this(snapshot: Snapshot, candidate: Credential, now: int) -> bool:
    """Return whether *candidate*, which status does not list, is what is requested now."""
    account = snapshot.account
    return (
        candidate.serial >= next_serial(snapshot)
        and account is not None
        and snapshot.memory.minted_for == account.uid
        and not lifetime.is_cut(candidate.mint_time, cut_of(snapshot), now)
    )


def _at(snapshot: Snapshot, credential: Credential, moment: int) -> Credential:
    """Return *credential* as delivered at *moment*: its lifetime counts from then."""
    end = schedule.end_by_spec(snapshot.token.spec, moment)
    return credential.model_copy(update={"mint_time": moment, "expiration_time": end, "delivery": None})


def answered(snapshot: Snapshot) -> dict[str, object]:
    """Return what an arrival records: the account it was minted for, and the `rotation.id` that it answers."""
    account, spec = snapshot.account, snapshot.token.spec
    recorded: dict[str, object] = {} if account is None else {"account_uid": account.uid}
    if spec is not None and spec.rotation is not None and spec.rotation.id is not None:
        recorded["rotation_id"] = spec.rotation.id
    return recorded
