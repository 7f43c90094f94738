"""Durations: one whole number and one unit, from a minute to a hundred years."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicetokens.api.values import (
    MAX_DURATION,
    UNIT_SECONDS,
    parse_duration,
    parse_lifetime,
    parse_overlap,
)

MINUTE, DAY, YEAR = 60, 86_400, 31_536_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", MINUTE),
        ("1m", MINUTE),
        ("90m", 90 * MINUTE),
        ("36h", 36 * 3600),
        ("30d", 30 * DAY),
        ("2w", 14 * DAY),
        ("1y", YEAR),
        ("100y", 100 * YEAR),
        ("3153600000s", 100 * YEAR),
        ("2592000s", 30 * DAY),
    ],
)
def test_duration(text: str, seconds: int) -> None:
    """A duration is its number times its unit; a year has 365 days."""
    assert parse_duration(text) == seconds
    assert parse_lifetime(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "30",
        "0s",
        "59s",
        "0y",
        "101y",
        "3153600001s",
        "9223372036854775808s",
        "9999999999y",
        "99999999999s",
        "030d",
        "+30d",
        "-30d",
        "1.5d",
        "1e3d",
        "1_000d",
        "30D",
        "30 d",
        " 30d",
        "30d ",
        "30d\n",
        "30days",
        "1h30m",
        "P30D",
        "30d0",
        "\u0663\u0660d",
        "3\u00b2d",
        "\uff13\uff10d",
        "30\ud800",
        "never ",
        "NEVER",
        "null",
        "1" * 100_000 + "d",
    ],
)
def test_no_duration(text: str) -> None:
    """Anything else is rejected with a sentence that says what to write, however odd it is."""
    with pytest.raises(ValueError, match=r"one whole number and one unit.*no less than 60s") as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 200

    with pytest.raises(ValueError, match="or 'never'"):
        parse_lifetime(text)


def test_never_is_a_lifetime() -> None:
    """A token that never expires says so in a word, which is no rotation period and no overlap."""
    assert parse_lifetime("never") is None

    with pytest.raises(ValueError, match="one whole number"):
        parse_duration("never")
    with pytest.raises(ValueError, match="one whole number"):
        parse_overlap("never")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("0y", 0), ("1s", 1), ("59s", 59), ("100y", 100 * YEAR)],
)
def test_overlap(text: str, seconds: int) -> None:
    """An overlap may be shorter than a minute, and nothing at all."""
    assert parse_overlap(text) == seconds


@pytest.mark.parametrize("text", ["0", "", "00s", "01s", "-1s", "101y", "0s\n", "9999999999y"])
def test_no_overlap(text: str) -> None:
    """What is no overlap is rejected, and the sentence mentions how to have none."""
    with pytest.raises(ValueError, match="'0s' is no overlap"):
        parse_overlap(text)


@given(number=st.integers(1, 9_999_999_999), unit=st.sampled_from("smhdwy"))
def test_bounds_are_exact(number: int, unit: str) -> None:
    """A well-formed duration is taken if and only if it lies within the bounds, and is then exact."""
    seconds = number * UNIT_SECONDS[unit]
    text = f"{number}{unit}"

    if MINUTE <= seconds <= MAX_DURATION:
        assert parse_duration(text) == parse_overlap(text) == seconds
    else:
        with pytest.raises(ValueError, match="one whole number"):
            parse_duration(text)


@given(text=st.text(max_size=14) | st.from_regex(r"[0-9]{0,12}[smhdwyn]?\n?", fullmatch=True))
def test_nothing_but_a_value_error(text: str) -> None:
    """Whatever the text, the answer is a number within the bounds or a `ValueError`."""
    for parse in (parse_duration, parse_overlap, parse_lifetime):
        try:
            seconds = parse(text)
        except ValueError:
            continue
        assert seconds is None or 0 <= seconds <= MAX_DURATION
