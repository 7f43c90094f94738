"""`kubectl servicetoken revoke`: refused from now on, provably; `restore` takes it back."""

import click

from servicetokens.cli import changes, waiting
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.selection import Choice, choosing, select
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import TokenView

REASONS = ("Unspecified", "KeyCompromise", "Superseded", "CessationOfOperation")


@click.command("revoke")
@choosing
@click.option("--reason", type=click.Choice(REASONS), help="For the audit: why.")
@click.option("--dry-run", is_flag=True, help="Have the API server judge it, and write nothing.")
@click.option("--wait/--no-wait", default=False, help="Wait until every validator refuses it.")
@click.option("--timeout", metavar="SECONDS", default=90.0, show_default=True, help="How long to wait.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before several are revoked.")
@at_a_place(everywhere=True)
def command(
    place: Place, choice: Choice, reason: str | None, timeout: float, *, dry_run: bool, wait: bool, yes: bool
) -> None:
    """Have tokens refused. The same tokens work again after `restore`, unless they expire meanwhile.

    With `-` the token itself is read from stdin: its public id, which is in it, says which one it is.
    """

    async def revoke(session: Session) -> None:
        tokens = await select(session, choice)
        if len(tokens) > 1 and not dry_run:
            changes.confirm(f"Revoke {len(tokens)} tokens ({_named(tokens)})?", yes=yes)
        spec = {"state": "Revoked", "revocationReason": reason}
        revoked = await changes.apply(session, tokens, lambda _: {"spec": spec}, "revoked", dry_run=dry_run)
        if wait and not dry_run:
            confirmed = await waiting.wait(session, revoked, waiting.enforced, timeout)
            report(session, confirmed, "refuses")

    run(place, revoke)


def report(session: Session, tokens: list[TokenView], does: str) -> None:
    """Say by how many validators *tokens* are answered for as wanted."""
    unproven = [one.name for one in tokens if one.condition("Enforced") is None]
    if unproven:
        session.out.print(
            f"{', '.join(unproven)}: the operator has seen it, and validators follow in a moment"
        )
        return
    unheard = [one for one in tokens if (found := one.condition("Enforced")) and found.status != "True"]
    if unheard:
        session.err.print("no validator is running, so nothing is accepted anywhere", style="yellow")
    else:
        session.out.print(f"every validator {does} {'it' if len(tokens) == 1 else f'all {len(tokens)}'} now")


def _named(tokens: list[TokenView]) -> str:
    # More would not be read before the answer.
    shown = ", ".join(f"{one.namespace}/{one.name}" for one in tokens[:5])
    return f"{shown}, …" if len(tokens) > len(tokens[:5]) else shown
