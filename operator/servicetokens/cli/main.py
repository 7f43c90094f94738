"""`kubectl servicetoken`, also as `servicetokens kubectl`: the commands, none of which is loaded before it runs."""

from collections.abc import Mapping
from typing import Final

import click

from servicetokens import __version__
from servicetokens.cli.lazy import LazyGroup

_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "get": ("servicetokens.cli.get", "List tokens or accounts: state, end, last use."),
    "describe": ("servicetokens.cli.describe", "Tell the whole story of a token."),
    "tree": ("servicetokens.cli.tree", "Show accounts, their tokens, Secrets and workloads."),
    "create": ("servicetokens.cli.create", "Create an account or a token, or print its YAML."),
    "revoke": ("servicetokens.cli.revoke", "Have tokens refused, and wait until they are."),
    "restore": ("servicetokens.cli.restore", "Take a revocation back: the same token works again."),
    "rotate": ("servicetokens.cli.rotate", "Replace a token now."),
    "verify": ("servicetokens.cli.verify", "Explain whether a token is good, and why not."),
    "leaked": ("servicetokens.cli.leaked", "Find tokens in any text, tell whose they are, end them."),
    "whoami": ("servicetokens.cli.whoami", "Tell who the cluster takes you for."),
    "doctor": ("servicetokens.cli.doctor", "Look for what is wrong with the installation."),
    "keys": ("servicetokens.cli.keys", "List the operator's keys and what depends on each."),
    "completion": ("servicetokens.cli.completion", "Print the completion for a shell."),
}


@click.command(cls=LazyGroup, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def command() -> None:
    """Long-lived service tokens: create, inspect, rotate, revoke and restore them.

    Exit codes: 0 done; 1 refused, unreachable or not found; 2 wrong command line; 3 the answer is bad (a token
    that is no good, a leak, a finding); 4 done, but not confirmed in time.
    """


def main() -> None:
    """Run as the program `kubectl-servicetoken`, which kubectl finds on the path."""
    command(prog_name="kubectl servicetoken")
