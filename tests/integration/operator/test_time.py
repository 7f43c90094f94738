"""Days and weeks, by a clock in the test's hands: the whole operator in this process, the API server real."""

import time

import pytest

from common.drivers.audited import writes
from common.drivers.world import World
from common.fakes.clock import FakeClock
from servicetokens.api.values import format_time

HOUR, DAY = 3600, 86400


@pytest.fixture
def clock() -> FakeClock:
    """Now, until the test says otherwise."""
    return FakeClock(now=int(time.time()))


def serials(world: World, namespace: str, name: str = "ci-prod") -> list[int]:
    """Return the serials of the live credentials."""
    return [credential["serial"] for credential in world.status(namespace, name).get("credentials") or []]


def test_a_token_rotates_automatically_and_the_old_one_expires_with_its_overlap(
    world: World, namespace: str, clock: FakeClock
) -> None:
    """Every twenty days, one day of overlap; the next rotation is announced on status."""
    with world.operator_in_process(clock, namespace):
        world.token(namespace, expiresAfter="30d", rotation={"every": "20d", "overlap": "1d"})
        first = world.until_ready(namespace)
        assert world.status(namespace)["nextRotationTime"] == format_time(clock.now() + 20 * DAY)
        clock.advance(20 * DAY - 1)
        time.sleep(0.5)
        assert serials(world, namespace) == [1]
        clock.advance(1)
        world.until(lambda: serials(world, namespace) == [1, 2], "the rotation")
        second = world.until_ready(namespace)
        assert second != first
        old = world.status(namespace)["credentials"][0]
        assert old["expirationTime"] == format_time(clock.now() + DAY)
        clock.advance(DAY)
        world.until(lambda: serials(world, namespace) == [2], "the end of the overlap")
        assert world.value(namespace) == second


def test_an_operator_that_was_down_for_weeks_makes_one_pass(
    world: World, namespace: str, clock: FakeClock
) -> None:
    """A rotation that was missed is made up for once; what has expired is written down; the rest is left."""
    with world.operator_in_process(clock, namespace):
        world.token(namespace, "rotates", expiresAfter="30d", rotation={"every": "20d"})
        world.token(namespace, "expires", expiresAfter="30d")
        world.token(namespace, "stays", expiresAfter="never")
        for name in ("rotates", "expires", "stays"):
            world.until_ready(namespace, name)
        world.until(
            lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == 3,
            "the count",
        )
    clock.advance(65 * DAY)
    mark = world.cluster.audit.mark()
    with world.operator_in_process(clock, namespace):
        world.until(lambda: world.status(namespace, "rotates")["serial"] == 2, "one rotation")
        world.until_ready(namespace, "rotates")
        world.until_reason(namespace, "Active", "Expired", "expires")
        time.sleep(1)
        assert serials(world, namespace, "rotates") == [2]
        assert writes(world, mark, namespace) == {
            # Two are of the rotation: what status said of the token that has ended is withdrawn first.
            "update servicetokens/status": 3,
            "patch secrets": 2,
            "create events": 2,
        }


def test_an_end_is_announced_three_times(world: World, namespace: str, clock: FakeClock) -> None:
    """Thirty, seven and one days before it, each with one Warning."""
    with world.operator_in_process(clock, namespace):
        world.token(namespace, expiresAfter="100d")
        world.until_ready(namespace)
        assert world.condition(namespace, "ExpiringSoon")["status"] == "False"
        for days, reason in ((70, "30Days"), (23, "7Days"), (6, "1Day")):
            clock.advance(days * DAY)
            world.until_reason(namespace, "ExpiringSoon", f"ExpiresWithin{reason}")
        world.until(lambda: world.events(namespace) == ["TokenExpiringSoon"] * 3, "three warnings")


def test_a_scheduled_cut_acts_when_its_time_comes(world: World, namespace: str, clock: FakeClock) -> None:
    """`tokensNotBeforeTime` may lie in the future."""
    with world.operator_in_process(clock, namespace):
        world.token(namespace)
        value = world.until_ready(namespace)
        cut = format_time(clock.now() + 3 * DAY)
        world.change(namespace, "ci", "serviceaccounts", tokensNotBeforeTime=cut)
        clock.advance(3 * DAY - 1)
        time.sleep(0.5)
        assert world.value(namespace) == value
        clock.advance(1)
        world.until(lambda: world.status(namespace)["serial"] == 2, "the cut")
        world.until_ready(namespace)
        assert serials(world, namespace) == [2]


def test_a_clock_that_jumps_ahead_expires_tokens(world: World, namespace: str, clock: FakeClock) -> None:
    """And nothing else. A clock that is set back is not believed: `SystemClock` never runs backwards."""
    with world.operator_in_process(clock, namespace):
        world.token(namespace, expiresAfter="30m")
        world.token(namespace, "longer", expiresAfter="2h")
        world.until_ready(namespace)
        longer = world.until_ready(namespace, "longer")
        clock.advance(HOUR)
        world.until_reason(namespace, "Active", "Expired")
        assert world.value(namespace, "longer") == longer
        assert world.status(namespace)["serial"] == 1
