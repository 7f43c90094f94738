"""Which credentials live, and whether another one is needed. The arithmetic under `plan`.

    serial 3 ├──────────────── expiresAfter ────────────────┤
             mint            │ delivery of serial 4          end
                             ├─ overlap ─┤
    serial 4               · ├──────────────── expiresAfter ────────────────┤
                   pending

At most two are on status: the current one, and either the one before it until its overlap is over, or the next one
while it is pending. The current one is the one in the Secret: what the Secret does not hold is lost.
"""

from dataclasses import dataclass

from servicetokens.api.origin import Origin
from servicetokens.api.service_token import Credential, Rotation, ServiceTokenSpec, ServiceTokenStatus
from servicetokens.lifecycle import importing
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.schedule import ExpiryWarning, end_by_spec, expiry_warnings
from servicetokens.lifecycle.snapshot import Snapshot, TokenFacts, find_role, roles_asked_for
from servicetokens.tokens import lifetime


@dataclass(frozen=True, slots=True)
class Living:
    """The credentials that may still be accepted, with corrected ends.

    *pending* is the next one, which is not delivered, or was delivered without status saying so. *died_at* is the end
    of the current one if it has just passed; *lost* says why the current one was dropped although its end has not
    come.
    """

    current: Credential | None = None
    older: Credential | None = None
    pending: Credential | None = None
    died_at: int | None = None
    lost: MintCause | None = None


def living(snapshot: Snapshot, now: int) -> Living:
    """Return which of the credentials on status live at *now*, by the spec and the account as they are at *now*.

    Status never counts where it grants more than the spec: a stored end counts only if it is earlier,
    and one that has passed is final (a validator may have rejected the credential already).
    """
    token, account = snapshot.token, snapshot.account
    current = _put_right(snapshot, token.current, now) if token.current is not None else None
    end = current_end(snapshot, current) if current is not None else None
    # It is final: no account of the same name and no cut after it mint another one, whether or not an operator was
    # there to see the end.
    died_at = _first_past(now, current.expiration_time, end) if current is not None else None
    if account is not None and token.status.account_uid != account.uid and token.status.credentials:
        return Living(died_at=died_at, lost=MintCause.ACCOUNT_REPLACED if died_at is None else None)
    pending = _pending(snapshot, now)
    if current is None:
        return Living(pending=pending)
    if current.origin is Origin.IMPORTED or _is_rotated_out(token.status, current):
        # It is alone: its successor was lost or is not delivered yet.
        return Living(older=_older(snapshot, current, token.status.mint_time, now), pending=pending)
    others = (one for one in token.status.credentials if one.serial != current.serial)
    other = next((one for one in others if not token.status.is_undelivered(one)), None)
    older = _older(snapshot, other, current.mint_time, now) if other is not None else None
    cut = cut_of(snapshot)
    is_cut = cut is not None and (died_at is None or cut < died_at)
    if is_cut and lifetime.is_cut(current.mint_time, cut, now):
        return Living(lost=MintCause.NOT_BEFORE, pending=pending)
    if died_at is not None:
        return Living(died_at=died_at, pending=pending)
    if pending is not None and not is_held(snapshot, pending) and overlap_of(snapshot.token.spec) == 0:
        # It ends without waiting for the delivery: an overlap of nothing is for a leak.
        return Living(pending=pending)
    if not _is_where_it_belongs(snapshot, current, pending):
        return Living(older=older, lost=MintCause.SECRET_LOST, pending=pending)
    return Living(
        current=current.model_copy(update={"expiration_time": end, "delivery": None}),
        older=older,
        pending=pending,
    )


def mint_cause(snapshot: Snapshot, alive: Living, now: int) -> MintCause | None:
    """Return why another credential is needed at *now*, whether or not it can be minted; None when it is not."""
    spec = snapshot.token.spec
    if spec is None or not _would_live(spec, now):
        return None
    if alive.current is None:
        return _cause_without_current(snapshot, spec, alive, now)
    if rotation_is_requested(snapshot):
        return MintCause.ROTATION_REQUESTED
    if (due := next_rotation(spec, alive.current.mint_time)) is not None and due <= now:
        return MintCause.ROTATION_DUE
    return None


def older_after(snapshot: Snapshot, alive: Living, delivered_at: int, now: int) -> Credential | None:
    """Return the credential that stays at *now* next to the one that is delivered at *delivered_at*.

    A rotation keeps the current one for its overlap and drops the one before it immediately. Whatever was minted
    because the plaintext is lost has no predecessor in use, and keeps only an overlap that is running.
    """
    if alive.current is None:
        # An imported value has no overlap that could be running: it ends with any rotation.
        is_over = (
            alive.older is not None
            and alive.older.origin is Origin.IMPORTED
            and rotation_is_requested(snapshot)
        )
        return None if is_over and snapshot.token.status.mint_time is not None else alive.older
    overlap = overlap_of(snapshot.token.spec)
    end = lifetime.earliest(alive.current.expiration_time, delivered_at + overlap)
    # Without an overlap it ends now, also where the delivery is dated a second later, as in the second of a cut.
    if overlap == 0 or (end is not None and end <= now):
        return None
    return alive.current.model_copy(update={"expiration_time": end})


def next_serial(snapshot: Snapshot) -> int:
    """Return a serial that no mint of this object has had."""
    status = snapshot.token.status
    return max(status.serial or 0, *(credential.serial for credential in status.credentials), 0) + 1


def next_rotation(spec: ServiceTokenSpec | None, mint_time: int) -> int | None:
    """Return the Unix second at which the clock rotates a credential minted at *mint_time*; None is never."""
    if spec is None or spec.rotation is None or spec.rotation.every is None:
        return None
    due = mint_time + spec.rotation.every
    # With a fixed end there is nothing to rotate into from that moment on.
    return None if spec.expiration_time is not None and due >= spec.expiration_time else due


def warnings_of(token: TokenFacts, current: Credential) -> tuple[ExpiryWarning, ...]:
    """Return when the end of *current* is announced, earliest first; nothing if the clock rotates it before.

    A fixed end is that of every credential before it, so rotations neither prevent nor delay its announcement.
    """
    spec, begun = token.spec, current.mint_time
    if current.expiration_time is None:
        return ()
    if spec is not None and spec.expiration_time is not None:
        begun = min(begun, token.created_at if token.created_at is not None else begun)
    elif next_rotation(spec, begun) is not None:
        return ()
    return expiry_warnings(begun, current.expiration_time)


def rotation_is_requested(snapshot: Snapshot) -> bool:
    """Say whether `rotation.id` has a value that was not acted on yet; removing it requests nothing."""
    rotation = _rotation_of(snapshot.token.spec)
    return (
        rotation is not None and rotation.id is not None and rotation.id != snapshot.token.status.rotation_id
    )


def overlap_of(spec: ServiceTokenSpec | None) -> int:
    """Return the seconds that an old credential outlives a rotation: none while it is known to be in wrong hands."""
    if is_compromised(spec):
        return 0
    rotation = _rotation_of(spec)
    return (
        lifetime.overlap_of(rotation.every, rotation.overlap) if rotation else lifetime.overlap_of(None, None)
    )


def is_compromised(spec: ServiceTokenSpec | None) -> bool:
    """Say whether the token is revoked since its value has leaked: only the newest credential may be restored."""
    return spec is not None and spec.state == "Revoked" and spec.revocation_reason == "KeyCompromise"


def cut_of(snapshot: Snapshot) -> int | None:
    """Return the account's `tokensNotBeforeTime`, if there is one."""
    account = snapshot.account
    return account.spec.tokens_not_before_time if account and account.spec else None


@dataclass(frozen=True, slots=True)
class LifeLimit:
    """The longest life, in seconds, that *whose* allows."""

    seconds: int
    whose: str


def life_limit(snapshot: Snapshot) -> LifeLimit | None:
    """Return the shortest of the account's and the roles' `maxLifetime`; None when none has a limit."""
    token, account = snapshot.token, snapshot.account
    limits = []
    policy = account.spec.token_policy if account and account.spec else None
    # The word `never` is no limit, as is no value.
    if account and policy and isinstance(policy.max_lifetime, int):
        limits.append(LifeLimit(policy.max_lifetime, f"the ServiceAccount '{account.name}'"))
    for name in roles_asked_for(token, account):
        role = find_role(snapshot.roles, name)
        if role is not None and role.spec is not None and isinstance(role.spec.max_lifetime, int):
            limits.append(LifeLimit(role.spec.max_lifetime, f"the ServiceRole '{name}'"))
    return min(limits, key=lambda limit: limit.seconds, default=None)


def lives_too_long(snapshot: Snapshot, mint_time: int) -> LifeLimit | None:
    """Return the limit that a credential minted at *mint_time* breaks by its spec, or None."""
    spec, limit = snapshot.token.spec, life_limit(snapshot)
    if spec is None or limit is None:
        return None
    end = end_by_spec(spec, mint_time)
    return limit if end is None or end - mint_time > limit.seconds else None


def current_end(snapshot: Snapshot, current: Credential) -> int | None:
    """Return the end of *current*: what the spec says, but within a limit set meanwhile, and within its overlap."""
    spec = snapshot.token.spec
    if spec is None:
        return current.expiration_time
    end = end_by_spec(spec, current.mint_time)
    if lives_too_long(snapshot, current.mint_time):
        return lifetime.earliest(end, current.expiration_time)
    return end


def _cause_without_current(
    snapshot: Snapshot, spec: ServiceTokenSpec, alive: Living, now: int
) -> MintCause | None:
    if alive.lost is not None:
        return alive.lost
    status, account = snapshot.token.status, snapshot.account
    if status.mint_time is None and not _was_delivered(snapshot):
        return MintCause.FIRST
    died_at = alive.died_at if alive.died_at is not None else status.expiration_time
    if died_at is None or died_at > now:
        # Dropped by an earlier pass that could not mint, or taken off status by hand.
        if account is not None and status.account_uid not in {None, account.uid}:
            return MintCause.ACCOUNT_REPLACED
        if lifetime.is_cut(status.mint_time or now, cut_of(snapshot), now):
            return MintCause.NOT_BEFORE
        # Until it is delivered, a rotation without an overlap leaves nothing behind.
        return _rotation_wanted(snapshot, spec, now) or MintCause.SECRET_LOST
    if rotation_is_requested(snapshot):
        return MintCause.ROTATION_REQUESTED
    mint_time = status.mint_time or 0
    if next_rotation(spec, mint_time) is not None:
        return MintCause.ROTATION_DUE
    end = end_by_spec(spec, mint_time)
    return MintCause.RENEWED if end is None or end > now else None


def _rotation_wanted(snapshot: Snapshot, spec: ServiceTokenSpec, now: int) -> MintCause | None:
    """Return why the last credential, which no longer exists, would have been rotated out by now."""
    if rotation_is_requested(snapshot):
        return MintCause.ROTATION_REQUESTED
    due = next_rotation(spec, snapshot.token.status.mint_time or now)
    return MintCause.ROTATION_DUE if due is not None and due <= now else None


def _was_delivered(snapshot: Snapshot) -> bool:
    """Say whether status has ever listed a delivered credential of ours, also where it was edited since."""
    status = snapshot.token.status
    if status.serial is not None and not status.credentials:
        return True
    return any(not status.is_undelivered(one) and one.origin is Origin.MINTED for one in status.credentials)


def is_held(snapshot: Snapshot, credential: Credential) -> bool:
    """Say whether the Secret of the token holds *credential*."""
    secret = snapshot.secret
    return secret is not None and not secret.is_foreign_to(snapshot.token) and secret.holds(credential)


def delivery_time(snapshot: Snapshot, credential: Credential, now: int) -> int:
    """Return when *credential*, which is not listed as delivered, was written to the Secret that holds it.

    The Secret is the witness, unless it names a time that has not come. A `mintTime` on status that is later than the
    delivery was moved by hand, or made by a clock that was ahead; it prolongs nothing.
    """
    secret = snapshot.secret
    witnessed = secret.mint_time if secret is not None else None
    if witnessed is None or witnessed > delivered_now(snapshot, now):
        return credential.mint_time
    return witnessed


def delivered_now(snapshot: Snapshot, now: int) -> int:
    """Return the time that counts for what is delivered in the pass at *now*."""
    return lifetime.mint_time_after(cut_of(snapshot), now)


def _put_right(snapshot: Snapshot, credential: Credential, now: int) -> Credential:
    """Return *credential* with its mint time corrected, where the Secret holds it.

    The Secret witnesses an earlier mint than status says. A mint in the future was made by a clock that was ahead:
    the value is still ours, and counts from now on.
    """
    secret = snapshot.secret
    if secret is None or not is_held(snapshot, credential):
        return credential
    minted = credential.mint_time
    if secret.mint_time is not None:
        minted = min(minted, secret.mint_time)
    if minted > now + lifetime.MAX_CLOCK_SKEW:
        minted = now
    return (
        credential if minted == credential.mint_time else credential.model_copy(update={"mint_time": minted})
    )


def _pending(snapshot: Snapshot, now: int) -> Credential | None:
    """Return the next credential if it is in the Secret already and still good, or can still be written there."""
    newest = max(snapshot.token.status.credentials, key=lambda one: one.serial, default=None)
    if newest is None or not snapshot.token.status.is_undelivered(newest):
        return None
    newest = _put_right(snapshot, newest, now)
    if lifetime.is_cut(newest.mint_time, cut_of(snapshot), now):
        return None
    keys, minted = snapshot.keys, snapshot.memory.minted
    if keys.newest is not None and newest.verifier.key_id not in keys.ids:
        return None
    if is_held(snapshot, newest):
        end = end_by_spec(snapshot.token.spec, delivery_time(snapshot, newest, now))
        return newest if end is None or end > now else None
    waits = minted is not None and (minted.serial, minted.id) == (newest.serial, newest.id)
    return newest if waits else None


def _is_where_it_belongs(snapshot: Snapshot, current: Credential, pending: Credential | None) -> bool:
    """Say whether *current* is in the Secret, or was replaced there by *pending*.

    Without keys it cannot be known; and without keys nothing is accepted or minted.
    """
    if snapshot.keys.newest is None or is_held(snapshot, current):
        return True
    return pending is not None and is_held(snapshot, pending)


def _is_rotated_out(status: ServiceTokenStatus, credential: Credential) -> bool:
    """Say whether another one was delivered after *credential*, which is not on status any more."""
    serial, token_id = status.serial or 0, status.token_id
    return token_id is not None and credential.id != token_id and credential.serial < serial


def _older(snapshot: Snapshot, older: Credential, succeeded_at: int | None, now: int) -> Credential | None:
    """Return *older* with its end corrected, or None when it is over. Its successor was delivered at *succeeded_at*."""
    spec = snapshot.token.spec
    if lifetime.is_cut(older.mint_time, cut_of(snapshot), now):
        return None
    overlap_end = succeeded_at + overlap_of(spec) if spec and succeeded_at is not None else None
    end = lifetime.earliest(older.expiration_time, overlap_end, end_by_spec(spec, older.mint_time))
    if older.origin is Origin.IMPORTED:
        rotated_at = next_rotation(spec, succeeded_at) if succeeded_at is not None else None
        end = lifetime.earliest(importing.end_of(older, spec, now), rotated_at)
    if end is not None and end <= now:
        return None
    return older.model_copy(update={"expiration_time": end})


def _would_live(spec: ServiceTokenSpec, now: int) -> bool:
    end = end_by_spec(spec, now)
    return end is None or end > now


def _first_past(now: int, *ends: int | None) -> int | None:
    return min((end for end in ends if end is not None and end <= now), default=None)


def _rotation_of(spec: ServiceTokenSpec | None) -> Rotation | None:
    return spec.rotation if spec else None
