"""Which Events become objects: what repeats is counted, and what loops is left out."""

from servicetokens.kube.correlation import BURST, MEMORY, REFILL_SECONDS, SERIES_SECONDS, Correlator


def test_what_repeats_within_six_minutes_is_counted_on_the_first() -> None:
    """Each repetition makes the series last longer."""
    correlator = Correlator()
    assert correlator.repeated("key", 0) is None
    correlator.sent("key", "token.1", 0)
    for count, now in enumerate((SERIES_SECONDS, 2 * SERIES_SECONDS), start=2):
        series = correlator.repeated("key", now)
        assert series is not None
        assert (series.name, series.count) == ("token.1", count)
    assert correlator.repeated("key", 3 * SERIES_SECONDS + 1) is None
    assert correlator.repeated("other", 0) is None


def test_a_series_whose_event_was_deleted_begins_again() -> None:
    """Events live for an hour; a series may live longer."""
    correlator = Correlator()
    correlator.sent("key", "token.1", 0)
    correlator.lost("key")
    assert correlator.repeated("key", 1) is None


def test_about_one_object_a_burst_is_admitted_and_then_one_every_five_minutes() -> None:
    """And no other object is affected."""
    correlator = Correlator()
    assert [correlator.admits("loud", 0) for _ in range(BURST + 2)] == [True] * BURST + [False] * 2
    assert correlator.admits("calm", 0)
    assert not correlator.admits("loud", REFILL_SECONDS - 1)
    assert correlator.admits("loud", REFILL_SECONDS)
    assert not correlator.admits("loud", REFILL_SECONDS + 1)
    rested = 100 * BURST * REFILL_SECONDS
    assert [correlator.admits("loud", rested) for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    """Monotonic clocks do not; a fake one in a test may."""
    correlator = Correlator()
    assert all(correlator.admits("loud", 1000) for _ in range(BURST))
    assert not correlator.admits("loud", 0)


def test_only_so_many_objects_are_remembered() -> None:
    """The one that rested longest is forgotten: what is left is bounded, whatever happens."""
    correlator = Correlator()
    for number in range(MEMORY + 1):
        correlator.sent(number, f"token.{number}", 0)
    assert correlator.repeated(0, 1) is None
    assert correlator.repeated(1, 1) is not None
