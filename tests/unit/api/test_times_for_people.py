"""Times in words."""

import pytest

from servicetokens.api import times
from servicetokens.api.values import parse_time

MINUTE, HOUR, DAY = 60, 3600, 86400
NOW = 1_800_000_000

NOVEMBER = parse_time("2026-11-30T23:59:59Z")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (60, "1 minute"),
        (HOUR, "1 hour"),
        (HOUR - 10, "1 hour"),
        (61 * MINUTE, "61 minutes"),
        (DAY, "1 day"),
        (365 * DAY, "1 year"),
        (1, "1 second"),
        (89, "89 seconds"),
        (90, "2 minutes"),
        (90 * MINUTE - 1, "90 minutes"),
        (90 * MINUTE, "2 hours"),
        (36 * HOUR - 1, "36 hours"),
        (30 * DAY - 5, "30 days"),
        (400 * DAY, "400 days"),
        (3 * 365 * DAY, "3 years"),
    ],
)
def test_a_length_is_said_in_the_largest_unit_that_fits_twice(seconds: int, said: str) -> None:
    """To the nearest: a token of 30 days does not end "in 29 days" a moment later."""
    assert times.span(seconds) == said


def test_before_and_after() -> None:
    """And never, and now."""
    assert times.relative(NOW + 12 * DAY, NOW) == "in 12 days"
    assert times.relative(NOW - 3 * HOUR, NOW) == "3 hours ago"
    assert (times.relative(NOW, NOW), times.relative(None, NOW)) == ("now", "never")


def test_last_use_is_no_more_exact_than_it_is_known() -> None:
    """It is written down once an hour."""
    assert times.last_use(None, NOW) == "not seen yet"
    assert times.last_use(NOW - HOUR, NOW) == "within 2 hours"
    assert times.last_use(NOW - 5 * HOUR, NOW) == "5 hours ago"


def test_days_minutes_and_months_are_those_of_utc() -> None:
    """Months go on after December."""
    assert times.day(NOVEMBER) == "2026-11-30"
    assert times.minute(NOVEMBER) == "2026-11-30 23:59 UTC"
    assert [times.month(NOVEMBER, ahead) for ahead in (0, 1, 2, 14)] == [
        "2026-11",
        "2026-12",
        "2027-01",
        "2028-01",
    ]
