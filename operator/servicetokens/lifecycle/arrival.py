"""The credential that becomes current in a pass: minted in it, waiting to be delivered, or delivered unnoticed.

    first mint                        Secret              →  status
    lost, cut, renewed, replaced      status (not ready)  →  Secret  →  status
    rotation, import                  status (pending)    →  Secret  →  status

Where the Secret holds nothing that is accepted, no client uses the new value yet, and no credential is on status before
it was delivered. In a rotation the Secret holds an accepted value until the next one is written, so that one must be
known to validators before: it is pending on status, and the value before it keeps its own end until the delivery.
"""

from dataclasses import dataclass
from typing import Final

from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.lifecycle import importing, schedule
from servicetokens.lifecycle.actions import Mint
from servicetokens.lifecycle.checks import Situation, mint_is_blocked
from servicetokens.lifecycle.credentials import (
    cut_of,
    delivered_now,
    delivery_time,
    is_held,
    next_serial,
    overlap_of,
)
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.tokens import lifetime, verifier

# Stand in a plan's status for what only the mint will know; `with_minted` fills them in.
_BLANK: Final = "blank"


@dataclass(frozen=True, slots=True)
class Arrival:
    """*credential* as it will be on status once it is in the Secret.

    *mint* is None when it was minted in an earlier pass; *is_delivered* says that the Secret holds it already.
    """

    credential: Credential
    mint: Mint | None = None
    is_delivered: bool = False


def find_arrival(it: Situation) -> Arrival | None:
    """Return the credential that becomes current in this pass, or None when none is wanted or it has to wait."""
    snapshot = it.snapshot
    pending, minted, newest = it.alive.pending, snapshot.memory.minted, snapshot.keys.newest
    for candidate in (pending, minted):
        if candidate is not None and _was_delivered(it, candidate):
            return Arrival(
                _at(it, candidate, delivery_time(it.snapshot, candidate, it.now)), is_delivered=True
            )
    if it.cause is None or newest is None or mint_is_blocked(it):
        return None
    if pending is not None and not is_held(snapshot, pending):
        return Arrival(_at(it, pending, delivered_now(it.snapshot, it.now)))
    serial = next_serial(snapshot) + (1 if importing.is_waiting(snapshot, it.now) else 0)
    mint = Mint(serial=serial, key_id=newest, cause=it.cause)
    blank = Verifier(algorithm=verifier.ALGORITHM, key_id=newest, value=_BLANK)
    credential = Credential(serial=serial, id=_BLANK, mint_time=it.now, verifier=blank)
    return Arrival(_at(it, credential, delivered_now(it.snapshot, it.now)), mint)


def status_ahead(it: Situation, arrival: Arrival | None) -> ServiceTokenStatus | None:
    """Return the status that lists *arrival* as pending, where validators have to know it before the Secret holds it.

    Nothing else changes with it: until the delivery everything is as it was. An overlap of nothing ends the credential
    before it immediately, delivered or not.
    """
    if arrival is None or arrival.mint is None:
        return None
    snapshot, status = it.snapshot, it.snapshot.token.status
    changes: dict[str, object] = {"serial": arrival.mint.serial}
    before = it.alive.current
    if (imported := importing.imported_now(snapshot, it.now, arrival.credential.mint_time)) is not None:
        before = imported
        changes["account_uid"] = snapshot.account.uid if snapshot.account else None
    elif before is None:
        return None
    elif overlap_of(snapshot.token.spec) == 0:
        before = None
    pending = arrival.credential.model_copy(update={"delivery": "Pending"})
    changes["credentials"] = tuple(one for one in (before, pending) if one is not None)
    return status.model_copy(update=changes)


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
    is_current = status.token_id == _BLANK
    return status.model_copy(update={"credentials": filled} | ({"token_id": token_id} if is_current else {}))


def _was_delivered(it: Situation, candidate: Credential) -> bool:
    """Say whether the Secret holds *candidate*, which status does not list as delivered, and it is still good."""
    snapshot = it.snapshot
    if not is_held(snapshot, candidate):
        return False
    if candidate is not it.alive.pending and not _was_minted_for_this(it, candidate):
        return False
    end = schedule.end_by_spec(snapshot.token.spec, delivery_time(it.snapshot, candidate, it.now))
    return snapshot.token.spec is not None and (end is None or end > it.now)


def _was_minted_for_this(it: Situation, candidate: Credential) -> bool:
    """Return whether *candidate*, which status does not list, is what is requested now."""
    snapshot, account = it.snapshot, it.snapshot.account
    return (
        it.cause is not None
        and candidate.serial >= next_serial(snapshot)
        and account is not None
        and snapshot.memory.minted_for == account.uid
        and not lifetime.is_cut(candidate.mint_time, cut_of(snapshot), it.now)
    )


def _at(it: Situation, credential: Credential, moment: int) -> Credential:
    """Return *credential* as delivered at *moment*: its lifetime counts from then."""
    end = schedule.end_by_spec(it.snapshot.token.spec, moment)
    return credential.model_copy(update={"mint_time": moment, "expiration_time": end, "delivery": None})


def answered(snapshot: Snapshot) -> dict[str, object]:
    """Return what an arrival records: the account it was minted for, and the `rotation.id` that it answers."""
    account, spec = snapshot.account, snapshot.token.spec
    recorded: dict[str, object] = {} if account is None else {"account_uid": account.uid}
    if spec is not None and spec.rotation is not None and spec.rotation.id is not None:
        recorded["rotation_id"] = spec.rotation.id
    return recorded
