"""What `doctor` says about the operator, from its Lease alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from servicetokens.api.values import format_micro_time
from servicetokens.cli.findings import Level
from servicetokens.cli.leading import examine
from servicetokens.kube.errors import NotFound
from servicetokens.kube.leases import Lease

NOW = 1_800_000_000


class Leases:
    """A Lease, as it is found at each look; None is that there is none."""

    def __init__(self, *found: Lease | None) -> None:
        self.found = list(found)
        self.slept: list[float] = []

    async def get(self, namespace: str, name: str) -> Lease:
        """Return the next one."""
        assert (namespace, name) == ("home", "servicetokens-operator")
        lease = self.found.pop(0)
        if lease is None:
            message = "no such Lease"
            raise NotFound(message)
        return lease

    async def sleep(self, seconds: float) -> None:
        """Take note of it."""
        self.slept.append(seconds)


def lease(renewed: int, holder: str = "operator-a", version: str = "7", seconds: int = 15) -> Lease:
    """Return a Lease that was renewed *renewed* seconds after NOW."""
    return Lease(
        namespace="home",
        name="servicetokens-operator",
        holder=holder,
        seconds=seconds,
        renewed=format_micro_time(NOW + renewed),
        acquired="",
        transitions=0,
        resource_version=version,
    )


def said(*found: Lease | None) -> tuple[Level, str, Sequence[float]]:
    """Return what is said about a Lease, and how long that took."""
    leases = Leases(*found)
    ((level, message),) = asyncio.run(examine(leases, "home", NOW, leases.sleep))
    assert leases.found == []
    return level, message, leases.slept


@pytest.mark.parametrize("renewed", [0, -1, -4, 500])
def test_a_lease_that_was_just_renewed_is_read_once(renewed: int) -> None:
    """Also by a clock that is ahead, which another check names."""
    assert said(lease(renewed)) == (Level.OK, "'operator-a' is the leader", [])


@pytest.mark.parametrize("renewed", [-5, -14, -40, -100_000])
def test_a_lease_that_is_renewed_meanwhile_has_a_leader_whatever_the_clocks_say(renewed: int) -> None:
    """A clock that is behind is no reason to call a running operator dead."""
    again = lease(renewed + 2, version="8")
    assert said(lease(renewed), again) == (Level.OK, "'operator-a' is the leader", [4.0])


def test_a_killed_leader_is_named_while_its_lease_is_still_valid() -> None:
    """In the first seconds no other operator may take over: the finding says since when the Lease was not renewed."""
    level, message, _ = said(lease(-5), lease(-5))
    assert level is Level.WARNING
    assert message.startswith(
        "'operator-a' has not renewed its Lease for 9 seconds, and does so every 2 seconds"
    )
    assert message.endswith("or another one takes over, in 6 seconds at the earliest")
    level, message, _ = said(lease(-11), lease(-11))
    assert (level, message) == (
        Level.BAD,
        "the Lease was not renewed for 15 seconds: without a leader, nothing is minted or rotated",
    )


def test_a_longer_lease_is_renewed_less_often() -> None:
    """The time between renewals grows with it; no check takes more than ten seconds."""
    slow = lease(-30, seconds=150)
    assert said(slow)[0] is Level.OK
    assert said(replace(slow, renewed=format_micro_time(NOW - 41)), slow)[2] == [10.0]


def test_a_released_lease_says_when_the_last_operator_stopped() -> None:
    """It has no holder: that is known immediately, and also when it happens meanwhile."""
    stopped = "none runs: the last one stopped {} ago; without a leader, nothing is minted or rotated"
    assert said(lease(-3, holder="", seconds=1)) == (Level.BAD, stopped.format("3 seconds"), [])
    level, message, _ = said(lease(-9), lease(-9, holder="", version="8", seconds=1))
    assert (level, message.partition(":")[0]) == (Level.BAD, "none runs")


def test_no_lease_is_answered_with_what_that_can_mean() -> None:
    """Also when it was deleted meanwhile."""
    assert said(None)[1].startswith("no Lease 'servicetokens-operator' in namespace 'home'")
    assert said(lease(-9), None)[0] is Level.WARNING
