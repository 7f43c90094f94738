"""When the operator may say that a revocation is in effect."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from common.builders.facts import a_token
from common.fakes.clock import FakeClock
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.kube.errors import ApiUnavailable, Conflict
from servicetokens.kube.leases import Lease
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.snapshot import Enforcement, TokenFacts
from servicetokens.propagation.record import first_lease, renewed
from servicetokens.propagation.tracker import Enforcements
from servicetokens.runtime.settings import MOST_STALENESS

SECONDS = 60
KEY = Key("ServiceToken", "team-a", "ci-prod")


@dataclass
class Leases:
    """What the API server has; deletes what it is informed to."""

    stored: dict[str, Lease] = field(default_factory=dict)
    version: int = 1000
    lists: int = 0
    away: bool = False
    racing: bool = False

    def write(self, name: str, applied: Mapping[str, str]) -> None:
        """Let a validator renew its Lease."""
        lease = self.stored.get(name) or first_lease("home", name, holder=f"pod-{name}", seconds=SECONDS)
        self.version += 1
        self.stored[name] = replace(renewed(lease, applied, 0), resource_version=str(self.version))

    async def list(self, namespace: str, _selector: str) -> tuple[Lease, ...]:
        """See `LeaseReader`."""
        self.lists += 1
        if self.away:
            raise ApiUnavailable(namespace)
        return tuple(self.stored.values())

    async def delete(self, lease: Lease) -> None:
        """See `LeaseReader`."""
        if self.racing:
            raise Conflict(lease.name)
        del self.stored[lease.name]


class Desk:
    """The service on a fake clock, asked one step at a time."""

    def __init__(self) -> None:
        self.leases, self.clock, self.queue = Leases(), FakeClock(), WorkQueue()
        self.service = Enforcements(self.leases, "home", self.queue, self.clock)
        self.token = replace(a_token(state="Revoked"), resource_version="500")

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
    found.leases.write("a", {"servicetokens": "500"})
    found.leases.write("b", {"servicetokens": "499"})
    return found


async def test_it_is_true_when_every_validator_has_applied_the_revision(desk: Desk) -> None:
    """Not before, and the object is looked at again once it is."""
    assert desk.about() == Enforcement()
    assert not (await desk.ask()).passed
    assert len(desk.queue) == 0, "nothing worth a write"
    desk.leases.write("b", {"servicetokens": "501"})
    assert await desk.ask() == Enforcement(passed=True, validators=2)
    assert len(desk.queue) == 1
    lists = desk.leases.lists
    assert desk.about().passed
    assert not desk.service._waiting
    assert desk.leases.lists == lists


async def test_those_who_are_late_are_named_after_a_while(desk: Desk) -> None:
    """Once, and again only when they are others."""
    desk.about()
    await desk.ask()
    assert await desk.ask(5) == Enforcement(validators=2, awaited=("pod-b",))
    assert len(desk.queue) == 1
    await desk.ask(1)
    assert len(desk.queue) == 1


async def test_a_silent_validator_is_waited_for_until_its_lease_has_expired(desk: Desk) -> None:
    """By our own clock since we saw it; then its Lease is deleted."""
    desk.about()
    await desk.ask()
    desk.leases.write("a", {"servicetokens": "500"})
    assert not (await desk.ask(SECONDS - 1)).passed
    desk.leases.write("a", {"servicetokens": "500"})
    assert (await desk.ask(1)).passed
    assert set(desk.leases.stored) == {"a"}


async def test_a_lease_that_claims_to_last_for_years_is_waited_for_like_the_longest(desk: Desk) -> None:
    """A ghost that no validator could be must not delay the proof."""
    desk.leases.write("a", {"servicetokens": "500"})
    desk.leases.write("b", {})
    desk.leases.stored["b"] = replace(desk.leases.stored["b"], seconds=2**31 - 1)
    desk.about()
    await desk.ask()
    desk.leases.write("a", {"servicetokens": "500"})
    assert not (await desk.ask(MOST_STALENESS - 1)).passed
    desk.leases.write("a", {"servicetokens": "500"})
    assert (await desk.ask(1)).passed


async def test_a_lease_that_was_renewed_meanwhile_is_not_buried(desk: Desk) -> None:
    """The precondition says so; it counts as alive the next time."""
    desk.about()
    await desk.ask()
    desk.leases.racing = True
    await desk.ask(SECONDS)
    assert set(desk.leases.stored) == {"a", "b"}


async def test_another_generation_starts_again_and_a_restored_one_is_waited_for_too(desk: Desk) -> None:
    """What was true of the last one is true of nothing else."""
    desk.about()
    desk.leases.write("b", {"servicetokens": "500"})
    assert (await desk.ask()).passed
    newer = replace(desk.token, generation=2, resource_version="700")
    assert desk.about(newer) == Enforcement()
    await desk.service._list_leases()
    assert not desk.about(newer).passed
    for name in ("a", "b"):
        desk.leases.write(name, {"servicetokens": "700"})
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
    desk.leases.away = True
    assert await desk.ask() == Enforcement()
    desk.leases.away = False
    desk.leases.stored.clear()
    assert await desk.ask() == Enforcement(validators=0)
    desk.leases.write("c", {"servicetokens": "400"})
    assert await desk.ask() == Enforcement(validators=1, awaited=("pod-c",))
