"""The proof, tried out: whatever validators do and whenever the operator asks, Enforced=True is never a lie.

The operator's side is the real one. A validator here does what `servicetokens.propagation.publisher` makes it do: it
writes its Lease before it lists, answers only while the Lease as last renewed is good, and lists again when it was
late.
"""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.builders.facts import a_token
from common.fakes.api import FakeApi, answered
from common.fakes.clock import FakeClock
from property.search import SEARCH
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.kube.errors import Conflict, NotFound
from servicetokens.kube.leases import Lease
from servicetokens.kube.object_key import Key
from servicetokens.propagation.record import first_lease, renewed
from servicetokens.propagation.tracker import Enforcements

SECONDS = 10
KEY = Key("ServiceToken", "team-a", "ci-prod")
NUMBERS = st.integers(0, 3)


@dataclass
class Validator:
    """One validator. `applied` is None until it has listed; it answers by that as long as `renewed_at` is recent."""

    lease: Lease
    renewed_at: float
    applied: int | None = None

    def can_answer(self, now: float) -> bool:
        """Say whether it would answer a request at this moment, were it not frozen."""
        return self.applied is not None and now < self.renewed_at + SECONDS


class Revocations(RuleBasedStateMachine):
    """Up to four validators, one token that is revoked and restored."""

    def __init__(self) -> None:
        super().__init__()
        self.api, self.clock = FakeApi(version=1000), FakeClock()
        self.operator = Enforcements(self.api.lease_store, "home", WorkQueue(), self.clock)
        self.validators: list[Validator] = []
        self.token = replace(a_token(state="Revoked"), generation=1, resource_version=self.api.change())
        self.born = 0
        self.operator.about(KEY, self.token)

    @rule(seconds=st.sampled_from([0, 1, 3, SECONDS - 1, SECONDS, SECONDS + 1]))
    def wait(self, seconds: int) -> None:
        """Time passes for everyone, also for the frozen."""
        self.clock.advance(seconds)

    @precondition(lambda self: len(self.validators) < 4)
    @rule()
    def start(self) -> None:
        """A validator announces itself."""
        self.born += 1
        began = self.clock.monotonic()
        lease = first_lease("home", f"validator-{self.born}", holder=f"pod-{self.born}", seconds=SECONDS)
        self.validators.append(Validator(self._put(renewed(lease, {"servicetokens": ""}, 0)), began))

    @precondition(lambda self: self.validators)
    @rule(number=NUMBERS, step=st.integers(0, 30))
    def learn(self, number: int, step: int) -> None:
        """It lists, if it has to and may; else it applies a part of what the watch delivers, however old that is."""
        one = self._pick(number)
        if one.applied is not None:
            one.applied = min(self.api.version, one.applied + step)
        elif self.clock.monotonic() < one.renewed_at + SECONDS:
            one.applied = self.api.version

    @precondition(lambda self: self.validators)
    @rule(number=NUMBERS, lost=st.booleans())
    def renew(self, number: int, lost: bool) -> None:
        """It renews; late, it has to list again; the answer may be lost, and the write be applied nevertheless."""
        one = self._pick(number)
        began = self.clock.monotonic()
        if began >= one.renewed_at + SECONDS:
            one.applied = None
        applied = "" if one.applied is None else str(one.applied)
        try:
            written = self._put(renewed(one.lease, {"servicetokens": applied}, 0))
        except NotFound:
            one.lease, one.applied = replace(one.lease, resource_version=""), None
            return
        except Conflict:
            one.lease = replace(one.lease, resource_version=self.api.leases[one.lease.name].resource_version)
            return
        if not lost:
            one.lease, one.renewed_at = written, began

    @rule(
        spared=NUMBERS,
        how=st.sampled_from(["catches up", "only renews", "is frozen"]),
        seconds=st.sampled_from([0, 1, SECONDS - 3, SECONDS - 1, SECONDS]),
    )
    def all_but_one_catch_up(self, spared: int, how: str, seconds: int) -> None:
        """Everyone applies everything and renews, except one; then again, some time later. The operator asks."""
        for pause in (0, seconds):
            self.clock.advance(pause)
            for number in range(len(self.validators)):
                if number != spared or how == "catches up":
                    self.learn(number, self.api.version)
                if number != spared or how != "is frozen":
                    self.renew(number, lost=False)
            answered(self.operator._list_leases())

    @precondition(lambda self: self.validators)
    @rule(number=NUMBERS, orderly=st.booleans())
    def end(self, number: int, orderly: bool) -> None:
        """It is killed, and its Lease stays; or it ends in order."""
        one = self._pick(number)
        self.validators.remove(one)
        if orderly:
            self.api.leases.pop(one.lease.name, None)

    @rule(other=st.integers(0, 40))
    def write_something(self, other: int) -> None:
        """Other objects are written."""
        for _ in range(other):
            self.api.change()

    @rule()
    def change_the_state(self) -> None:
        """The token is revoked or restored; the operator sees it."""
        version = self.api.change()
        self.token = replace(self.token, generation=self.token.generation + 1, resource_version=version)
        self.operator.about(KEY, self.token)

    @rule()
    def ask(self) -> None:
        """The operator lists the Leases."""
        answered(self.operator._list_leases())

    @invariant()
    def enforced_is_true(self) -> None:
        """Anyone who could answer at this moment has applied it."""
        if not self.operator.about(KEY, self.token).passed:
            return
        now = self.clock.monotonic()
        for one in self.validators:
            assert not one.can_answer(now) or (one.applied or 0) >= int(self.token.resource_version)

    def _put(self, lease: Lease) -> Lease:
        return answered(self.api.lease_store.put(lease))

    def _pick(self, number: int) -> Validator:
        return self.validators[number % len(self.validators)]


Revocations.TestCase.settings = settings(
    SEARCH, max_examples=SEARCH.max_examples // 2, stateful_step_count=30
)
TestRevocations = Revocations.TestCase
