"""Tokens that are not used: flagged first, suspended later; both end with a use, or when a user resumes the token.

last sign of life ├──── unusedFor ────┤ flag ├── suspendUnusedAfter ──┤ suspension

Missing reports alone prove nothing: time counts only up to the last reported use of any token. Otherwise validators
that have exited, or lack permission to write, would make all tokens look unused.
"""

from dataclasses import dataclass
from typing import Final

from servicetokens.api import times
from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.conditions import ConditionUpdate
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.tokens.lifetime import MAX_CLOCK_SKEW

# As coarse as `lastUsedTime`: more often there is nothing new. It costs only reads in memory.
_LOOK_AGAIN: Final = 3600


@dataclass(frozen=True, slots=True)
class Disuse:
    """What follows from disuse of a token: two times for its status, a condition, and when to check again."""

    since: int | None = None
    suspended_at: int | None = None
    update: ConditionUpdate | None = None
    look_at: int | None = None

    @property
    def suspends(self) -> bool:
        """Whether the token is suspended; not where that is only kept because the policy is unknown."""
        return self.suspended_at is not None and self.update is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A token under a policy, in Unix seconds and seconds. *usable*: it would be accepted, if it is not suspended."""

    snapshot: Snapshot
    now: int
    usable: bool
    since: int
    unused_for: int
    suspend_after: int | None

    @property
    def flag_at(self) -> int:
        """The time from which it counts as unused."""
        return self.since + self.unused_for

    @property
    def known_until(self) -> int:
        """The time up to which uses are known."""
        return min(self.now, self.snapshot.latest_use or 0)

    def look_at(self, due: int) -> int:
        """When to check again for what is due then, or waits for a later report of a use."""
        return due if due > self.now else self.now + _LOOK_AGAIN


def find_disuse(snapshot: Snapshot, now: int, *, usable: bool) -> Disuse:
    """Say whether a token that has a credential is unused at *now*.

    *usable* says that it would be accepted, were it not for what is decided here.
    """
    token, account = snapshot.token, snapshot.account
    if token.spec is not None and token.spec.state == "Revoked":
        # There is nothing to be used; a later credential starts over.
        return Disuse()
    if token.spec is None or account is None or account.deleting or account.spec is None:
        # The policy is unknown. No token is accepted, and nothing is decided.
        return Disuse(token.status.unused_since_time, token.status.suspension_time)
    policy, since = account.spec.token_policy, _last_sign_of_life(snapshot, now, usable=usable)
    if policy is None or policy.unused_for is None or since is None:
        return Disuse()
    case = _Case(
        snapshot=snapshot,
        now=now,
        usable=usable,
        since=since,
        unused_for=policy.unused_for,
        suspend_after=policy.suspend_unused_after,
    )
    flagged_since = token.status.unused_since_time
    if case.flag_at > now or (flagged_since is None and case.flag_at > case.known_until):
        return Disuse(look_at=case.look_at(case.flag_at))
    if token.status.suspension_time is not None:
        return _suspended_before(case, token.status.suspension_time)
    if flagged_since not in {None, since}:
        # It was used while no operator was running, and then unused for long again: a new flag, with its full time.
        return Disuse(look_at=now + 1)
    return _flagged(case)


def _suspended_before(case: _Case, at: int) -> Disuse:
    if case.suspend_after is not None and case.since < at and case.flag_at + case.suspend_after <= case.now:
        return _suspended(case, at)
    # Another policy, or a resumption that validators have applied already. The full time counts from now.
    return Disuse(look_at=case.now + case.unused_for)


def _flagged(case: _Case) -> Disuse:
    if case.suspend_after is None:
        return Disuse(
            case.since, update=_update(case, "It stays valid: the account has no `suspendUnusedAfter`.")
        )
    said = conditions.find(case.snapshot.token.status.conditions, ConditionType.UNUSED)
    # In any case not before users could see the flag for the whole time. A time in the future was forged, and would
    # delay it.
    shown_at = (
        min(said.last_transition_time, case.now) if said is not None and said.status == "True" else case.now
    )
    due = max(case.flag_at, shown_at) + case.suspend_after
    if case.usable and due <= case.known_until:
        return _suspended(case, case.now)
    warning = (
        f"It will be suspended at {times.moment(due)} or soon after, unless it is used before then or "
        "`spec.inUseTime` is set."
    )
    return Disuse(
        case.since, update=_update(case, warning), look_at=case.look_at(due) if case.usable else None
    )


def _suspended(case: _Case, at: int) -> Disuse:
    rejection = (
        f"It has been suspended since {times.moment(at)}. If it is needed, set `spec.inUseTime` to the current time: "
        "the same token is accepted again."
    )
    return Disuse(case.since, at, _update(case, rejection))


def _update(case: _Case, consequence: str) -> ConditionUpdate:
    message = (
        f"No use has been recorded since {times.moment(case.since)}, and the account's `tokenPolicy` has "
        f"`unusedFor: {times.duration(case.unused_for)}`. {consequence}"
    )
    return ConditionUpdate(ConditionType.UNUSED, "True", Reason.UNUSED_FOR_LONG, message)


def _last_sign_of_life(snapshot: Snapshot, now: int, *, usable: bool) -> int | None:
    """Return from when the time without a use counts; None for what cannot be used, and was not flagged before."""
    token, status = snapshot.token, snapshot.token.status
    usable_since = _usable_since(snapshot, now) if usable else None
    if usable_since is None and status.unused_since_time is None:
        return None
    in_use = token.spec.in_use_time if token.spec else None
    signs = (usable_since, status.unused_since_time, _plausible(status.last_used_time, now), in_use)
    return max(sign for sign in signs if sign is not None)


def _plausible(used: int | None, now: int) -> int | None:
    """Return the time of a use, unless it is in the future: then it was forged."""
    return used if used is not None and used <= now + MAX_CLOCK_SKEW else None


def _usable_since(snapshot: Snapshot, now: int) -> int | None:
    """Return since when the token has been accepted; None when only our own suspension prevents that."""
    status = snapshot.token.status
    active = conditions.find(status.conditions, ConditionType.ACTIVE)
    if active is not None and active.status == "True":
        return min(active.last_transition_time, now)
    return None if status.suspension_time is not None else now
