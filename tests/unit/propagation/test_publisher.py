"""The validator's Lease: no answer on the strength of one that could have ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from common.builders.presenting import STALENESS, Surroundings
from common.fakes.api import FakeApi
from servicetokens.kube.leases import Lease
from servicetokens.propagation.publisher import LeasePublisher
from servicetokens.propagation.record import ValidatorLease as Shown
from servicetokens.propagation.record import first_lease

pytestmark = pytest.mark.skips_time

SECONDS = int(STALENESS)


class World:
    """A complete index, whose validator has yet to announce itself."""

    def __init__(self) -> None:
        self.around = Surroundings()
        self.api = FakeApi(version=100)
        self.lists = 0
        self.may_list = asyncio.Event()
        self.presence = LeasePublisher(
            self.api.lease_store,
            self.around.index,
            self.around.clock,
            first_lease("home", "validator-1", holder="pod-1", seconds=SECONDS),
            self,
        )

    def positions(self) -> dict[str, str]:
        """Return what the watches have applied."""
        return {"servicetokens": "42"}

    @property
    def lease(self) -> Lease:
        """The validator's Lease as it is stored."""
        return self.api.leases["validator-1"]

    @property
    def writes(self) -> int:
        """How often it was written, or tried to be."""
        return self.api.calls.count("put lease")

    async def list_again(self) -> None:
        """List, when the test lets it."""
        self.lists += 1
        await self.may_list.wait()

    def answers(self) -> bool:
        """Say whether a valid token gets an answer; all watches are live."""
        self.around.confirm()
        return not hasattr(self.around.present(), "problems")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Announce, and keep renewing."""
        await self.presence.announce()
        task = asyncio.create_task(self.presence.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, writes: int) -> None:
        """Let it renew until there were so many writes."""
        async with asyncio.timeout(10):
            while self.writes < writes:
                self.presence.changed()
                await asyncio.sleep(0.02)


async def test_nothing_is_answered_before_the_lease_is_written() -> None:
    """Then it is, for as long as the Lease lasts, counted from before the write."""
    world = World()
    assert not world.answers()
    await world.presence.announce()
    assert world.answers()
    shown = Shown.read(world.lease)
    assert shown.has_applied("servicetokens", "team-a", 42)
    assert not shown.has_applied("servicetokens", "team-a", 43)
    world.around.clock.advance(SECONDS - 1)
    assert world.answers()
    world.around.clock.advance(1)
    assert not world.answers()


async def test_a_change_of_state_is_reported_immediately() -> None:
    """And many together cost few writes: four a second, however slow the machine is."""
    world = World()
    async with world.running():
        clock = asyncio.get_running_loop().time
        began = clock()
        for _ in range(50):
            world.presence.changed()
            await asyncio.sleep(0.01)
        # The first, the announcement, and one that had begun.
        assert 2 <= world.writes <= 3 + (clock() - began) / 0.25


async def test_a_late_validator_lists_before_it_answers_again() -> None:
    """Also though all watches go on: what they deliver may have been sent long ago."""
    world = World()
    async with world.running():
        world.around.clock.advance(SECONDS)
        assert not world.answers()
        await world.until(3)
        assert world.lists == 1
        assert not world.answers(), "not before the lists are complete"
        world.may_list.set()
        await world.until(world.writes + 2)
        assert world.answers()


async def test_a_deleted_lease_is_written_again_and_everything_listed() -> None:
    """After its deletion the operator does not wait for us any more."""
    world = World()
    async with world.running():
        await world.api.lease_store.delete(world.lease)
        await world.until(3)
        assert world.lease.holder == "pod-1"
        assert world.lists == 1
        assert not world.answers()


async def test_an_answer_that_was_lost_is_made_up_for() -> None:
    """Another writer changed it: it was us."""
    world = World()
    async with world.running():
        world.api.leases["validator-1"] = replace(world.lease, resource_version="999")
        await world.until(3)
        assert world.lists == 0
        assert world.answers()


async def test_an_unavailable_api_server_is_reported_and_waited_for() -> None:
    """Answers go on until the Lease could have ended."""
    world = World()
    async with world.running():
        world.api.is_down = True
        world.presence.changed()
        await asyncio.sleep(0.5)
        assert "did not answer" in world.presence.problem
        assert world.answers()
        world.api.is_down = False
        await world.until(world.writes + 1)
        assert world.presence.problem == ""


async def test_leaving_takes_the_lease_away_and_ends_all_answers() -> None:
    """In that order: no validator may accept tokens while the operator does not wait for it."""
    world = World()
    await world.presence.announce()
    await world.presence.leave()
    assert world.api.leases == {}
    assert not world.answers()
