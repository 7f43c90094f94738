"""The command `servicetokens crds`, and the one that keeps `crds/` up to date."""

from pathlib import Path

import click

from servicetokens.crdgen.render import COMMAND, files, stream


@click.command("crds")
def command() -> None:
    """Print the CustomResourceDefinitions, for `kubectl apply --server-side -f -`."""
    click.echo(stream(), nl=False)


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("crds"),
    show_default=True,
    help="Where the files are.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail when a file is not what would be written.")
def generate(directory: Path, *, check: bool) -> None:
    """Write the CustomResourceDefinitions into files, one per kind."""
    stale = {name: content for name, content in files().items() if _content(directory / name) != content}
    if check and stale:
        message = f"out of date: {', '.join(str(directory / name) for name in stale)}; run `{COMMAND}`"
        raise click.ClickException(message)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in stale.items():
            (directory / name).write_text(content, encoding="utf-8")
    except OSError as error:
        message = f"cannot write {error.filename}: {error.strerror}"
        raise click.ClickException(message) from error


def _content(path: Path) -> str | None:
    """Return the content of the file, or None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
