"""`kubectl servicetoken restore`: the same token works again."""

import click

from servicetokens.api import times
from servicetokens.cli import changes
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.selection import Choice, choosing, select
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import TokenView


@click.command("restore")
@choosing
@changes.changing(
    waits=False,
    until="every validator accepts it",
    time=changes.PROOF_TIME,
    asks="Do not ask before a compromised token is restored.",
)
@at_a_place(everywhere=True)
def command(place: Place, choice: Choice, timeout: float, *, dry_run: bool, wait: bool, yes: bool) -> None:
    """Undo a revocation, or the suspension of an unused token.

    A revocation for KeyCompromise asks first, since the token may still be in the wrong hands. A suspended token gets
    `spec.inUseTime`, which says that it is needed.
    """

    async def restore(session: Session) -> None:
        selected = await select(session, choice)
        tokens = [one for one in selected if one.is_revoked or one.is_suspended]
        # Tokens that were named are each reported; of an account or a label, most tokens need nothing.
        for one in selected if choice.named or choice.token_id else ():
            if one not in tokens:
                session.err.print(
                    f"token '{one.name}' in namespace '{one.namespace}' is neither revoked nor suspended"
                )
        if not tokens:
            count = (
                "the selected token is" if len(selected) == 1 else f"all {len(selected)} selected tokens are"
            )
            session.err.print(f"nothing to restore: {count} neither revoked nor suspended")
            return
        known = [one.name for one in tokens if one.spec.get("revocationReason") == "KeyCompromise"]
        if known and not dry_run:
            question = f"{', '.join(known)} was revoked for KeyCompromise. Accept the same value again (else: rotate)?"
            changes.confirm(question, yes=yes)

        def undo(token: TokenView) -> changes.Patch:
            if token.is_revoked:
                return {"spec": {"state": None, "revocationReason": None}}
            return {"spec": {"inUseTime": times.moment(session.now)}}

        restored = await changes.apply(session, tokens, undo, "restored", dry_run=dry_run)
        if wait and not dry_run:
            await changes.prove(session, restored, "accepts", timeout)

    run(place, restore)
