"""Times in words for people: how long ago, how long still. The exact time stands next to it wherever there is room."""

from typing import Final

from servicetokens.api.values import UNIT_SECONDS

# Two units would be more exact than anybody reads: the largest that fits at least twice, so that 90 minutes are not
# "1 hour", or exactly once.
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
    """Return a length of time in words, to the nearest unit, as in `12 days` or `1 hour`."""
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
    """Return when *moment* is, as in `in 12 days` or `3 hours ago`; None is `never`."""
    if moment is None:
        return "never"
    if moment > now:
        return f"in {span(moment - now)}"
    return f"{span(now - moment)} ago" if moment < now else "now"


def last_use(moment: int | None, now: int) -> str:
    """Return when a token was last accepted, as exactly as it is known: to the hour."""
    if moment is None:
        return "not seen yet"
    if now - moment < _AT_LEAST * _COARSE:
        return "within 2 hours"
    return relative(moment, now)
