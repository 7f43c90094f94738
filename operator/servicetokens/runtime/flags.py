"""Flags of the processes. Each is a field of a settings model, where its type, default and text are written once.

The environment variable follows from the name: `--log-level` is `SERVICETOKENS_LOG_LEVEL`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

F = TypeVar("F", bound=Callable[..., Any])
_DURATION = "DURATION"


@dataclass(frozen=True, slots=True)
class Flag:
    """The command-line form of a field, as metadata of its type.

    Attributes:
        metavar: placeholder of the value in `--help`; a field of that name holds seconds if it is `DURATION`. Empty for
            a switch.
        help: a sentence.
        none: what a user writes for None; None if they have to leave the flag out.
    """

    metavar: str
    help: str
    none: str | None = None


def flags_of(model: type[BaseModel]) -> Callable[[F], F]:
    """Return a decorator that adds an option to a command for each field of *model*, in the order of the fields."""

    def decorate(command: F) -> F:
        # The last decorator is the first option.
        for name, field in reversed(model.model_fields.items()):
            command = _option(name, field)(command)
        return command

    return decorate


def _option(name: str, field: FieldInfo) -> Callable[[F], F]:
    (flag,) = (found for found in field.metadata if isinstance(found, Flag))
    option = f"--{name.replace('_', '-')}"
    if isinstance(field.default, bool):
        names = f"{option}/--no-{option[2:]}" if field.default else option
        return click.option(names, is_flag=True, default=field.default, help=flag.help)
    multiple = isinstance(field.default, tuple) and not hasattr(field.default, "_fields")
    default = None if multiple else _written(field.default, flag)
    return click.option(option, default=default, multiple=multiple, metavar=flag.metavar, help=flag.help)


def _written(default: Any, flag: Flag) -> str | None:
    """Return a default as a user would write it."""
    if default is None:
        return flag.none
    return f"{default}s" if flag.metavar == _DURATION else str(default)
