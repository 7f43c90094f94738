"""Lengths of time on the command line: written as in a ServiceToken, or as with `kubectl wait`."""

import re
from typing import Any, Final

import click

from servicetokens.api.values import parse_duration

# As Go writes them, in whole hours and minutes; a number alone is seconds.
_TIMEOUT: Final = re.compile(
    r"(?=.)(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6}(?:\.[0-9]{1,18})?)s?)?"
)


class Timeout(click.ParamType[float]):
    """Seconds, written as `30s`, `2m`, `1m30s` or `30`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        if isinstance(value, int | float):
            return float(value)
        found = _TIMEOUT.fullmatch(str(value))
        if found is None:
            self.fail(f"'{str(value)[:20]}' is no time, as in 30s, 2m or 1m30s", param, ctx)
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds


class Duration(click.ParamType[int]):
    """Seconds, written as `90d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType`."""
        if isinstance(value, int):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(f"'{str(value)[:20]}' {error}", param, ctx)
