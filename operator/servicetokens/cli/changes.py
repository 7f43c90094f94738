"""Changing many tokens, one after the other: what was done is said at once, what failed at the end."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from servicetokens.api import names
from servicetokens.cli.exits import Failure
from servicetokens.cli.session import Session
from servicetokens.cli.views import TokenView
from servicetokens.kube.errors import KubeError

Patch = Mapping[str, Any]


async def apply(
    session: Session,
    tokens: Sequence[TokenView],
    patch_of: Callable[[TokenView], Patch],
    done: str,
    *,
    dry_run: bool = False,
) -> list[TokenView]:
    """Patch each of *tokens*, say *done* of it, and return them as they are then.

    One refusal must not keep the others from being revoked; it is raised as a `Failure` when all were tried.
    """
    changed: list[TokenView] = []
    failures: list[str] = []
    for token in tokens:
        try:
            after = await session.cluster.change(
                names.PLURAL_TOKENS, token.namespace, token.name, patch_of(token), dry_run=dry_run
            )
        except KubeError as error:
            failures.append(f"token '{token.name}' in namespace '{token.namespace}': {error.message}")
            continue
        changed.append(TokenView(after))
        suffix = " (dry run: nothing was written)" if dry_run else ""
        click.echo(f"token '{token.name}' in namespace '{token.namespace}' {done}{suffix}")
        warn_of_git(session, token, dry_run=dry_run)
    if failures:
        raise Failure("; ".join(failures))
    return changed


def warn_of_git(session: Session, token: TokenView, *, dry_run: bool = False) -> None:
    """Say that something applies this object again and again, and may undo what was just done by hand."""
    if token.from_git and not dry_run:
        session.err.print(
            f"warning: {token.from_git} applies token '{token.name}': make the same change in Git, "
            "or it may be undone there",
            style="yellow",
        )


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what touches many, or cannot be undone; without a terminal `--yes` has to be said."""
    if yes:
        return
    if not sys.stdin.isatty():
        message = f"{question} Nobody can be asked here: say --yes"
        raise click.UsageError(message)
    click.confirm(question, abort=True, err=True)
