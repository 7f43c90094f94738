"""The command line: one program, one subcommand per process. Each is imported only when it is asked for."""

import importlib
from collections.abc import Mapping
from typing import Final

import click

from servicetokens import __version__

_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "operator": ("servicetokens.controllers.main", "Mint, rotate, expire and repair tokens."),
    "validator": ("servicetokens.validator.main", "Answer whether presented tokens are good."),
    "keys": ("servicetokens.admin.keys", "List the keys and what depends on each."),
    "report": ("servicetokens.admin.report", "Write one HTML page about all accounts and tokens."),
    "smoke-test": ("servicetokens.admin.smoke", "Have a token minted, accepted, deleted and refused."),
    "crds": ("servicetokens.crdgen.main", "Print the CustomResourceDefinitions."),
}


class _Lazy(click.Group):
    """Knows its commands by name, and loads only the one that runs."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Long-lived service tokens for Kubernetes, declared in YAML."""


if __name__ == "__main__":
    main(prog_name="servicetokens")
