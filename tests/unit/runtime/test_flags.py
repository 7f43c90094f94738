"""Flags of the processes are the fields of their settings."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pages.commands import pages_of_commands
from servicetokens.controllers.main import command as operator
from servicetokens.controllers.settings import OperatorSettings
from servicetokens.runtime.flags import Flag
from servicetokens.runtime.settings import CommonSettings, build
from servicetokens.validator.main import command as validator
from servicetokens.validator.settings import ValidatorSettings

COMMANDS = [(operator, OperatorSettings), (validator, ValidatorSettings)]
# Without them the validator does not start.
TLS = ("--tls-cert-file", "tls.crt", "--tls-key-file", "tls.key")


def parsed(command: click.Command, *arguments: str, **environment: str) -> dict[str, Any]:
    """Return what the command line makes of *arguments*."""
    runner = CliRunner(env=environment)
    with runner.isolation():
        return command.make_context("x", list(arguments), auto_envvar_prefix="SERVICETOKENS").params


def test_every_environment_variable_is_named_after_its_flag() -> None:
    """Of all commands of the program, so that it can be guessed from `--help`."""
    found = 0
    for page in pages_of_commands():
        if page.context.auto_envvar_prefix is None:
            continue
        for option in page.command.params:
            if isinstance(option, click.Option):
                assert f"--{(option.name or '').replace('_', '-')}" in option.opts, (page.name, option.opts)
                found += 1
    assert found > 30


@pytest.mark.parametrize(("command", "model"), COMMANDS, ids=["operator", "validator"])
def test_every_field_has_an_option_with_its_text(command: click.Command, model: type[CommonSettings]) -> None:
    """No field is without a flag, no flag without a field, and each has a sentence."""
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}
    assert set(options) == set(model.model_fields)
    for name, field in model.model_fields.items():
        (flag,) = (found for found in field.metadata if isinstance(found, Flag))
        assert options[name].help == flag.help
        assert flag.help.endswith(".")


def test_defaults_on_the_command_line_are_those_of_the_operators_settings() -> None:
    """A flag that is left out is what the model says."""
    assert build(OperatorSettings, parsed(operator)) == OperatorSettings()


def test_defaults_on_the_command_line_are_those_of_the_validators_settings() -> None:
    """The same for the validator, which needs a certificate."""
    expected = ValidatorSettings(tls_cert_file=Path("tls.crt"), tls_key_file=Path("tls.key"))
    assert build(ValidatorSettings, parsed(validator, *TLS)) == expected


def test_switches_lists_durations_and_listeners_are_read() -> None:
    """One of each kind."""
    given = parsed(
        validator,
        *TLS,
        *("--allow-without-roles", "--watch-namespace", "a", "--watch-namespace", "b"),
        *("--max-staleness", "2m", "--forward-auth-address", "", "--ext-authz-grpc-address", "[::1]:9"),
    )
    settings = build(ValidatorSettings, given)
    assert settings.allow_without_roles
    assert settings.watch_namespace == ("a", "b")
    assert settings.max_staleness == 120
    assert settings.forward_auth_address is None
    assert settings.ext_authz_grpc_address == ("::1", 9)


def test_a_switch_that_is_on_has_one_that_turns_it_off() -> None:
    """`--no-leader-election` is all that is said of it."""
    assert not build(OperatorSettings, parsed(operator, "--no-leader-election")).leader_election


def test_the_environment_gives_what_the_command_line_leaves_out() -> None:
    """A variable is named as its flag."""
    given = parsed(operator, SERVICETOKENS_LEASE_DURATION="1m", SERVICETOKENS_LEADER_ELECTION="false")
    settings = build(OperatorSettings, given)
    assert settings.lease_duration == 60
    assert not settings.leader_election
