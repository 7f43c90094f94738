"""Times and durations as people write them, for conditions and Events."""

from typing import Final

from servicetokens.api.values import UNIT_SECONDS, format_time

_UNITS: Final = sorted(UNIT_SECONDS.items(), key=lambda unit: -unit[1])


def duration(seconds: int) -> str:
    """Return *seconds* in the largest unit that says it exactly, as in `90d`."""
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def moment(seconds: int | None) -> str:
    """Return a Unix second as RFC 3339, or `never`."""
    return "never" if seconds is None else format_time(seconds)
