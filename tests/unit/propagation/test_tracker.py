"""When the operator may say that a revocation is in effect."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from common.builders.facts import a_token
from common.fakes.api import FakeApi
from common.fakes.clock import FakeClock
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.kube.errors import Conflict
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.snapshot import Enforcement, TokenFacts
from servicetokens.propagation.record import first_lease, renewed
from servicetokens.propagation.tracker import Enforcements
from servicetokens.runtime.settings import MOST_STALENESS

SECONDS = 60
KEY = Key("ServiceToken", "team-a", "ci-prod")


class Desk:
    """The service on a fake clock, asked one step at a time."""

    def __init__(self) -> None:
        self.api, self.clock, self.queue = FakeApi(version=1000), FakeClock(), WorkQueue()
        self.service = Enforcements(self.api.lease_store, "home", self.queue, self.clock)
        self.token = replace(a_token(state="Revoked"), resource_version="500")

    @property
    def lists(self) -> int:
        """How often the Leases were listed."""
        return self.api.calls.count("list leases")

    def write(self, name: str, applied: Mapping[str, str]) -> None:
        """Let a validator renew its Lease."""
        lease = self.api.leases.get(name) or first_lease("home", name, holder=f"pod-{name}", seconds=SECONDS)
        self.api.leases[name] = replace(renewed(lease, applied, 0), resource_version=self.api.change())

    def about(self, token: TokenFacts | None = None) -> Enforcement:
        """Ask as the gatherer does."""
        return self.service.about(KEY, token or self.token)

    async def ask(self, seconds: float = 0.0) -> Enforcement:
        """List the Leases once, after so many seconds, and return what is known then."""
        self.clock.advance(seconds)
        await self.service._list_leases()
        return self.about()


@pytest.fixture
def desk() -> Desk:
    """With two validators, one of which has applied it."""
    found = Desk()
    found.write("a", {"servicetokens": "500"})
    found.write("b", {"servicetokens": "499"})
    return found


async def test_it_is_true_when_every_validator_has_applied_the_revision(desk: Desk) -> None:
    """Not before, and the object is looked at again once it is."""
    assert desk.about() == Enforcement()
    assert not (await desk.ask()).passed
    assert len(desk.queue) == 0, "nothing worth a write"
    desk.write("b", {"servicetokens": "501"})
    assert await desk.ask() == Enforcement(passed=True, validators=2)
    assert len(desk.queue) == 1
    lists = desk.lists
    assert desk.about().passed
    assert not desk.service._waiting
    assert desk.lists == lists


async def test_those_who_are_late_are_named_after_a_while(desk: Desk) -> None:
    """Once, and again only when they are others."""
    desk.about()
    await desk.ask()
    assert await desk.ask(5) == Enforcement(validators=2, awaited=("pod-b",))
    assert len(desk.queue) == 1
    await desk.ask(1)
    assert len(desk.queue) == 1


async def test_a_validator_that_does_not_renew_is_waited_for_until_its_lease_has_expired(desk: Desk) -> None:
    """By our own clock since we saw it; then its Lease is deleted."""
    desk.about()
    await desk.ask()
    desk.write("a", {"servicetokens": "500"})
    assert not (await desk.ask(SECONDS - 1)).passed
    desk.write("a", {"servicetokens": "500"})
    assert (await desk.ask(1)).passed
    assert set(desk.api.leases) == {"a"}


async def test_a_lease_that_claims_to_last_for_years_is_waited_for_like_the_longest(desk: Desk) -> None:
    """A ghost that no validator could be must not delay the proof."""
    desk.write("a", {"servicetokens": "500"})
    desk.write("b", {})
    desk.api.leases["b"] = replace(desk.api.leases["b"], seconds=2**31 - 1)
    desk.about()
    await desk.ask()
    desk.write("a", {"servicetokens": "500"})
    assert not (await desk.ask(MOST_STALENESS - 1)).passed
    desk.write("a", {"servicetokens": "500"})
    assert (await desk.ask(1)).passed


async def test_a_lease_that_was_renewed_meanwhile_is_not_buried(desk: Desk) -> None:
    """The precondition says so; it counts as alive the next time."""
    desk.about()
    await desk.ask()
    desk.api.rejects["delete lease"] = Conflict("it was renewed")
    await desk.ask(SECONDS)
    assert set(desk.api.leases) == {"a", "b"}


async def test_another_generation_starts_again_and_a_restored_one_is_waited_for_too(desk: Desk) -> None:
    """What was true of the last one is true of nothing else."""
    desk.about()
    desk.write("b", {"servicetokens": "500"})
    assert (await desk.ask()).passed
    newer = replace(desk.token, generation=2, resource_version="700")
    assert desk.about(newer) == Enforcement()
    await desk.service._list_leases()
    assert not desk.about(newer).passed
    for name in ("a", "b"):
        desk.write(name, {"servicetokens": "700"})
    await desk.service._list_leases()
    assert desk.about(newer).passed


async def test_no_lease_is_read_for_objects_that_were_never_revoked(desk: Desk) -> None:
    """Nor for deleted objects."""
    desk.about(a_token())
    assert not desk.service._waiting
    desk.about()
    desk.service.forget(KEY)
    assert not desk.service._waiting


async def test_without_validators_and_without_an_api_server_nothing_is_claimed(desk: Desk) -> None:
    """The first is worth telling; the second changes nothing."""
    desk.about()
    desk.api.is_down = True
    assert await desk.ask() == Enforcement()
    desk.api.is_down = False
    desk.api.leases.clear()
    assert await desk.ask() == Enforcement(validators=0)
    desk.write("c", {"servicetokens": "400"})
    assert await desk.ask() == Enforcement(validators=1, awaited=("pod-c",))
