"""How often a peer may fail to authenticate."""

from common.fakes.clock import FakeClock
from servicetokens.authn.addresses import parse_address
from servicetokens.validator.failures import BURST, PER_SECOND, FailureLimit


def failures(limit: FailureLimit, peer: str | None, tries: int) -> int:
    """Return how many of so many tries are let through."""
    address = parse_address(peer) if peer else None
    return sum(limit.take(address) for _ in range(tries))


def test_a_peer_has_a_burst_and_then_a_rate() -> None:
    """After a pause there is room again, never more than the burst."""
    clock = FakeClock()
    limit = FailureLimit(clock)
    assert failures(limit, "10.0.0.1", 5 * BURST) == BURST
    clock.advance(1)
    assert failures(limit, "10.0.0.1", 5 * BURST) == PER_SECOND
    clock.advance(3600)
    assert failures(limit, "10.0.0.1", 5 * BURST) == BURST


def test_one_peer_takes_nothing_from_another() -> None:
    """Nor do clients without an address share a limit with others."""
    limit = FailureLimit(FakeClock())
    failures(limit, "10.0.0.1", 2 * BURST)
    failures(limit, None, 2 * BURST)
    assert failures(limit, "10.0.0.2", 1) == 1
    assert failures(limit, "::1", 1) == 1


def test_the_addresses_of_one_ipv6_host_share_a_bucket() -> None:
    """It may choose any of 2**64."""
    limit = FailureLimit(FakeClock())
    found = sum(failures(limit, f"2001:db8::{number:x}", 1) for number in range(2 * BURST))
    assert found == BURST
    assert failures(limit, "2001:db8:0:1::1", 1) == 1


def test_a_flood_from_many_addresses_takes_bounded_memory() -> None:
    """The oldest bucket makes room, so the others stay right."""
    limit = FailureLimit(FakeClock())
    for number in range(10_000):
        failures(limit, f"10.{number >> 8}.{number & 255}.1", 1)
    assert len(limit._full_at) <= 4096
    failures(limit, "10.39.15.1", 2 * BURST)
    assert failures(limit, "10.39.15.1", 1) == 0
