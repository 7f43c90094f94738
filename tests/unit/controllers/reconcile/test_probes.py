"""Many tokens of one namespace send Events at the same time: what one of them learns is true for all."""

import asyncio
from dataclasses import replace
from typing import Literal

import pytest

from common.builders.facts import a_token
from common.fakes.clock import FakeClock
from servicetokens.api import names
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.controllers.reconcile.reports import Reports
from servicetokens.kube.errors import ApiUnavailable, Forbidden, KubeError
from servicetokens.kube.events import Regarding
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import Event
from servicetokens.lifecycle.snapshot import TokenFacts

MANY = 32
EVENTS = (Event("Warning", "AccountNotFound", "It is gone."), Event("Warning", "TokenExpired", "It is over."))
TERMINATING = Forbidden("being terminated", causes=("NamespaceTerminating",))


class Sender:
    """Answers when the test lets it; *error* is the answer in the namespace `team-a`."""

    def __init__(self) -> None:
        self.error: KubeError | None = None
        self.answers = asyncio.Event()
        self.sent: list[str] = []

    async def send(
        self, regarding: Regarding, _kind: Literal["Normal", "Warning"], reason: str, _note: str
    ) -> None:
        """See `EventSender`."""
        self.sent.append(f"{regarding.namespace} {reason}")
        await self.answers.wait()
        if self.error is not None and regarding.namespace == "team-a":
            raise self.error


class Reporting:
    """Reports, and the tokens that know that their namespace is being deleted."""

    def __init__(self) -> None:
        self.sender, self.clock, self.memories = Sender(), FakeClock(), Memories()
        self.reports = Reports(self.memories, self.sender, self.clock)

    async def send(self, number: int, namespace: str = "team-a") -> None:
        """Send the Events of one token."""
        key = Key(names.KIND_TOKEN, namespace, f"t{number}")
        await self.reports.send(key, a_token_in(namespace, number), EVENTS)

    def begin(self, count: int = MANY, namespace: str = "team-a") -> list[asyncio.Task[None]]:
        """Have that many tokens send theirs."""
        return [asyncio.create_task(self.send(number, namespace)) for number in range(count)]

    def ends(self, number: int) -> bool:
        """Say whether nothing more is written for that token."""
        key = Key(names.KIND_TOKEN, "team-a", f"t{number}")
        return self.memories.recall(key, a_token_in("team-a", number), self.clock.now()).namespace_ends


def a_token_in(namespace: str, number: int) -> TokenFacts:
    """Return one of many."""
    return replace(a_token(), namespace=namespace, name=f"t{number}", uid=f"u-{number}")


@pytest.fixture
def it() -> Reporting:
    """Nothing sent yet."""
    return Reporting()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5 * MANY):
        await asyncio.sleep(0)


async def test_one_event_is_rejected_in_a_namespace_that_is_being_deleted(it: Reporting) -> None:
    """Whose account went first: no other token sends any, nor writes anything else."""
    it.sender.error = TERMINATING
    sending = it.begin()
    await settle()
    it.sender.answers.set()
    await asyncio.gather(*sending)
    await it.send(MANY)
    assert it.sender.sent == ["team-a AccountNotFound"]
    assert all(it.ends(number) for number in range(MANY + 1))
    # Once the namespace is there again, the next Event is sent.
    it.sender.error = None
    it.clock.advance(2)
    await it.send(0)
    assert len(it.sender.sent) == 1 + len(EVENTS)


@pytest.mark.parametrize("error", [None, ApiUnavailable("timed out", timed_out=True), Forbidden("denied")])
async def test_whatever_else_is_answered_every_event_is_sent(it: Reporting, error: KubeError | None) -> None:
    """The others have waited for the first only."""
    it.sender.error = error
    sending = it.begin()
    await settle()
    assert it.sender.sent == ["team-a AccountNotFound"]
    it.sender.answers.set()
    await asyncio.gather(*sending)
    assert sorted(it.sender.sent) == sorted(["team-a AccountNotFound", "team-a TokenExpired"] * MANY)
    assert not any(it.ends(number) for number in range(MANY))


async def test_no_namespace_waits_for_another_and_none_is_asked_twice_in_a_second(it: Reporting) -> None:
    """Nor does one that has just answered wait again: Events of many tokens go side by side."""
    other = it.begin(2, "team-b")
    await settle()
    waiting = it.begin(1)
    await settle()
    assert it.sender.sent == ["team-b AccountNotFound", "team-a AccountNotFound"]
    it.sender.answers.set()
    await asyncio.gather(*other, *waiting)
    it.sender.answers.clear()
    it.sender.sent.clear()
    busy = it.begin()
    await settle()
    assert len(it.sender.sent) == MANY
    it.clock.advance(2)
    late = it.begin(2)
    await settle()
    assert len(it.sender.sent) == MANY + 1
    it.sender.answers.set()
    await asyncio.gather(*busy, *late)


async def test_a_cancelled_first_probe_leaves_no_other_waiting(it: Reporting) -> None:
    """As when the operator stops."""
    first, second = it.begin(2)
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    it.sender.answers.set()
    await second
    assert it.sender.sent == ["team-a AccountNotFound", "team-a AccountNotFound", "team-a TokenExpired"]
