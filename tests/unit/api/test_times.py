"""Times: RFC 3339 in, whole Unix seconds out, and back."""

import datetime as dt
import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicetokens.api.values import (
    TIME_PATTERN,
    format_micro_time,
    format_time,
    parse_recorded_time,
    parse_time,
    parse_time_ceil,
)

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z

VECTORS = [
    ("2000-01-01T00:00:00Z", 946_684_800),
    ("2026-11-25T04:00:00Z", 1_795_579_200),
    ("2026-11-25T04:00:00+00:00", 1_795_579_200),
    ("2026-11-25T04:00:00-00:00", 1_795_579_200),
    ("2026-11-25T05:30:00+01:30", 1_795_579_200),
    ("2026-11-24T20:00:00-08:00", 1_795_579_200),
    ("2028-02-29T00:00:00Z", 1_835_395_200),
    ("2000-02-29T23:59:59Z", 951_868_799),
    ("2000-01-01T00:00:00+23:59", 946_684_800 - 86_340),
    ("2999-12-31T23:59:59Z", 32_503_679_999),
    ("2999-12-31T23:59:59-23:59", 32_503_679_999 + 86_340),
]

NO_TIMES = [
    "",
    "2026-11-25",
    "2026-11-25T04:00:00",
    "2026-11-25 04:00:00Z",
    "2026-11-25t04:00:00Z",
    "2026-11-25T04:00:00z",
    "2026-11-25T04:00Z",
    "2026-11-25T04:00:00.Z",
    "2026-11-25T04:00:00,5Z",
    "2026-11-25T04:00:00.1234567890Z",
    "2026-11-25T04:00:00+0100",
    "2026-11-25T04:00:00+01",
    "2026-11-25T04:00:00+24:00",
    "2026-11-25T04:00:00+01:60",
    "2026-11-25T04:00:00Z\n",
    " 2026-11-25T04:00:00Z",
    "2026-11-25T24:00:00Z",
    "2026-11-25T04:60:00Z",
    "2026-12-31T23:59:60Z",
    "2026-02-30T00:00:00Z",
    "2027-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-11-00T00:00:00Z",
    "20260-11-25T04:00:00Z",
    "\u0662\u0660\u0662\u0666-11-25T04:00:00Z",
    "1795579200",
    "now",
    "2026-11-25T04:00:00Z" + "0" * 100_000,
]


@pytest.mark.parametrize(("text", "seconds"), VECTORS)
def test_time(text: str, seconds: int) -> None:
    """A time is the Unix second that it names, whatever its zone."""
    assert parse_time(text) == parse_time_ceil(text) == parse_recorded_time(text) == seconds


@pytest.mark.parametrize("text", NO_TIMES)
def test_no_time(text: str) -> None:
    """What is no time, or none that Python could convert, is rejected with an example of one."""
    for parse in (parse_time, parse_time_ceil, parse_recorded_time):
        with pytest.raises(ValueError, match="as in 2027-01-31T00:00:00Z") as caught:
            parse(text)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "text",
    ["0000-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"],
)
def test_years_of_people(text: str) -> None:
    """People write years from 2000 to 2999, as the CRD says."""
    for parse in (parse_time, parse_time_ceil):
        with pytest.raises(ValueError, match="must have a year from 2000 to 2999"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2027-01-31", "is a date: add a time and a zone"),
        ("2027-1-31", "is a date: add a time and a zone"),
        ("2027-01-31T00:00:00", "has no zone: add Z for UTC, or an offset"),
        ("2027-01-31 00:00", "has no zone: add Z for UTC, or an offset"),
        ("2027-01-31 00:00:00Z", "needs a T and no space"),
        ("2027-01-31t00:00:00Z", "needs T and Z in upper case"),
        ("2027-01-31T00:00:00z", "needs T and Z in upper case"),
        ("2027-01-31T00:00Z", "has no seconds: add them"),
        ("2027-01-31T00:00+01:00", "has no seconds: add them"),
        ("2027-01-31T00:00:00+0100", "needs a colon in its offset"),
        ("1999-01-31T00:00:00Z", "must have a year from 2000 to 2999"),
        ("2027-01-31T23:59:60Z", "a minute has the seconds 00 to 59"),
        ("2027-02-29T00:00:00Z", "has a part that is out of range"),
        ("2027-01-31T00:00:00+24:00", "has a part that is out of range"),
        ("2027-01-31T00:00:00Z\n", "must be a moment in RFC 3339"),
        ("tomorrow", "must be a moment in RFC 3339"),
        ("2027-01-31" + "x" * 31, "must be a moment in RFC 3339"),
    ],
)
def test_common_mistakes_in_times_are_named(text: str, words: str) -> None:
    """The sentence says what is missing or wrong, and not only what a time is."""
    with pytest.raises(ValueError, match=words):
        parse_time(text)


@pytest.mark.parametrize("year", [2000, 2024, 2025, 2100, 2400, 2996])
def test_the_pattern_of_times_knows_the_calendar(year: int) -> None:
    """The API server takes exactly the days that a year has."""
    for month, day in itertools.product(range(14), range(33)):
        text = f"{year}-{month:02}-{day:02}T00:00:00Z"
        try:
            dt.datetime(year, month, day, tzinfo=dt.UTC)
        except ValueError:
            assert not re.fullmatch(TIME_PATTERN, text), text
        else:
            assert re.fullmatch(TIME_PATTERN, text), text


@pytest.mark.parametrize(
    ("text", "seconds"), [("1970-01-01T00:00:00Z", 0), ("9999-12-31T23:59:59Z", LAST_SECOND)]
)
def test_years_of_programs(text: str, seconds: int) -> None:
    """A time in status is read as far as one can be written."""
    assert parse_recorded_time(text) == seconds
    assert format_time(seconds) == text


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:00:00+00:01", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01"]
)
def test_recorded_times_end_where_format_time_ends(text: str) -> None:
    """A time that an offset carries beyond what can be written back is rejected, without an overflow."""
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_recorded_time(text)


@pytest.mark.parametrize(
    ("fraction", "rounded_up"),
    [("", 0), (".0", 0), (".000000000", 0), (".1", 1), (".000000001", 1), (".999999999", 1)],
)
def test_fractions(fraction: str, rounded_up: int) -> None:
    """An end is cut down to its second; a kill switch counts from the next, so that nothing slips through."""
    text = f"2026-11-25T04:00:00{fraction}-01:00"

    assert parse_time(text) == 1_795_582_800
    assert parse_time_ceil(text) == 1_795_582_800 + rounded_up


@pytest.mark.parametrize("seconds", [-1, LAST_SECOND + 1, -(2**63), 2**63, 10**30])
def test_seconds_that_have_no_text(seconds: int) -> None:
    """A number outside of four-digit years is a `ValueError`, never an `OverflowError`."""
    with pytest.raises(ValueError, match="is not a Unix second"):
        format_time(seconds)


@given(st.integers(0, LAST_SECOND))
@example(951_782_400)
def test_round_trip(seconds: int) -> None:
    """What is formatted is read back as the same second."""
    assert parse_recorded_time(format_time(seconds)) == seconds


@given(
    seconds=st.integers(946_771_200, 32_503_507_200),
    zone=st.integers(-1439, 1439),
    fraction=st.integers(0, 999_999),
)
def test_agrees_with_the_standard_library(seconds: int, zone: int, fraction: int) -> None:
    """Within what `datetime` can do, both read the same second, in whatever zone it was written."""
    moment = dt.datetime.fromtimestamp(seconds, dt.timezone(dt.timedelta(minutes=zone)))

    assert parse_time(moment.replace(microsecond=fraction).isoformat()) == seconds


@given(
    st.text(max_size=45)
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(Z|[+-][0-9:]{5})", fullmatch=True)
)
def test_nothing_but_a_value_error(text: str) -> None:
    """Whatever the text, the answer is a second or a `ValueError`."""
    for parse in (parse_time, parse_time_ceil, parse_recorded_time):
        try:
            seconds = parse(text)
        except ValueError:
            continue
        assert isinstance(seconds, int)


def test_micro_times_are_as_kubernetes_writes_them() -> None:
    """Leases and Events have six digits of a second; ours are whole seconds."""
    assert format_micro_time(1764043200) == "2025-11-25T04:00:00.000000Z"
