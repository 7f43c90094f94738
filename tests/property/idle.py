"""Unused tokens, in the same life: policies, uses, `inUseTime`, and what may never follow from them."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from property.life import Life
from property.objects import START
from property.validator import accepts, is_suspended
from servicetokens.api.conditions import ConditionType
from servicetokens.lifecycle import conditions

PERIODS: Final = st.tuples(st.integers(1, 4), st.none() | st.integers(1, 4))


class IdleLife(Life):
    """Remembers when the token was really used or asked for, and since when people could see that it was flagged."""

    def __init__(self) -> None:
        super().__init__()
        self.used_at = 0
        self.flagged_at: int | None = None

    @rule(periods=st.none() | PERIODS)
    def a_policy_for_what_is_unused(self, periods: tuple[int, int | None] | None) -> None:
        """It comes, changes or goes."""
        self.note("a policy for what is unused")
        unused_for, suspend_after = periods or (None, None)
        self.world.edit_policy(unused_for=unused_for, suspend_unused_after=suspend_after)
        self.settle()

    @rule(ahead=st.integers(0, 8))
    def others_are_used(self, ahead: int) -> None:
        """So validators are there, and report, perhaps by a clock that is ahead."""
        self.world.use_others(self.world.now + ahead)
        self.settle()

    @precondition(lambda self: self.world.account is not None and not self.is_away)
    @rule(periods=PERIODS, ahead=st.integers(0, 1), is_silent=st.booleans())
    def nobody_uses_it_for_long(self, periods: tuple[int, int | None], ahead: int, is_silent: bool) -> None:
        """From one deadline to the next; others are used all the time, or nothing is heard any more after the flag."""
        unused_for, suspend_after = periods
        world = self.world
        world.edit_policy(unused_for=unused_for, suspend_unused_after=suspend_after)
        self.settle()
        for seconds in (unused_for, (suspend_after or 1) + ahead):
            world.now += seconds
            if not (is_silent and self._unused):
                world.use_others(world.now)
            self.settle()

    @precondition(lambda self: self.world.secret is not None and accepts(self.world, self.world.secret.value))
    @rule(is_reported=st.booleans())
    def it_is_used(self, is_reported: bool) -> None:
        """The report reaches the status, or it is lost; then the use is unknown."""
        self.note("used")
        world = self.world
        if is_reported:
            self.used_at = world.now
            # What was shown until now was another silence.
            self.flagged_at = None
            world.status = world.status.model_copy(update={"last_used_time": world.now})
        self.settle()

    @rule(offset=st.none() | st.integers(-4, 4))
    def somebody_says_that_it_is_needed(self, offset: int | None) -> None:
        """Now, at an earlier or later moment; or takes the word back."""
        self.note("a word")
        was_suspended = is_suspended(self.world)
        self.world.edit(in_use_time=None if offset is None else self.world.now + offset)
        if was_suspended and offset is not None and offset >= 0:
            assert not is_suspended(self.world), "without the operator"
        self.settle()

    def settle(self) -> None:
        """See `Life`; and compare what was suspended with what may be."""
        if self.is_away:
            return
        before = self.world.status.suspension_time
        super().settle()
        world = self.world
        after, unused = world.status.suspension_time, self._unused
        if after is not None and after != before:
            self.note("suspended as unused")
            self._check_suspension()
        if before is not None and after is None:
            self.note("a suspension was undone")
        if not unused:
            self.flagged_at = None
        elif self.flagged_at is None:
            self.note("flagged as unused")
            self.flagged_at = world.now
            self._check_silence(1)

    @property
    def _unused(self) -> bool:
        return conditions.find(self.world.status.conditions, ConditionType.UNUSED) is not None

    def _check_suspension(self) -> None:
        """Assert what no suspension may do without: both periods, a flag that was seen, and news of others."""
        world, account = self.world, self.world.account
        assert account is not None
        assert account.token_policy is not None
        after = account.token_policy.suspend_unused_after
        assert after is not None
        assert world.status.suspension_time == world.now
        assert self.flagged_at is not None
        assert self.flagged_at + after <= world.now
        assert account.state is None, "it cannot be used, so it is no wonder"
        self._check_silence(2)

    def _check_silence(self, periods: int) -> None:
        """Assert that it was not used for the first, or both periods, and that others were used after that."""
        world, account = self.world, self.world.account
        assert account is not None
        assert account.token_policy is not None
        policy = account.token_policy
        length = sum((policy.unused_for or 0, policy.suspend_unused_after or 0)[:periods])
        for sign in (START, self.used_at, world.spec.in_use_time or 0):
            assert sign + length <= min(world.now, world.latest_use or 0)

    @invariant()
    def what_is_unused_is_flagged(self) -> None:
        """As soon as it is known, and only where a policy says so."""
        world = self.world
        policy = world.account.token_policy if world.account else None
        if self.is_away or world.account is None:
            return
        if policy is None or policy.unused_for is None:
            assert not self._unused
            assert world.status.suspension_time is None
            return
        active = conditions.find(world.status.conditions, ConditionType.ACTIVE)
        if active is None or active.status != "True":
            return
        signs = (active.last_transition_time, world.status.last_used_time, world.spec.in_use_time)
        due = max(sign for sign in signs if sign is not None) + policy.unused_for
        if due <= min(world.now, world.latest_use or 0):
            assert self._unused
        elif due > world.now:
            assert not self._unused

    @invariant()
    def what_is_suspended_has_to_be(self) -> None:
        """Every validator rejects it, and status says so; while policy, `inUseTime` and state do not change."""
        world = self.world
        if is_suspended(world):
            assert not any(accepts(world, value) for value in world.ledger.entries)
        if self.is_away or world.account is None:
            return
        if world.spec.state == "Revoked":
            assert not self._unused
            assert world.status.suspension_time is None
        if world.status.suspension_time is not None:
            assert self._unused
            assert is_suspended(world)
            policy = world.account.token_policy
            assert policy is not None
            assert policy.suspend_unused_after is not None
            self._check_silence(2)
