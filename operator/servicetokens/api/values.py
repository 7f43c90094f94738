"""Text to whole seconds and back: the only place where durations and times are parsed.

The API server applies the same patterns and bounds (they are imported by `servicetokens.api.fields`), so nothing that
it accepts fails here. Everything is checked again nevertheless: a stored object may be older than today's rules, and
one tenant's odd object must never stop a loop that serves the others. So every function

- bounds its input before looking at it,
- matches the whole text (`fullmatch`; Python's `$` also matches before a newline) and ASCII digits only,
- raises `ValueError` and nothing else, with a sentence that can be shown to the person who wrote the value.
"""

import calendar
import datetime as dt
import functools
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal

# `y` is 365 days, as in Prometheus: a duration is a number of seconds, not a date in a calendar.
UNIT_SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000},
)
NEVER: Final = "never"

RevocationReason = Literal["Unspecified", "KeyCompromise", "Superseded", "CessationOfOperation"]
"""Why a token was revoked, for the audit. Here, since the command line has it without the models."""

# Seven digits are needed for values copied from other tools (`2592000s` is 30 days); ten leave room and still
# fit into 64 bits when multiplied by the longest unit.
MAX_DURATION_LENGTH: Final = 11
_UNITS: Final = "".join(UNIT_SECONDS)
DURATION_PATTERN: Final = f"^[1-9][0-9]{{0,9}}[{_UNITS}]$"
OVERLAP_PATTERN: Final = f"^(0|[1-9][0-9]{{0,9}})[{_UNITS}]$"

# With a shorter period, a rotation would come before the kubelet has delivered the new Secret.
MIN_DURATION: Final = 60
# Uses are recorded to the hour, by validators whose writes may be delayed.
MIN_UNUSED: Final = UNIT_SECONDS["d"]
# Added to any present date, the result stays far from the year 9999, where Python's `datetime` ends.
MAX_DURATION: Final = 100 * UNIT_SECONDS["y"]

# The calendar is in the pattern, since `timestamp()` of CEL cannot report an invalid text. `format:
# date-time` accepts what Python cannot read or cannot convert to UTC (a lower-case `t` or `z`, the year 0000,
# an offset of +24:00, 9999-12-31T23:59:59-14:00), and in the error the API server only names the format.
_LEAP_YEAR: Final = "(2[0-9](0[48]|[2468][048]|[13579][26])|2[048]00)"
_IN_SHORT_MONTHS: Final = "(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
_IN_A_YEAR: Final = f"(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|{_IN_SHORT_MONTHS}"
_DAY: Final = f"(2[0-9]{{3}}-({_IN_A_YEAR})|{_LEAP_YEAR}-02-29)"
_TIME_OF_DAY: Final = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?"
TIME_PATTERN: Final = f"^{_DAY}T{_TIME_OF_DAY}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
# The longest text that the pattern allows has 35 characters; this is a round number above it.
MAX_TIME_LENGTH: Final = 40

DURATION_ADVICE: Final = (
    "must be one whole number and one unit out of s, m (minutes), h, d, w, y (as in '90d'), "
    f"no less than {MIN_DURATION}s and no more than 100y"
)
UNUSED_ADVICE: Final = "must be no less than one day: uses are recorded to the hour"
OVERLAP_ADVICE: Final = (
    "must be one whole number and one unit out of s, m (minutes), h, d, w, y (as in '1d'), "
    "no more than 100y; '0s' is no overlap"
)
LIFETIME_ADVICE: Final = f"{DURATION_ADVICE}; or '{NEVER}'"
TIME_ADVICE: Final = "must be a moment in RFC 3339 with its time zone, as in 2027-01-31T00:00:00Z"
_ANY_DAY: Final = "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_ANY_ZONE: Final = "([Zz]|[+-][0-9]{2}:?[0-9]{2})"
# The first match is reported; for a text without any of these mistakes it is `TIME_ADVICE`.
TIME_MISTAKES: Final = (
    (f"{_ANY_DAY}$", "is a date: add a time and a zone, as in 2027-01-31T00:00:00Z"),
    (
        f"{_ANY_DAY}[Tt ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]+)?)?$",
        "has no zone: add Z for UTC, or an offset, as in 2027-01-31T00:00:00Z or 2027-01-31T00:00:00+01:00",
    ),
    (f"{_ANY_DAY} +[0-9]", "needs a T and no space before the time, as in 2027-01-31T00:00:00Z"),
    (f"{_ANY_DAY}t|z$", "needs T and Z in upper case, as in 2027-01-31T00:00:00Z"),
    (
        f"{_ANY_DAY}T[0-9]{{2}}:[0-9]{{2}}{_ANY_ZONE}$",
        "has no seconds: add them, as in 2027-01-31T00:00:00Z",
    ),
    ("[+-][0-9]{4}$", "needs a colon in its offset (+01:00), or Z for UTC as in 2027-01-31T00:00:00Z"),
    (
        f"^[013-9][0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}T.*{_ANY_ZONE}$",
        "must have a year from 2000 to 2999, as in 2027-01-31T00:00:00Z",
    ),
    (
        f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]{{1,9}})?{_ANY_ZONE}$",
        "has a part that is out of range (a minute has the seconds 00 to 59); write it as in 2027-01-31T00:00:00Z",
    ),
)

_DURATION: Final = re.compile(DURATION_PATTERN)
_OVERLAP: Final = re.compile(OVERLAP_PATTERN)
_TIME: Final = re.compile(
    "([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.]([0-9]{1,9}))?"
    "(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))",
)
# One status has the same few times in all its conditions, and reading them was two fifths of reading it.
_KEPT_TIMES: Final = 256
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# 9999-12-31T23:59:59Z, the last second of the years with four digits.
_LAST_SECOND: Final = 253402300799


def parse_duration(text: str) -> int:
    """Return the seconds in *text*, such as `90d`; from 60 s to 100 y, else `ValueError`."""
    return _seconds(text, _DURATION, MIN_DURATION, DURATION_ADVICE)


def parse_overlap(text: str) -> int:
    """Return the seconds in *text*, such as `1d` or `0s`; at most 100 y, else `ValueError`."""
    return _seconds(text, _OVERLAP, 0, OVERLAP_ADVICE)


def parse_lifetime(text: str) -> int | None:
    """Return the seconds in *text*, or None for the word `never`; bounds as for `parse_duration`."""
    if text == NEVER:
        return None
    return _seconds(text, _DURATION, MIN_DURATION, LIFETIME_ADVICE)


def parse_time(text: str) -> int:
    """Return the Unix second of the RFC 3339 *text*: a fraction is truncated, so no expiration is late.

    The years are 2000 to 2999, as in the CRDs. Raises `ValueError` for anything else.
    """
    seconds, _ = _instant_of_people(text)
    return seconds


def parse_time_ceil(text: str) -> int:
    """Return the first whole Unix second not before the RFC 3339 *text*; otherwise as `parse_time`.

    For a "not before" bound, where truncating a fraction would accept a credential that was minted too early.
    """
    seconds, has_fraction = _instant_of_people(text)
    return seconds + 1 if has_fraction else seconds


@functools.lru_cache(maxsize=_KEPT_TIMES)
def parse_recorded_time(text: str) -> int:
    """Return the Unix second of a time in `status` or `metadata`, which a program wrote.

    Accepts every year that `format_time` can write, so that we can always read what we wrote: the end of 2999
    with an offset to the west is in the year 3000 of UTC. Raises `ValueError` for anything else.
    """
    seconds, _ = _instant(text, earliest_year=1970, latest_year=9999)
    if not 0 <= seconds <= _LAST_SECOND:
        raise ValueError(TIME_ADVICE)
    return seconds


def format_time(seconds: int) -> str:
    """Return the RFC 3339 text of a Unix second, in UTC, such as `2026-11-25T04:00:00Z`.

    Raises `ValueError` outside of the years 1970 to 9999.
    """
    if not 0 <= seconds <= _LAST_SECOND:
        message = f"{seconds} is not a Unix second between the years 1970 and 9999"
        raise ValueError(message)
    moment = _EPOCH + dt.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(seconds: int) -> str:
    """Return a Unix second as Kubernetes' MicroTime, which Leases and Events have: `2026-11-25T04:00:00.000000Z`."""
    return f"{format_time(seconds)[:-1]}.000000Z"


def _seconds(text: str, shape: re.Pattern[str], least: int, advice: str) -> int:
    if len(text) > MAX_DURATION_LENGTH or shape.fullmatch(text) is None:
        raise ValueError(advice)
    seconds = int(text[:-1]) * UNIT_SECONDS[text[-1]]
    if not least <= seconds <= MAX_DURATION:
        raise ValueError(advice)
    return seconds


def explain(text: str, mistakes: Iterable[tuple[str, str]], otherwise: str) -> str:
    """Return the message of the first of *mistakes* (pairs of a pattern and a message) in *text*, else *otherwise*.

    `$` in a pattern matches only at the end of the text, as in the API server.
    """
    found = (sentence for pattern, sentence in mistakes if re.search(pattern.replace("$", r"\Z"), text))
    return next(found, otherwise)


def _instant_of_people(text: str) -> tuple[int, bool]:
    try:
        return _instant(text, earliest_year=2000, latest_year=2999)
    except ValueError:
        is_short = len(text) <= MAX_TIME_LENGTH
        raise ValueError(explain(text, TIME_MISTAKES if is_short else (), TIME_ADVICE)) from None


def _instant(text: str, *, earliest_year: int, latest_year: int) -> tuple[int, bool]:
    """Return the whole second and whether a fraction above zero was cut off."""
    match = _TIME.fullmatch(text) if len(text) <= MAX_TIME_LENGTH else None
    if match is None:
        raise ValueError(TIME_ADVICE)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    if not earliest_year <= year <= latest_year:
        raise ValueError(TIME_ADVICE)
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        raise ValueError(TIME_ADVICE) from None
    # Integers from here on: `datetime` would overflow when an offset moves the time past its last year.
    seconds = calendar.timegm(moment.timetuple())
    if sign is not None:
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        seconds += offset if sign == "-" else -offset
    return seconds, fraction is not None and fraction.strip("0") != ""
