"""The command line: one program, one subcommand per process. Each is imported only when it is asked for."""

from collections.abc import Mapping
from typing import Final

import click

from servicetokens import __version__
from servicetokens.cli.lazy import LazyGroup

_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "operator": ("servicetokens.controllers.main", "Mint, rotate, expire and repair tokens."),
    "validator": ("servicetokens.validator.main", "Answer whether presented tokens are good."),
    "keys": ("servicetokens.admin.keys", "List the keys and what depends on each."),
    "report": ("servicetokens.admin.report", "Write one HTML page about all accounts and tokens."),
    "smoke-test": ("servicetokens.admin.smoke", "Have a token minted, accepted, deleted and refused."),
    "kubectl": ("servicetokens.cli.main", "What people do with tokens, as `kubectl servicetoken`."),
    "crds": ("servicetokens.crdgen.main", "Print the CustomResourceDefinitions."),
}


@click.command(cls=LazyGroup, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Long-lived service tokens for Kubernetes, declared in YAML."""


if __name__ == "__main__":
    main(prog_name="servicetokens")
