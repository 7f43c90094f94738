"""Times and durations for people: the only place that formats them, in words and in digits."""

from typing import Final

from servicetokens.api.values import UNIT_SECONDS, format_time

_EXACT: Final = sorted(UNIT_SECONDS.items(), key=lambda unit: -unit[1])
# One unit is exact enough: the largest that fits at least twice, so that 90 minutes are not "1 hour", or
# exactly once.
_UNITS: Final = (
    ("year", UNIT_SECONDS["y"]),
    ("day", UNIT_SECONDS["d"]),
    ("hour", UNIT_SECONDS["h"]),
    ("minute", UNIT_SECONDS["m"]),
    ("second", 1),
)
# `lastUsedTime` is written once an hour at most (docs/decisions/0020).
_COARSE: Final = UNIT_SECONDS["h"]
_AT_LEAST: Final = 2


def span(seconds: int) -> str:
    """Return a duration in words, to the nearest unit, as in `12 days` or `1 hour`."""
    number, unit = next(
        ((rounded, one) for one, size in _UNITS if (rounded := (seconds + size // 2) // size) >= _AT_LEAST),
        (seconds, "second"),
    )
    # 59 minutes and 50 seconds are 60 minutes to the nearest: say an hour.
    for larger, size in _UNITS:
        if number * dict(_UNITS)[unit] == size and unit != larger:
            return f"1 {larger}"
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def relative(moment: int | None, now: int) -> str:
    """Return the distance to *moment*, as in `in 12 days` or `3 hours ago`; None is `never`."""
    if moment is None:
        return "never"
    if moment > now:
        return f"in {span(moment - now)}"
    return f"{span(now - moment)} ago" if moment < now else "now"


def last_use(moment: int | None, now: int) -> str:
    """Return when a token was last accepted, to the hour, which is as exactly as it is known."""
    if moment is None:
        return "not seen yet"
    if now - moment < _AT_LEAST * _COARSE:
        return "within 2 hours"
    return relative(moment, now)


def duration(seconds: int) -> str:
    """Return *seconds* in the largest unit that expresses it exactly, as in `90d`."""
    for unit, size in _EXACT:
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def moment(seconds: int | None) -> str:
    """Return a Unix second as RFC 3339, or `never`."""
    return "never" if seconds is None else format_time(seconds)


def day(seconds: int) -> str:
    """Return the day of a Unix second in UTC, as in `2026-11-25`."""
    return format_time(seconds)[:10]


def minute(seconds: int) -> str:
    """Return a Unix second to the minute, as in `2026-11-25 04:00 UTC`."""
    return format_time(seconds)[:16].replace("T", " ") + " UTC"


def month(seconds: int, ahead: int = 0) -> str:
    """Return the month of a Unix second in UTC, or *ahead* months after it, as in `2026-11`."""
    year, number = (int(part) for part in format_time(seconds)[:7].split("-"))
    years, index = divmod(number - 1 + ahead, 12)
    return f"{year + years}-{index + 1:02}"
