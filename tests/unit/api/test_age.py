"""Times in words."""

import pytest

from servicetokens.api import age

MINUTE, HOUR, DAY = 60, 3600, 86400
NOW = 1_800_000_000


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
    assert age.span(seconds) == said


def test_before_and_after() -> None:
    """And never, and now."""
    assert age.relative(NOW + 12 * DAY, NOW) == "in 12 days"
    assert age.relative(NOW - 3 * HOUR, NOW) == "3 hours ago"
    assert (age.relative(NOW, NOW), age.relative(None, NOW)) == ("now", "never")


def test_last_use_is_no_more_exact_than_it_is_known() -> None:
    """It is written down once an hour."""
    assert age.last_use(None, NOW) == "not seen yet"
    assert age.last_use(NOW - HOUR, NOW) == "within 2 hours"
    assert age.last_use(NOW - 5 * HOUR, NOW) == "5 hours ago"
