"""A token's whole life under everything that can happen to it, in every order that Hypothesis can think of.

Found necessary: with realistic durations no rotation ever falls due, and even a mutant that never rotates passes. So
durations are tiny, and a rule jumps to the plan's own deadline, one second before and after it (see `mutants`).
"""

from copy import deepcopy
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from property.idle import IdleLife
from property.ledger import LEAKED
from property.life import CHOSEN, COPIED, SEEN
from property.objects import ROLE, START, role_of, rotation_of, spec_of
from property.search import SEARCH
from property.validator import accepts
from property.world import MISHAPS
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.lifecycle.actions import MintCause

SECONDS = st.integers(1, 12)
ENDS = st.one_of(
    SECONDS.map(lambda seconds: {"expires_after": seconds, "expiration_time": None}),
    st.just({"expires_after": "never", "expiration_time": None}),
    st.integers(-2, 14).map(lambda seconds: {"expires_after": None, "in": seconds}),
)
ROTATIONS = st.builds(
    lambda every, overlap, number: rotation_of(
        every=every,
        overlap=overlap if every is None or overlap is None else min(overlap, every - 1),
        number=number,
    ),
    st.none() | st.integers(2, 8),
    st.none() | st.integers(0, 6),
    st.none() | st.sampled_from("abc"),
)
OBSTACLES: Final = (
    "no account",
    "a limit",
    "no keys",
    "a quota",
    "another type of Secret",
    "another token's Secret",
)
CHANGES: Final[tuple[dict[str, object], ...]] = (
    {"description": "another"},
    {"state": "Revoked", "revocation_reason": None},
    {"state": "Revoked", "revocation_reason": LEAKED},
    {"state": None, "revocation_reason": None},
)
RARELY = st.integers(0, 9).map(lambda number: number == 9)
BY_HAND: Final = (
    "planted",
    "copied",
    "extended",
    "moved",
    "emptied",
    "newest removed",
    "flagged as pending",
    "wiped",
    "other account",
)


class TokenLife(IdleLife):
    """The rules are what people and accidents do; after each of them the operator comes to rest, if it is there."""

    @initialize(end=ENDS, rotation=st.none() | ROTATIONS, is_alone=RARELY)
    def begin(self, end: dict[str, object], rotation: object, is_alone: bool) -> None:
        """A token is applied, before its account or after it."""
        if is_alone:
            self.world.delete_account()
        self.world.spec = spec_of(expires_after=10)
        self.world.edit(rotation=rotation)
        self._set_end(end)
        self.settle()

    # Time.

    @rule(seconds=st.integers(1, 4))
    def time_passes(self, seconds: int) -> None:
        """A few seconds. The operator sleeps until its own deadline, and misses nothing."""
        self.note("time passes")
        world = self.world
        world.now += seconds
        if not self.is_away and (world.requeue_at is None or world.now < world.requeue_at):
            assert world.converge() == 0, "it would have had to wake"
        self.settle()

    @precondition(lambda self: self.world.requeue_at is not None)
    @rule(offset=st.integers(-1, 1))
    def a_deadline_comes(self, offset: int) -> None:
        """Exactly, one second early, or one late."""
        self._jump(offset)

    @precondition(lambda self: self.world.status.next_rotation_time is not None)
    @rule(offset=st.integers(-1, 1), times=st.integers(1, 3))
    def deadlines_come(self, offset: int, times: int) -> None:
        """One after the other, while the token still rotates."""
        for _ in range(times):
            self._jump(offset)

    def _jump(self, offset: int) -> None:
        if self.world.requeue_at is not None:
            self.note("a deadline comes")
            self.world.now = max(self.world.now, self.world.requeue_at + offset)
            self.settle()

    # The token's spec.

    @rule(end=ENDS)
    def the_end_moves(self, end: dict[str, object]) -> None:
        """Earlier, later, to never, to a fixed moment."""
        self.note("the end moves")
        self.old = None
        self._set_end(end)
        self.settle()

    @rule(rotation=st.none() | ROTATIONS)
    def a_rotation_is_declared(self, rotation: object) -> None:
        """On schedule, by an id, by both, or not any more."""
        self.note("a rotation is declared")
        self.old = None
        self.world.edit(rotation=rotation)
        self.settle()

    @precondition(lambda self: self.world.spec.rotation is not None)
    @rule(number=st.sampled_from("abcdef"))
    def a_rotation_is_asked_for(self, number: str) -> None:
        """By another id and nothing else."""
        self.note("a rotation is asked for")
        rotation = self.world.spec.rotation
        assert rotation is not None
        self.world.edit(rotation=rotation_of(every=rotation.every, overlap=rotation.overlap, number=number))
        self.settle()

    @rule(changes=st.sampled_from(CHANGES))
    def what_mints_nothing_changes(self, changes: dict[str, object]) -> None:
        """Revoked or restored, it stays the same token: `settle` compares."""
        self.note(f"edited: {changes}")
        if changes.get("revocation_reason") is not None:
            # The older one is over, also once the token is restored.
            self.old = None
        minted = len(self.world.causes)
        self.world.edit(**changes)
        was_away = self.is_away
        self.settle()
        assert was_away or len(self.world.causes) == minted

    @rule(seconds=st.integers(0, 3))
    def it_is_revoked_and_restored(self, seconds: int) -> None:
        """Its lifetime goes on meanwhile."""
        self.note("revoked and restored")
        for state, wait in (("Revoked", seconds), (None, 0)):
            self.world.edit(state=state, revocation_reason=None)
            self.settle()
            assert state is None or not any(accepts(self.world, value) for value in self.world.ledger.entries)
            self.world.now += wait
            self.settle()

    @rule(roles=st.sampled_from([None, (), (ROLE,)]))
    def other_roles_are_asked_for(self, roles: tuple[str, ...] | None) -> None:
        """Which may come with a shorter limit, and is granted or not."""
        self.note("other roles are asked for")
        self.old = None
        self.world.edit(roles=roles)
        self.settle()

    # The account and the role.

    @rule(state=st.sampled_from([None, "Suspended"]))
    def the_account_is_suspended_or_not(self, state: str | None) -> None:
        """All of its tokens with it."""
        self.note("suspended or not")
        self.world.edit_account(state=state)
        self.settle()

    @rule(seconds=st.none() | st.integers(-3, 6))
    def everything_earlier_is_cut(self, seconds: int | None) -> None:
        """By the account's kill switch, now, later, or not any more."""
        self.note("a cut is declared")
        cut = None if seconds is None else self.world.now + seconds
        self.world.edit_account(tokens_not_before_time=cut)
        self.settle()

    @rule(
        has=st.booleans(), role=st.none() | st.tuples(st.sampled_from(["*", "team-b"]), st.none() | SECONDS)
    )
    def roles_come_and_go(self, has: bool, role: tuple[str, int | None] | None) -> None:
        """From the account, and in the catalogue."""
        self.note("roles come and go")
        self.old = None
        self.world.edit_account(roles=(ROLE,) if has else ())
        self.world.role = None if role is None else role_of(namespaces=(role[0],), longest=role[1])
        self.settle()

    # The Secret.

    @precondition(lambda self: self.world.secret is not None and not self.world.secret.is_foreign)
    @rule(how=st.sampled_from(["deleted", "edited", "disowned", "restored", "renumbered"]))
    def the_secret_is_touched(self, how: str) -> None:
        """Its value is a user's choice, and the old one is over; or only its marks are, and it is healed."""
        self.note(f"the Secret: {how}")
        self.world.touch_secret(how, CHOSEN)
        self.settle()

    @precondition(lambda self: self.world.secret is not None and not self.world.secret.is_foreign)
    @rule(immutable=st.booleans())
    def the_secret_drifts(self, immutable: bool) -> None:
        """Around the token, or into immutability."""
        self.note("the Secret drifts")
        self.world.touch_secret("immutable" if immutable else "relabelled")
        self.settle()

    @precondition(lambda self: not self.is_away and not self.held_back())
    @rule(is_persistent=RARELY)
    def a_rival_keeps_deleting_the_secret(self, is_persistent: bool) -> None:
        """The first time a fresh token is minted immediately; from then on it is delayed."""
        self.note("a rival")
        minted, crashes = len(self.world.causes), bool(self.world.mishap)
        for _ in range(4 if is_persistent else 1):
            if self.world.secret is not None and not self.world.secret.is_foreign:
                self.world.touch_secret("deleted")
            self.settle()
        assert len(self.world.causes) - minted <= 1 + crashes

    # Failures.

    @property
    def is_obstructed(self) -> bool:
        """One of the obstacles is there."""
        world = self.world
        is_free = world.account is not None and not world.is_limited and self.foreign is None
        return not is_free or not world.keys_are_there or world.refuses_secrets

    @precondition(lambda self: not self.is_obstructed)
    @rule(what=st.sampled_from(OBSTACLES), seconds=SECONDS)
    def something_gets_in_the_way(self, what: str, seconds: int) -> None:
        """Of the operator, for a while; one at a time, or most runs would be spent behind obstacles."""
        self.note(f"in the way: {what}")
        world = self.world
        if what == "no account":
            self.old = None
            world.delete_account()
        elif what == "a limit":
            self.old = None
            world.limit(seconds)
        elif what == "no keys":
            world.lose_keys()
        elif what == "a quota":
            world.refuses_secrets = True
        else:
            owner = ("u-9", "ci-test") if what == "another token's Secret" else None
            theirs = world.put_foreign_secret(owner=owner)
            self.foreign = (theirs, deepcopy(theirs))
        self.settle()

    @precondition(lambda self: self.is_obstructed or self.is_away or self.held_back())
    @rule(what=st.sampled_from(OBSTACLES) | st.just("everything"))
    def it_is_put_right(self, what: str) -> None:
        """One thing, or everything, patience included. An account comes back under its name, with another uid."""
        self.note(f"put right: {what}")
        world = self.world
        if what in {"no account", "everything"} and world.account is None:
            world.create_account()
        if what in {"a limit", "everything"}:
            self.old = None
            world.limit(None)
        if what in {"no keys", "everything"} and not world.keys_are_there:
            world.restore_keys()
        if what in {"a quota", "everything"}:
            world.refuses_secrets = False
        if what in {"another type of Secret", "another token's Secret", "everything"} and self.foreign:
            world.touch_secret("deleted")
            self.foreign = None
        if what == "everything":
            world.edit_account(roles=(), state=None)
            world.edit(roles=None, state=None, revocation_reason=None)
            self.is_away = False
            world.now = max(world.now, world.memory.not_before)
        self.settle()

    # The operator.

    @rule(mishap=st.sampled_from(MISHAPS))
    def the_operator_fails_at_its_next_mint(self, mishap: str) -> None:
        """Between any two writes."""
        self.note(f"at its next mint it {mishap}")
        self.world.mishap = mishap

    @rule(is_away=st.booleans())
    def the_operator_goes_or_comes(self, is_away: bool) -> None:
        """Its memory is lost; nothing else happens. While it is away, validators go on."""
        self.note("away" if is_away else "back")
        self.world.restart()
        self.old = None
        self.is_away = is_away
        self.settle()

    # Edited by hand.

    @precondition(lambda self: not self.is_away)
    @rule(how=st.sampled_from(BY_HAND), seconds=st.integers(1, 70))
    def status_is_edited(self, how: str, seconds: int) -> None:
        """Whatever it says, nothing more is accepted than the spec gives."""
        self.note(f"by hand: {how}")
        self.old = None
        world = self.world
        status, credentials = world.status, sorted(world.status.credentials, key=lambda one: one.serial)
        if how == "other account":
            world.status = status.model_copy(update={"account_uid": "a-0"})
        elif how == "wiped":
            world.status = ServiceTokenStatus()
            world.floor = 0
        elif how == "emptied":
            world.status = status.model_copy(update={"credentials": ()})
        elif credentials:
            last = credentials.pop()
            value = {"planted": "ab" * 32, "copied": self.stranger(last.serial)}.get(how, last.verifier.value)
            changes: dict[str, object] = {"verifier": last.verifier.model_copy(update={"value": value})}
            if how == "extended":
                changes["expiration_time"] = START + 10**6
            if how == "moved" and world.secret_is_in_order:
                changes["mint_time"] = world.now + seconds
            if how == "flagged as pending":
                changes = {"delivery": "Pending"}
                if world.secret_is_in_order:
                    changes["mint_time"] = world.now + seconds
            if how != "newest removed":
                credentials.append(last.model_copy(update=changes))
            world.status = status.model_copy(update={"credentials": tuple(credentials)})
        assert not accepts(world, CHOSEN)
        assert not accepts(world, COPIED)
        self.settle()

    @precondition(lambda self: not self.is_away and self.world.retired and self.world.current is not None)
    @rule(renumbered=st.booleans())
    def an_old_credential_is_put_back(self, renumbered: bool) -> None:
        """As it was (then it has the overlap at most), or as the newest (then it fits nothing)."""
        world, current = self.world, self.world.current
        assert current is not None
        older = world.retired[-1]
        value = world.plaintexts[older.id]
        entry = world.ledger.entries[value]
        others = tuple(one for one in world.status.credentials if one.serial == current.serial)
        if older.id == current.id or world.memory.minted is not None:
            # It is there already; or what waits would become the older one, which no client ever had.
            return
        self.old = None
        if renumbered:
            self.note("put back: as the newest")
            serial = max(current.serial, older.serial) + 1
            older = older.model_copy(update={"serial": serial, "expiration_time": None})
        elif older.serial < current.serial and entry.delivered and entry.account == world.account_number:
            self.note("put back: as it was")
            older = older.model_copy(update={"expiration_time": None})
            world.ledger.gone.discard(value)
        else:
            return
        world.status = world.status.model_copy(update={"credentials": (older, *others)})
        assert not renumbered or not accepts(world, value)
        self.settle()

    def _set_end(self, end: dict[str, object]) -> None:
        changes = dict(end)
        if "in" in changes:
            seconds = changes.pop("in")
            assert isinstance(seconds, int)
            changes["expiration_time"] = self.world.now + seconds
        self.world.edit(**changes)


# The deep search takes as long as it is let.
@pytest.mark.timeout(7200)
def test_a_token_keeps_every_promise_whatever_happens() -> None:
    """And everything that can happen did happen: a search that never rotates proves nothing about rotation."""
    SEEN.clear()
    run_state_machine_as_test(TokenLife, settings=SEARCH)
    for cause in MintCause:
        assert SEEN[f"minted: {cause.value}"] > 0, f"never minted: {cause.value}"
    for what in (
        "an overlap was watched",
        "flagged as unused",
        "suspended as unused",
        "a suspension was undone",
        "a rotation waits for its delivery",
    ):
        assert SEEN[what] > 0, f"never seen: {what}"
