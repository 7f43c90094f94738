"""Shell completion: for `kubectl servicetoken` through kubectl, and for `kubectl-servicetoken` directly.

kubectl asks a program `kubectl_complete-<plugin>` on the path, with the words typed so far, and reads what its own
completion prints: a candidate a line, then `:` and a number, of which 4 says "no file names".
"""

import sys
from typing import Final

import click
from click.shell_completion import BashComplete, get_completion_class

from servicetokens.cli import main as cli

_PROGRAM: Final = "kubectl-servicetoken"
_VARIABLE: Final = "_KUBECTL_SERVICETOKEN_COMPLETE"
_NO_FILES: Final = ":4"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of `kubectl-servicetoken` for a shell, for `source` in its startup file.

    `kubectl servicetoken` does not need it: kubectl's completion finds `kubectl_complete-servicetoken` automatically.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(shell)
    click.echo(kind(cli.command, {}, _PROGRAM, _VARIABLE).source())


def complete(words: list[str]) -> list[str]:
    """Return the candidates for the last of *words*, which are those behind `kubectl servicetoken`."""
    *before, last = words or [""]
    items = BashComplete(cli.command, {}, _PROGRAM, _VARIABLE).get_completions(before, last)
    return [f"{item.value}\t{item.help}" if item.help else item.value for item in items]


def main() -> None:
    """Run as `kubectl_complete-servicetoken`."""
    click.echo("\n".join([*complete(sys.argv[1:]), _NO_FILES]))
