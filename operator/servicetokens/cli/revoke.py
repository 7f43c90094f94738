"""`kubectl servicetoken revoke`: tokens are rejected from now on, provably; `restore` undoes it."""

from collections.abc import Sequence
from typing import get_args

import click

from servicetokens.api.values import RevocationReason
from servicetokens.cli import changes
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.selection import Choice, choosing, select
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import TokenView


@click.command("revoke")
@choosing
@click.option(
    "--reason",
    type=click.Choice(get_args(RevocationReason)),
    help="Reason, for audits. KeyCompromise also ends an overlap: only the newest credential can be restored.",
)
@changes.changing(
    waits=False,
    until="every validator rejects it",
    time=changes.PROOF_TIME,
    asks="Do not ask before several are revoked.",
)
@at_a_place(everywhere=True)
def command(
    place: Place, choice: Choice, reason: str | None, timeout: float, *, dry_run: bool, wait: bool, yes: bool
) -> None:
    """Revoke tokens. The same tokens are accepted again after `restore`, unless they expire meanwhile.

    With `-` the token is read from stdin and found by its public id.
    """

    async def revoke_chosen(session: Session) -> None:
        tokens = await select(session, choice)
        if len(tokens) > 1 and not dry_run:
            changes.confirm(f"Revoke {len(tokens)} tokens ({_named(tokens)})?", yes=yes)
        revoked = await revoke(session, tokens, reason, dry_run=dry_run)
        if wait and not dry_run:
            await changes.prove(session, revoked, "rejects", timeout)

    run(place, revoke_chosen)


async def revoke(
    session: Session, tokens: Sequence[TokenView], reason: str | None, *, dry_run: bool = False
) -> list[TokenView]:
    """Revoke *tokens* for *reason*, and return them as they are then. Raises `Failure`."""
    patch = {"spec": {"state": "Revoked", "revocationReason": reason}}

    def is_done(token: TokenView) -> bool:
        # Its reason stays, unless another one is given.
        return token.is_revoked and reason in {None, token.spec.get("revocationReason")}

    return await changes.apply(session, tokens, lambda _: patch, "revoked", dry_run=dry_run, is_done=is_done)


def _named(tokens: list[TokenView]) -> str:
    # More would not be read before the answer.
    shown = ", ".join(f"{one.namespace}/{one.name}" for one in tokens[:5])
    return f"{shown}, …" if len(tokens) > len(tokens[:5]) else shown
