"""A token's whole life under everything that can happen to it, in every order that Hypothesis can think of.

Found necessary: with realistic durations no rotation ever falls due, and even a mutant that never rotates passes. So
durations are tiny, and a rule jumps to the plan's own deadline, one second before and after it (see `mutants`).
"""

from collections import Counter

import pytest
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from property.world import RING, START, UID, World, overlap_of, rotation_of, spec_of
from servicetokens.api import names
from servicetokens.api.conditions import ConditionType
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.actions import MintCause

SECONDS = st.integers(1, 12)
ENDS = st.one_of(
    SECONDS.map(lambda seconds: {"expires_after": seconds, "expiration_time": None}),
    st.just({"expires_after": "never", "expiration_time": None}),
    st.integers(-2, 14).map(lambda seconds: {"expires_after": None, "in": seconds}),
)


class TokenLife(RuleBasedStateMachine):
    """The rules are what people and accidents do; after each of them the operator comes to rest."""

    @initialize(end=ENDS)
    def begin(self, end: dict[str, object]) -> None:
        """A token is applied."""
        self.world = World()
        self.before_revocation: tuple[int, str] | None = None
        self.old: tuple[str, int] | None = None
        self.foreign: object = None
        self.world.spec = spec_of(expires_after=10)
        self._set_end(end)
        self._settle()

    # ------------------------------------------------------------------------------------------- time

    @rule(seconds=st.integers(1, 4))
    def time_passes(self, seconds: int) -> None:
        """A few seconds."""
        self.world.now += seconds
        self._settle()

    @precondition(lambda self: self.world.requeue_at is not None)
    @rule(offset=st.integers(-1, 1))
    def a_deadline_comes(self, offset: int) -> None:
        """Exactly, one second early, or one late."""
        assert self.world.requeue_at is not None
        self.world.now = max(self.world.now, self.world.requeue_at + offset)
        self._settle()

    # ------------------------------------------------------------------------------------- the token's spec

    @rule(end=ENDS)
    def the_end_moves(self, end: dict[str, object]) -> None:
        """Earlier, later, to never, to a fixed moment."""
        self.old = None
        self._set_end(end)
        self._settle()

    @rule(every=st.none() | SECONDS, overlap=st.none() | st.integers(0, 6), number=st.sampled_from("abc"))
    def a_rotation_is_declared(self, every: int | None, overlap: int | None, number: str) -> None:
        """By the clock, by an id, or both."""
        if every is not None and overlap is not None:
            overlap = min(overlap, every - 1)
        self.old = None
        self._rotate(rotation_of(every=every, overlap=overlap, number=number))

    @precondition(lambda self: self.world.spec.rotation is not None)
    @rule(number=st.sampled_from("abcdef"))
    def a_rotation_is_asked_for(self, number: str) -> None:
        """By another id and nothing else."""
        rotation = self.world.spec.rotation
        assert rotation is not None
        self._rotate(rotation_of(every=rotation.every, overlap=rotation.overlap, number=number))

    @rule()
    def the_rotation_is_taken_away(self) -> None:
        """From then on the token expires."""
        self.old = None
        self.world.edit(rotation=None)
        self._settle()

    @rule()
    def a_description_changes(self) -> None:
        """Which must not matter."""
        minted = len(self.world.serials)
        self.world.edit(description="another")
        self._settle()
        assert len(self.world.serials) == minted

    @precondition(lambda self: self.world.spec.state != "Revoked")
    @rule()
    def it_is_revoked(self) -> None:
        """What it was is remembered here."""
        current, secret = self.world.current, self.world.secret
        self.before_revocation = (current.serial, secret.value) if current and secret else None
        self.world.edit(state="Revoked")
        self._settle()

    @precondition(lambda self: self.world.spec.state == "Revoked")
    @rule()
    def it_is_restored(self) -> None:
        """It is the very same token, unless another one was minted meanwhile."""
        self.world.edit(state=None)
        self._settle()
        current, secret = self.world.current, self.world.secret
        synced = conditions.find(self.world.status.conditions, ConditionType.SECRET_SYNCED)
        is_in_order = synced is not None and synced.status == "True" and self.world.keys_are_there
        if self.before_revocation and current and secret and is_in_order:
            serial, value = self.before_revocation
            assert current.serial != serial or secret.value == value
            event("restored the very same")

    # -------------------------------------------------------------------------------------- the account

    @rule(state=st.sampled_from([None, "Suspended"]))
    def the_account_is_suspended_or_not(self, state: str | None) -> None:
        """All of its tokens with it."""
        self.world.edit_account(state=state)
        self._settle()

    @precondition(lambda self: self.world.account is not None)
    @rule()
    def the_account_is_deleted(self) -> None:
        """And may come back as somebody else."""
        self.old = None
        self.world.account = None
        self._settle()

    @precondition(lambda self: self.world.account is None)
    @rule()
    def the_account_is_created_anew(self) -> None:
        """Under its name, with another uid."""
        self.world.account = World().account
        self.world.account_number += 1
        self._settle()

    @rule(seconds=st.integers(-3, 6))
    def everything_earlier_is_cut(self, seconds: int) -> None:
        """By the account's kill switch, now or later."""
        self.old = None
        self.world.edit_account(tokens_not_before_time=self.world.now + seconds)
        self._settle()

    @rule(seconds=st.none() | SECONDS)
    def a_limit_is_set_or_lifted(self, seconds: int | None) -> None:
        """For the longest life."""
        self.old = None
        self.world.limit(seconds)
        self._settle()

    # --------------------------------------------------------------------------------------- the Secret

    @precondition(lambda self: self.world.secret is not None)
    @rule(how=st.sampled_from(["deleted", "edited", "disowned", "dead", "renumbered"]))
    def the_secret_loses_the_token(self, how: str) -> None:
        """A fresh one is needed, unless the Secret is somebody else's."""
        secret = self.world.secret
        assert secret is not None
        if secret.type != names.SECRET_TYPE:
            return
        if how == "deleted":
            self.world.secret = None
        elif how == "edited":
            secret.value = "chosen by somebody"
        elif how == "renumbered":
            secret.serial += 3
        else:
            secret.owner = None if how == "disowned" else "dead"
        self._settle()

    @precondition(lambda self: self.world.secret is not None)
    @rule(immutable=st.booleans())
    def the_secret_drifts(self, immutable: bool) -> None:
        """Around the token, or into immutability."""
        secret = self.world.secret
        assert secret is not None
        if secret.type != names.SECRET_TYPE:
            return
        if immutable:
            secret.immutable = True
        else:
            secret.fingerprint = "drift"
        self._settle()

    @rule(there=st.booleans())
    def a_foreign_secret_comes_or_goes(self, there: bool) -> None:
        """In the place of ours."""
        if there:
            self.world.secret = self.foreign = World.secret_of_others()
        elif self.foreign is not None and self.world.secret is self.foreign:
            self.world.secret = self.foreign = None
        self._settle()

    @rule(refuses=st.booleans())
    def secrets_are_refused_or_not(self, refuses: bool) -> None:
        """By a quota."""
        self.world.refuses_secrets = refuses
        self._settle()

    # ------------------------------------------------------------------------------------- the operator

    @rule()
    def the_operator_crashes_at_its_next_mint(self) -> None:
        """Between status and Secret."""
        self.world.crashes_next = True

    @rule()
    def the_operator_restarts(self) -> None:
        """Its memory is gone; nothing else happens."""
        minted = len(self.world.serials)
        waits = self.world.snapshot().memory != World().snapshot().memory
        self.world.restart()
        self._settle()
        assert waits or len(self.world.serials) == minted

    @rule(there=st.booleans())
    def the_keys_go_or_come_back(self, there: bool) -> None:
        """Nothing is minted without them."""
        self.world.keys_are_there = there
        minted = len(self.world.serials)
        self._settle()
        assert there or len(self.world.serials) == minted

    # ------------------------------------------------------------------------------- edited by hand

    @rule(how=st.sampled_from(["planted", "extended", "emptied", "another account", "an older one back"]))
    def status_is_edited(self, how: str) -> None:
        """Whatever it says, nothing more is accepted than the spec gives."""
        self.old = None
        status, world = self.world.status, self.world
        credentials = list(status.credentials)
        if how == "another account":
            world.status = status.model_copy(update={"account_uid": "a-0"})
        elif how == "emptied":
            world.status = status.model_copy(update={"credentials": ()})
        elif how == "an older one back" and world.retired and len(credentials) == 1:
            older = world.retired[-1].model_copy(update={"expiration_time": None})
            if older.serial < credentials[0].serial and world.plaintexts[older.id] in world.delivered:
                world.status = status.model_copy(update={"credentials": (older, *credentials)})
        elif credentials:
            last = credentials[-1]
            if how == "planted":
                verifier = last.verifier.model_copy(update={"value": "ab" * 32})
                credentials[-1] = last.model_copy(update={"verifier": verifier})
            else:
                credentials[-1] = last.model_copy(update={"expiration_time": START + 10**6})
            world.status = status.model_copy(update={"credentials": tuple(credentials)})
        self._settle()

    # --------------------------------------------------------------------------------- what always holds

    @invariant()
    def there_are_at_most_two_and_none_that_has_ended(self) -> None:
        """The current one, and the one before it until its overlap is over."""
        credentials = self.world.status.credentials
        assert len(credentials) <= 2
        ends = [one.expiration_time for one in credentials]
        assert all(end is None or end > self.world.now for end in ends)
        if len(credentials) == 2:
            older, current = sorted(credentials, key=lambda one: one.serial)
            assert older.expiration_time is not None
            assert older.expiration_time <= current.mint_time + overlap_of(self.world.spec)

    @invariant()
    def serials_grow(self) -> None:
        """One number is never two credentials."""
        assert self.world.serials == sorted(set(self.world.serials))

    @invariant()
    def the_secret_holds_what_the_condition_says(self) -> None:
        """And what it holds would be accepted, if the token is active."""
        world = self.world
        synced = conditions.find(world.status.conditions, ConditionType.SECRET_SYNCED)
        active = conditions.find(world.status.conditions, ConditionType.ACTIVE)
        assert synced is not None
        assert active is not None
        current = world.current
        if current is None:
            assert active.status == "False"
            return
        if synced.status == "True" and world.keys_are_there:
            assert world.secret is not None
            assert world.plaintexts[current.id] == world.secret.value
            assert (active.status == "True") is world.accepts(world.secret.value)
        # The other way round only where the Secret is in order: a verifier planted on status fits nothing.
        assert active.status == "True" or not world.accepts(world.plaintexts[current.id])

    @invariant()
    def nothing_is_accepted_that_nobody_was_given(self) -> None:
        """At most the one that waits to be delivered; never a value that somebody chose."""
        world = self.world
        waiting = world.snapshot().memory.undelivered
        for credential in world.status.credentials:
            value = world.plaintexts[credential.id]
            blocked = world.snapshot().memory.not_before > world.now or not world.keys_are_there
            assert value in world.delivered or credential.serial == waiting or blocked or self._is_held_back()
        assert not world.accepts("chosen by somebody")

    @invariant()
    def a_rotation_that_is_due_has_happened(self) -> None:
        """Unless something stands in its way."""
        world, current = self.world, self.world.current
        rotation = world.spec.rotation
        if current is None or rotation is None or rotation.every is None or self._is_held_back():
            return
        fixed = world.spec.expiration_time
        if fixed is None or current.mint_time + rotation.every < fixed:
            assert current.mint_time + rotation.every > world.now
        assert rotation.id in {None, world.status.rotation_id} or (fixed is not None and fixed <= world.now)

    @invariant()
    def the_old_one_is_accepted_exactly_during_its_overlap(self) -> None:
        """As it was promised when it was rotated."""
        world = self.world
        if self.old is None or world.spec.state == "Revoked" or not world.keys_are_there:
            return
        if world.account is None or world.account.state == "Suspended":
            return
        value, until = self.old
        assert world.accepts(value) is (world.now < until)
        event("an overlap was watched")

    @invariant()
    def foreign_secrets_stay(self) -> None:
        """Not a byte of them changes."""
        if self.foreign is not None:
            assert self.world.secret is self.foreign
            assert self.foreign == World.secret_of_others()

    # -------------------------------------------------------------------------------------------- inside

    def _settle(self) -> None:
        before = Counter(self.world.causes)
        self.world.converge()
        for cause in Counter(self.world.causes) - before:
            event(f"minted: {cause.value}")
            if cause is MintCause.NOT_BEFORE or cause is MintCause.ACCOUNT_REPLACED:
                self.old = None
        if Counter(self.world.causes) - before:
            self._watch_overlap()
        assert self.world.converge() == 0, "a second look changes nothing"

    def _watch_overlap(self) -> None:
        """Remember what was promised for the credential that has just become the older one."""
        self.old = None
        if len(self.world.status.credentials) == 2:
            older, _ = sorted(self.world.status.credentials, key=lambda one: one.serial)
            value = self.world.plaintexts[older.id]
            fits = RING.verify(older.verifier.value, older.verifier.key_id, UID, older.serial, value)
            if older.expiration_time is not None and value in self.world.delivered and fits:
                self.old = (value, older.expiration_time)

    def _set_end(self, end: dict[str, object]) -> None:
        changes = dict(end)
        if "in" in changes:
            seconds = changes.pop("in")
            assert isinstance(seconds, int)
            changes["expiration_time"] = self.world.now + seconds
        self.world.edit(**changes)

    def _rotate(self, rotation: object) -> None:
        self.world.edit(rotation=rotation)
        self._settle()

    def _is_held_back(self) -> bool:
        """Say whether the condition Ready names something that keeps the operator from minting."""
        ready = conditions.find(self.world.status.conditions, ConditionType.READY)
        return ready is not None and ready.status == "False"


# The deep search takes as long as it is let.
TestTokenLife = pytest.mark.timeout(7200)(TokenLife.TestCase)
