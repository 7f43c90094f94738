"""A token's life without the events in it: how the operator comes to rest, and what must be true whenever it has.

Nothing here asks the status for an excuse: whether something stands in the operator's way is derived from the world
itself, so that an operator that merely says so is found out.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from hypothesis import event
from hypothesis.stateful import RuleBasedStateMachine, invariant

from common.drivers.reconciling import RING, UID
from property.ledger import end_by, overlap_of, rotates_at
from property.validator import accepts, is_suspended
from property.world import World
from servicetokens.api.conditions import ConditionType
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.actions import MintCause

CHOSEN: Final = "chosen by somebody"
COPIED: Final = "a token of another object"
ROTATIONS: Final = frozenset({MintCause.ROTATION_DUE, MintCause.ROTATION_REQUESTED})
# After these the older token lives on as it was promised; after all others it is over.
KEEPS_OLDER: Final = ROTATIONS | {MintCause.SECRET_LOST}
#: What has happened in all examples together, for the test that asks whether everything does.
SEEN: Final = Counter[str]()


@dataclass(frozen=True)
class Before:
    """What there was when the operator came. *rotates*: the clock or a user asks for another token."""

    current: Credential | None
    value: str
    is_good: bool
    rotates: bool
    end: int | None
    minted: int


class Life(RuleBasedStateMachine):
    """The world, the promise made to users of the older token, and whether the operator is there."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.is_away = False
        self.old: tuple[str, int] | None = None
        self.foreign: tuple[object, object] | None = None

    def note(self, what: str) -> None:
        """Count that something happened."""
        SEEN[what] += 1
        event(what)

    def settle(self) -> None:
        """Let the operator come to rest, and compare what it did with what it was to do."""
        if self.is_away:
            return
        world, before = self.world, self._before()
        world.converge()
        assert world.converge() == 0, "a second look changes nothing"
        causes = world.causes[before.minted :]
        for cause in causes:
            self.note(f"minted: {cause.value}")
        if before.is_good and not before.rotates:
            assert causes == [], "nothing is minted without a reason"
            assert world.current is not None
            assert before.current is not None
            assert world.current.id == before.current.id
            assert world.secret is not None
            assert world.secret.value == before.value, "the very same token"
        if before.is_good and not causes:
            ends_at_once = before.rotates and overlap_of(world.spec) == 0
            is_kept = before.current is not None and any(
                one.id == before.current.id for one in world.status.credentials
            )
            assert is_kept or ends_at_once, "the old one lives until the new one is in the Secret"
            if before.rotates:
                self.note("a rotation waits for its delivery")
        self._promise(before, causes)
        self.note("at rest: " + (self.held_back() or ("with a valid token" if before.is_good else "without")))
        kept = {world.plaintexts.get(one.id) for one in world.status.credentials}
        world.ledger.gone |= set(world.ledger.entries) - kept
        waits = any(one.is_pending for one in world.status.credentials)
        if self.old is not None and self.old[0] not in kept and (waits or self._is_cut(self.old[0])):
            # Of a third credential the oldest makes room; and a cut is permanent, also when it is moved.
            self.old = None

    def _is_cut(self, value: str) -> bool:
        """Say whether the account's kill switch applies to *value*."""
        account = self.world.account
        cut = account.tokens_not_before_time if account else None
        return cut is not None and self.world.ledger.entries[value].mint_time <= cut <= self.world.now

    def _before(self) -> Before:
        world, current = self.world, self.world.current
        nothing = Before(current, "", is_good=False, rotates=False, end=None, minted=len(world.causes))
        if current is None or not world.secret_holds_current or not world.keys_are_there:
            return nothing
        assert world.secret is not None
        entry = world.ledger.entries.get(world.secret.value)
        if entry is None or entry.serial != current.serial:
            return nothing
        ends = [end_by(world.spec, entry.mint_time)]
        if world.is_over_limit(entry.mint_time):
            ends.append(current.expiration_time)
        end = min((one for one in ends if one is not None), default=None)
        cut = world.account.tokens_not_before_time if world.account else None
        stored = current.expiration_time
        due = rotates_at(world.spec, entry.mint_time)
        asked = world.spec.rotation.id if world.spec.rotation else None
        return Before(
            current,
            world.secret.value,
            is_good=(end is None or end > world.now)
            and (stored is None or stored > world.now)
            and (world.account is None or world.status.account_uid == world.account_uid)
            and not (cut is not None and entry.mint_time <= cut <= world.now),
            rotates=(due is not None and due <= world.now) or asked not in {None, world.status.rotation_id},
            end=end,
            minted=len(world.causes),
        )

    def _promise(self, before: Before, causes: list[MintCause]) -> None:
        """Remember until when the token that has just become the older one is to be accepted."""
        if any(cause not in KEEPS_OLDER for cause in causes):
            self.old = None
        if not causes or causes[0] not in ROTATIONS or not before.is_good:
            return
        assert before.current is not None
        overlap = overlap_of(self.world.spec)
        older = [one for one in self.world.status.credentials if one.id == before.current.id]
        if overlap == 0:
            assert older == [], "not at all, for a leak"
            self.old = None
            return
        # In the very second of a cut, what is minted is dated one second later, and the overlap with it.
        begins = max(self.world.now, self.world.status.mint_time or 0)
        until = min(end for end in (before.end, begins + overlap) if end is not None)
        assert [one.expiration_time for one in older] == [until]
        self.old = (before.value, until)
        self.note("an overlap began")

    def held_back(self) -> str:
        """Return what keeps the operator from minting, or nothing."""
        world, memory = self.world, self.world.memory
        mint_time = world.current.mint_time if world.current else world.now
        waits = memory.not_before > world.now and (memory.delivery_error or not world.secret_is_in_order)
        reasons = {
            "no account": world.account is None,
            "no keys": not world.keys_are_there,
            "over a limit": world.is_over_limit(mint_time),
            "a foreign Secret": world.secret is not None and world.secret.is_foreign,
            "patience": waits,
            "a role that is not granted": world.status.serial is None and not world.role_is_granted,
        }
        return next((reason for reason, applies in reasons.items() if applies), "")

    # Invariants.

    @invariant()
    def no_stranger_is_accepted(self) -> None:
        """Neither a value that a user chose, nor another object's, nor one that was over once."""
        for one in self.world.status.credentials:
            value = self.world.plaintexts[one.id]
            has_ended = one.expiration_time is not None and one.expiration_time <= self.world.now
            if has_ended and self.world.ledger.entries[value].delivered:
                # A validator has rejected it from then on, whether or not the operator was there to see it. What was
                # never delivered begins its lifetime when it is.
                self.world.ledger.gone.add(value)
        assert not accepts(self.world, CHOSEN)
        assert not accepts(self.world, COPIED)
        assert not any(accepts(self.world, value) for value in self.world.ledger.gone)

    @invariant()
    def what_is_accepted_may_be(self) -> None:
        """By the times that really passed, the account that it was minted for, and the newest token there is."""
        world, last = self.world, self.world.ledger.last
        cut = world.account.tokens_not_before_time if world.account else None
        for value, entry in world.ledger.entries.items():
            if not accepts(world, value):
                continue
            end = world.ledger.end_of(value, world.spec)
            assert end is None or end > world.now
            assert entry.account == world.account_number
            assert not (cut is not None and entry.mint_time <= cut <= world.now)
            # What was not delivered yet is newer than the last one that was; the end of this says who may have it.
            assert (
                entry is last
                or last is None
                or not entry.delivered
                or world.now < last.mint_time + overlap_of(world.spec)
            )
            minted = world.memory.minted
            waits = self.is_away or (minted is not None and minted.serial == entry.serial)
            assert entry.delivered or waits, "nobody was given it"

    @invariant()
    def status_is_in_order(self) -> None:
        """At most two credentials, none that has ended, the older one within its overlap."""
        if not self.is_away:
            self.world.check_status()

    @invariant()
    def what_can_be_minted_has_been(self) -> None:
        """First, on schedule, on request, after a loss and for a later end."""
        world, spec, now = self.world, self.world.spec, self.world.now
        end = end_by(spec, now)
        if self.is_away or self.held_back() or (end is not None and end <= now):
            return
        last, current = world.ledger.last, world.current
        assert last is not None
        asked = spec.rotation.id if spec.rotation else None
        assert asked in {None, world.status.rotation_id}
        due = rotates_at(spec, last.mint_time)
        if current is None:
            assert due is None
            over = end_by(spec, last.mint_time)
            assert over is not None
            assert over <= now
            return
        assert due is None or due > now
        assert world.secret_is_in_order
        assert not any(one.is_pending for one in world.status.credentials)

    @invariant()
    def the_conditions_say_what_is(self) -> None:
        """SecretSynced about the Secret, Active about what a validator answers."""
        world, current = self.world, self.world.current
        if self.is_away or not world.status.conditions:
            return
        synced = conditions.find(world.status.conditions, ConditionType.SECRET_SYNCED)
        active = conditions.find(world.status.conditions, ConditionType.ACTIVE)
        assert synced is not None
        assert active is not None
        if current is None:
            assert active.status == "False"
            return
        if world.keys_are_there and not world.memory.delivery_error:
            assert (synced.status == "True") is world.secret_holds_current
        if synced.status == "True" and world.keys_are_there:
            assert world.secret is not None
            assert (active.status == "True") is accepts(world, world.secret.value)
        # The other way round only where the Secret is in order: a verifier forged on status fits nothing.
        assert active.status == "True" or not accepts(world, world.plaintexts[current.id])
        world.check_conditions()

    @invariant()
    def the_old_one_is_accepted_exactly_during_its_overlap(self) -> None:
        """As it was promised when it was rotated."""
        world, account = self.world, self.world.account
        if self.old is None or self.is_away or not world.keys_are_there or account is None:
            return
        value, until = self.old
        refused = world.spec.state == "Revoked" or account.state == "Suspended" or self._is_cut(value)
        refused = refused or world.status.account_uid != world.account_uid or is_suspended(world)
        assert accepts(world, value) is (world.now < until and not refused)
        self.note("an overlap was watched")

    @invariant()
    def foreign_secrets_stay(self) -> None:
        """Not a byte of them changes."""
        if self.foreign is not None:
            found, copy = self.foreign
            assert self.world.cluster.secret is found
            assert found == copy

    def stranger(self, serial: int) -> str:
        """Return the verifier of another object's token."""
        return RING.sign("k1", "u-2", serial, COPIED)

    @property
    def uid(self) -> str:
        """The uid of this one."""
        return UID
