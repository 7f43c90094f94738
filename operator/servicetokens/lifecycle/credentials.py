"""Which credentials live, and whether another one is needed. The arithmetic under `plan`.

    serial 3 ├──────────────── expiresAfter ────────────────┤
             mint            │ rotation                      end
                             ├─ overlap ─┤
    serial 4                 ├──────────────── expiresAfter ────────────────┤

At most two live at once: the current one, and the one before it until its overlap is over.
"""

from dataclasses import dataclass

from servicetokens.api.service_token import Credential, Rotation, ServiceTokenSpec
from servicetokens.lifecycle import importing
from servicetokens.lifecycle.actions import MintCause
from servicetokens.lifecycle.schedule import end_by_spec
from servicetokens.lifecycle.snapshot import Snapshot, find_role, roles_asked_for
from servicetokens.tokens import lifetime
from servicetokens.tokens.imported import is_handle


@dataclass(frozen=True, slots=True)
class Living:
    """The credentials that may still be accepted, their ends put right.

    *died_at* is the end of the current one if it has just passed; *lost* says why the current one was dropped
    although its end has not come.
    """

    current: Credential | None = None
    older: Credential | None = None
    died_at: int | None = None
    lost: MintCause | None = None


def living(snapshot: Snapshot, now: int) -> Living:
    """Return which of the credentials on status live at *now*, by the spec and the account as they are at *now*.

    Nothing here believes status where it is kinder than the spec: a stored end counts only if it is earlier,
    and one that has passed is final (a validator may have refused the credential already).
    """
    token, account = snapshot.token, snapshot.account
    current = _put_right(snapshot)
    if current is None or is_handle(current.id):
        # An imported value is never the current one: somebody took our own token off status.
        return Living()
    if account is not None and token.status.account_uid != account.uid:
        return Living(lost=MintCause.ACCOUNT_REPLACED)
    older = _older(snapshot, current, now)
    if current.mint_time > now + lifetime.MAX_CLOCK_SKEW:
        return Living(lost=MintCause.SECRET_LOST)
    cut = cut_of(snapshot)
    if older is not None and lifetime.is_cut(older.mint_time, cut, now):
        older = None
    if lifetime.is_cut(current.mint_time, cut, now):
        return Living(lost=MintCause.NOT_BEFORE)
    end = current_end(snapshot, current)
    if (died_at := _first_past(now, current.expiration_time, end)) is not None:
        return Living(older=None, died_at=died_at)
    if _is_undeliverable(snapshot, current):
        return Living(older=older, lost=MintCause.SECRET_LOST)
    return Living(current=current.model_copy(update={"expiration_time": end}), older=older)


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
    if snapshot.memory.undelivered == alive.current.serial:
        return None
    if not _is_synced(snapshot, alive.current):
        return MintCause.SECRET_LOST
    return None


def older_after(cause: MintCause, snapshot: Snapshot, alive: Living, now: int) -> Credential | None:
    """Return the credential that stays beside the one about to be minted at *now*.

    A rotation keeps the current one for its overlap and drops the one before it at once. Whatever was minted
    because the plaintext is lost has no successor to wait for, and keeps only an overlap that was running.
    """
    if cause is MintCause.SECRET_LOST:
        return alive.older
    if cause not in {MintCause.ROTATION_DUE, MintCause.ROTATION_REQUESTED} or alive.current is None:
        return None
    if not _is_synced(snapshot, alive.current):
        # Nobody may ever have been given it: a crash between status and Secret looks the same as a lost Secret. An
        # imported value has no overlap that could be running, and ends with any rotation.
        return None if alive.older is not None and is_handle(alive.older.id) else alive.older
    overlap = overlap_of(snapshot.token.spec)
    if overlap == 0:
        return None
    end = lifetime.earliest(alive.current.expiration_time, now + overlap)
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


def rotation_is_requested(snapshot: Snapshot) -> bool:
    """Say whether `rotation.id` has a value that was not acted upon yet; taking it away asks for nothing."""
    rotation = _rotation_of(snapshot.token.spec)
    return (
        rotation is not None and rotation.id is not None and rotation.id != snapshot.token.status.rotation_id
    )


def overlap_of(spec: ServiceTokenSpec | None) -> int:
    """Return the seconds that an old credential outlives a rotation."""
    rotation = _rotation_of(spec)
    return (
        lifetime.overlap_of(rotation.every, rotation.overlap) if rotation else lifetime.overlap_of(None, None)
    )


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
    """Return the shortest of the account's and the roles' `maxLifetime`; None when nobody limits."""
    token, account = snapshot.token, snapshot.account
    limits = []
    if account and account.spec and account.spec.token_policy and account.spec.token_policy.max_lifetime:
        limits.append(
            LifeLimit(account.spec.token_policy.max_lifetime, f"the ServiceAccount '{account.name}'")
        )
    for name in roles_asked_for(token, account):
        role = find_role(snapshot.roles, name)
        if role is not None and role.spec is not None and role.spec.max_lifetime is not None:
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
    # One whose successor left status again (it could not be delivered, or somebody removed it) stays rotated out.
    is_succeeded = current.serial < (snapshot.token.status.serial or 0)
    end = end_by_spec(spec, current.mint_time)
    if lives_too_long(snapshot, current.mint_time) or is_succeeded:
        return lifetime.earliest(end, current.expiration_time)
    return end


def _cause_without_current(
    snapshot: Snapshot, spec: ServiceTokenSpec, alive: Living, now: int
) -> MintCause | None:
    if alive.lost is not None:
        return alive.lost
    status, account = snapshot.token.status, snapshot.account
    if status.serial is None and not status.credentials:
        return MintCause.FIRST
    died_at = alive.died_at if alive.died_at is not None else status.expiration_time
    if died_at is None or died_at > now:
        # Dropped by an earlier pass that could not mint, or taken off status by hand.
        replaced = account is not None and status.account_uid not in {None, account.uid}
        return MintCause.ACCOUNT_REPLACED if replaced else MintCause.SECRET_LOST
    if rotation_is_requested(snapshot):
        return MintCause.ROTATION_REQUESTED
    mint_time = status.mint_time or 0
    if next_rotation(spec, mint_time) is not None:
        return MintCause.ROTATION_DUE
    end = end_by_spec(spec, mint_time)
    return MintCause.RENEWED if end is None or end > now else None


def _put_right(snapshot: Snapshot) -> Credential | None:
    """Return the current credential, its mint moved back to what the Secret witnesses where status is later."""
    current, secret = snapshot.token.current, snapshot.secret
    if current is None or secret is None or secret.mint_time is None:
        return current
    if secret.mint_time < current.mint_time and secret.belongs_to(snapshot.token) and secret.holds(current):
        return current.model_copy(update={"mint_time": secret.mint_time})
    return current


def _older(snapshot: Snapshot, current: Credential, now: int) -> Credential | None:
    spec = snapshot.token.spec
    older = next((item for item in snapshot.token.status.credentials if item.serial != current.serial), None)
    if older is None:
        return None
    overlap_end = current.mint_time + overlap_of(spec) if spec else None
    own_end = end_by_spec(spec, older.mint_time)
    end = lifetime.earliest(older.expiration_time, overlap_end, own_end)
    if is_handle(older.id):
        end = lifetime.earliest(importing.end_of(older, spec, now), next_rotation(spec, current.mint_time))
    if end is not None and end <= now:
        return None
    return older.model_copy(update={"expiration_time": end})


def _is_undeliverable(snapshot: Snapshot, current: Credential) -> bool:
    """Say whether the plaintext of *current* never left this process and has nowhere to go."""
    secret = snapshot.secret
    return (
        snapshot.memory.undelivered == current.serial
        and secret is not None
        and secret.is_foreign_to(snapshot.token)
    )


def _is_synced(snapshot: Snapshot, current: Credential) -> bool:
    secret = snapshot.secret
    if secret is None:
        return False
    # A foreign Secret is a conflict, which a fresh mint would not solve.
    return secret.is_foreign_to(snapshot.token) or (
        secret.belongs_to(snapshot.token) and secret.holds(current)
    )


def _would_live(spec: ServiceTokenSpec, now: int) -> bool:
    end = end_by_spec(spec, now)
    return end is None or end > now


def _first_past(now: int, *ends: int | None) -> int | None:
    return min((end for end in ends if end is not None and end <= now), default=None)


def _rotation_of(spec: ServiceTokenSpec | None) -> Rotation | None:
    return spec.rotation if spec else None
