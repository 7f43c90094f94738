"""`kubectl servicetoken rotate`: a new credential now, by a new `spec.rotation.id`."""

import click

from servicetokens.api import names
from servicetokens.cli import changes, listing, waiting
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.selection import Choice, choosing, select
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import TokenView
from servicetokens.lifecycle import words


@click.command("rotate")
@choosing
@click.option("--no-overlap", is_flag=True, help="End the old one at once, for a leak. Asks first.")
@changes.changing(waits=True, until="the new one is in the Secret", seconds=30.0, asks="Do not ask.")
@at_a_place(everywhere=True)
def command(
    place: Place,
    choice: Choice,
    timeout: float,
    *,
    no_overlap: bool,
    dry_run: bool,
    wait: bool,
    yes: bool,
) -> None:
    """Replace tokens now, and show how long the old ones go on working."""
    if no_overlap and not wait and not dry_run:
        message = "--no-overlap puts the declared overlap back afterwards: leave --no-wait out"
        raise click.UsageError(message)

    async def rotate_chosen(session: Session) -> None:
        tokens = await select(session, choice)
        if not dry_run:
            ask(tokens, no_overlap=no_overlap, yes=yes)
        await rotate(session, tokens, timeout, no_overlap=no_overlap, dry_run=dry_run, wait=wait)

    run(place, rotate_chosen)


def ask(tokens: list[TokenView], *, no_overlap: bool, yes: bool) -> None:
    """Ask before what cannot be undone, or touches many."""
    named = ", ".join(one.name for one in tokens)
    if no_overlap:
        changes.confirm(
            f"The present value of {named} ends at once, for ever; what uses it fails until it has read the new one. "
            "Go on?",
            yes=yes,
        )
    elif len(tokens) > 1:
        changes.confirm(f"Rotate {len(tokens)} tokens ({named})?", yes=yes)


async def rotate(
    session: Session,
    tokens: list[TokenView],
    timeout: float,  # noqa: ASYNC109 - for a person, who is told what is missing
    *,
    no_overlap: bool = False,
    dry_run: bool = False,
    wait: bool = True,
) -> None:
    """Rotate *tokens*, and say of each what works until when. Raises `Failure`."""
    overlap = {"overlap": "0s"} if no_overlap else {}

    def request(token: TokenView) -> changes.Patch:
        # With the id of what is replaced, so that two requests within a second differ.
        return {
            "spec": {"rotation": {"id": f"{words.moment(session.now)} after {token.id}".strip(), **overlap}}
        }

    rotated = await changes.apply(session, tokens, request, "is to be rotated", dry_run=dry_run)
    if dry_run or not wait:
        return
    done = await waiting.wait(session, rotated, acted_upon, timeout)
    if no_overlap:
        # Only this one rotation is meant; the next one by the clock shall overlap as declared.
        for before in tokens:
            declared = {"spec": {"rotation": {"overlap": before.rotation.get("overlap")}}}
            await session.cluster.change(names.PLURAL_TOKENS, before.namespace, before.name, declared)
    for token in done:
        session.out.print(_story(token, session.now))


def acted_upon(token: TokenView) -> waiting.Verdict:
    """Judge whether the operator has rotated as asked, and delivered."""
    verdict = waiting.ready(token)
    if verdict is not None:
        return verdict
    if token.status.get("rotationID") != token.rotation.get("id"):
        return "the operator has not rotated it yet"
    synced = token.condition("SecretSynced")
    return None if synced is not None and synced.status == "True" else "the Secret is not written yet"


def _story(token: TokenView, now: int) -> str:
    lines = [f"token '{token.name}': {token.id} is in the Secret '{token.secret}'"]
    old = [one for one in token.credentials if one.id != token.id]
    lines += [f"  {one.id}, the one before, works until {listing.exact(one.end, now)}" for one in old]
    if not old:
        lines.append("  nothing before it works any more")
    return "\n".join(lines)
