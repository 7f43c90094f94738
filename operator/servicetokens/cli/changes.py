"""Change many tokens, one after the other: successes are printed immediately, failures at the end."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from servicetokens.api import names
from servicetokens.cli import waiting
from servicetokens.cli.duration import Timeout
from servicetokens.cli.exits import Failure
from servicetokens.cli.options import Option, with_options
from servicetokens.cli.session import Session
from servicetokens.cli.spelling import DryRun
from servicetokens.cli.views import TokenView
from servicetokens.kube.errors import KubeError

Patch = Mapping[str, Any]

# A validator that hangs is waited for until its Lease has ended, which takes 60 s (docs/guides/enforced.md).
PROOF_TIME: Final = "90s"


def changing(*, waits: bool, until: str, time: str, asks: str) -> Option:
    """Give a command `--dry-run`, `--wait` (it *waits* unless told otherwise, *until* what), `--timeout`, `--yes`."""
    options: list[Option] = [
        click.option(
            "--dry-run",
            cls=DryRun,
            words=("server",),
            help="Let the API server validate the request, without writing.",
        ),
        click.option("--wait/--no-wait", default=waits, show_default=True, help=f"Wait until {until}."),
        timeout_option(time),
        click.option("-y", "--yes", is_flag=True, help=asks),
    ]

    return lambda function: with_options(function, options)


def timeout_option(time: str) -> Option:
    """Give a command that waits `--timeout`; *time* is its default, as people write it."""
    return click.option(
        "--timeout",
        metavar="TIME",
        type=Timeout(),
        default=time,
        show_default=True,
        help="How long to wait, as in 30s or 2m; a number alone is seconds.",
    )


async def apply(
    session: Session,
    tokens: Sequence[TokenView],
    patch_of: Callable[[TokenView], Patch],
    done: str,
    *,
    dry_run: bool = False,
    is_done: Callable[[TokenView], bool] = lambda _: False,
) -> list[TokenView]:
    """Patch each of *tokens*, print *done* for it, and return the new objects; tokens for which *is_done* are skipped.

    One rejection must not keep the others from being revoked; it is raised as a `Failure` when all were tried.
    """
    changed: list[TokenView] = []
    failures: list[str] = []
    for token in tokens:
        if is_done(token):
            changed.append(token)
            click.echo(f"token '{token.name}' in namespace '{token.namespace}' is already {done}")
            continue
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
        if not dry_run:
            _warn_of_git(session, token)
    if failures:
        raise Failure("; ".join(failures))
    return changed


async def prove(session: Session, tokens: Sequence[TokenView], does: str, seconds: float) -> None:
    """Wait until every validator *does* (`rejects`, `accepts`) what was requested for *tokens*, and print that."""
    _report(session, await waiting.wait(session, tokens, waiting.enforced, seconds), does)


def _report(session: Session, tokens: list[TokenView], does: str) -> None:
    proofs = {one.name: one.condition("Enforced") for one in tokens}
    if unproven := [name for name, proof in proofs.items() if proof is None]:
        session.out.print(f"{', '.join(unproven)}: the operator has seen it; validators follow in a moment")
    elif any(proof is not None and proof.status != "True" for proof in proofs.values()):
        session.err.print("no validator is running, so no token is accepted anywhere", style="yellow")
    else:
        session.out.print(f"every validator {does} {'it' if len(tokens) == 1 else f'all {len(tokens)}'} now")


def _warn_of_git(session: Session, token: TokenView) -> None:
    """Say that something applies this object again and again, and may undo what was just done by hand."""
    if token.from_git:
        session.err.print(
            f"warning: {token.from_git} applies token '{token.name}': make the same change in Git, "
            "or it may be undone by the next sync",
            style="yellow",
        )


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what touches many, or cannot be undone; without a terminal `--yes` has to be said."""
    if yes:
        return
    if not sys.stdin.isatty():
        message = f"{question} There is no terminal to ask on: use --yes"
        raise click.UsageError(message)
    with _interruptible():
        click.confirm(question, abort=True, err=True)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question: asyncio's own handler would only note it until the question is answered."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
