"""`kubectl servicetoken`, also as `servicetokens kubectl`: the commands, none of which is loaded before it runs."""

from collections.abc import Mapping
from typing import Final

import click

from servicetokens import __version__
from servicetokens.cli import placing
from servicetokens.cli.lazy import LazyGroup

_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "get": ("servicetokens.cli.get", "List tokens or accounts: state, expiration, last use."),
    "describe": ("servicetokens.cli.describe", "Show everything that is known about tokens."),
    "tree": ("servicetokens.cli.tree", "Show accounts, their tokens, Secrets and workloads."),
    "create": ("servicetokens.cli.create", "Create an account or a token, or print its YAML."),
    "revoke": ("servicetokens.cli.revoke", "Revoke tokens."),
    "restore": (
        "servicetokens.cli.restore",
        "Restore revoked or suspended tokens: the same value works again.",
    ),
    "rotate": ("servicetokens.cli.rotate", "Rotate tokens now."),
    "verify": ("servicetokens.cli.verify", "Explain whether a token is valid, and why not."),
    "leaked": ("servicetokens.cli.leaked", "Find tokens in any text, and revoke or rotate them."),
    "report": ("servicetokens.cli.report", "Report all accounts and tokens as HTML, CSV or JSON."),
    "whoami": ("servicetokens.cli.whoami", "Show who you are to the cluster."),
    "doctor": ("servicetokens.cli.doctor", "Check the installation, and say what to do."),
    "keys": ("servicetokens.cli.keys", "List the operator's keys and what depends on each."),
    "version": ("servicetokens.cli.version", "Show the versions of plugin, API server and CRDs."),
    "completion": ("servicetokens.cli.completion", "Print the completion for a shell."),
}


@click.command(cls=LazyGroup, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
@placing.before_the_command
def command(**_place: object) -> None:
    """Long-lived service tokens: create, inspect, rotate, revoke and restore them.

    Exit codes: 0 success; 1 rejected by the API server, unreachable, or not found; 2 wrong command line; 3 a
    problem was found (a token that is not valid, a leak, a finding); 4 changed, but not confirmed in time.

    The options below are also accepted after the command.
    """


def main() -> None:
    """Run as the program `kubectl-servicetoken`, which kubectl finds on the path."""
    command(prog_name="kubectl servicetoken")
