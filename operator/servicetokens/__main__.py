"""The command line: one program, one subcommand per process. Each is imported only when it runs."""

from collections.abc import Mapping
from typing import Final

import click

from servicetokens import __version__
from servicetokens.cli.lazy import LazyGroup

_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "operator": ("servicetokens.controllers.main", "Mint, rotate, expire and repair tokens."),
    "validator": ("servicetokens.validator.main", "Decide whether presented tokens are valid."),
    "keys": ("servicetokens.cli.keys:standalone", "List the operator's keys and what depends on each."),
    "report": ("servicetokens.cli.report:standalone", "Report all accounts and tokens as HTML, CSV or JSON."),
    "smoke-test": (
        "servicetokens.cli.smoke",
        "Test an installation: mint, accept, delete and reject a token.",
    ),
    "kubectl": ("servicetokens.cli.main", "The commands of the plugin `kubectl servicetoken`."),
    "crds": ("servicetokens.crdgen.main", "Print the CustomResourceDefinitions."),
}


@click.command(cls=LazyGroup, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Long-lived service tokens for Kubernetes, declared in YAML."""


if __name__ == "__main__":
    main(prog_name="servicetokens")
