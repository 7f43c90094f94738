"""A length of time on the command line, written as in a ServiceToken."""

from typing import Any

import click

from servicetokens.api.values import parse_duration


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
