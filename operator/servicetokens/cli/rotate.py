"""`kubectl servicetoken rotate`: a new credential now, by a new `spec.rotation.id`."""

from collections.abc import Sequence

import click

from servicetokens.api import names, times
from servicetokens.cli import changes, listing, waiting
from servicetokens.cli.exits import Failure
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.selection import Choice, choosing, select
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import TokenView


@click.command("rotate")
@choosing
@click.option(
    "--no-overlap", is_flag=True, help="Reject the old credential immediately, for a leak. Asks first."
)
@changes.changing(waits=True, until="the new one is in the Secret", time="30s", asks="Do not ask.")
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
    """Rotate tokens now, and show how long the old ones stay valid."""
    if no_overlap and not wait and not dry_run:
        message = (
            "--no-overlap restores the declared overlap afterwards: it cannot be combined with --no-wait"
        )
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
            f"The current value of {named} is rejected immediately and permanently; workloads fail until they read the "
            "new one. Continue?",
            yes=yes,
        )
    elif len(tokens) > 1:
        changes.confirm(f"Rotate {len(tokens)} tokens ({named})?", yes=yes)


async def rotate(
    session: Session,
    tokens: list[TokenView],
    timeout: float,  # noqa: ASYNC109 - for a person, who learns what is missing
    *,
    no_overlap: bool = False,
    dry_run: bool = False,
    wait: bool = True,
) -> None:
    """Rotate *tokens*, and say of each what works until when. Raises `Failure`."""
    overlap = {"overlap": "0s"} if no_overlap else {}

    def request(token: TokenView) -> changes.Patch:
        if token.has_pending_rotation:
            # The requested credential is not delivered yet: another one would change nothing.
            return {"spec": {"rotation": overlap}}
        # With the id of what is replaced, so that two requests within a second differ.
        return {
            "spec": {"rotation": {"id": f"{times.moment(session.now)} after {token.id}".strip(), **overlap}}
        }

    for one in tokens:
        if one.has_pending_rotation:
            session.err.print(f"token '{one.name}' is being rotated already; waiting for that rotation")
    rotated = await changes.apply(session, tokens, request, "will be rotated", dry_run=dry_run)
    if dry_run or not wait:
        return
    try:
        done = await waiting.wait(session, rotated, acted_upon, timeout)
    finally:
        if no_overlap:
            await _restore_overlap(session, tokens)
    for token in done:
        session.out.print(_story(token, session.now))


async def _restore_overlap(session: Session, tokens: Sequence[TokenView]) -> None:
    """Put the declared overlap back: only this one rotation is meant, the next one overlaps as before.

    What has not been rotated yet keeps `0s`, which that rotation still needs.
    """
    for before in tokens:
        declared = before.rotation.get("overlap")
        now = TokenView(await session.cluster.get_ours(names.PLURAL_TOKENS, before.namespace, before.name))
        if now.status.get("rotationID") == now.rotation.get("id"):
            patch = {"spec": {"rotation": {"overlap": declared}}}
            await session.cluster.change(names.PLURAL_TOKENS, before.namespace, before.name, patch)
        else:
            was = f"'{declared}'" if declared else "not set"
            session.err.print(
                f"token '{before.name}' is not rotated yet, so `spec.rotation.overlap` stays '0s'; it was {was}",
                style="yellow",
            )


def acted_upon(token: TokenView) -> waiting.Outcome:
    """Check whether the operator has rotated as requested, and has delivered: by `status.rotationID` and the Secret."""
    if not token.is_observed:
        return waiting.UNSEEN
    if token.status.get("rotationID") == token.rotation.get("id"):
        return waiting.delivered(token)
    ready = token.condition("Ready")
    # The operator does nothing more for a token that is over: a rotation would never be acted on.
    is_over = ready is not None and (ready.status, ready.reason) == ("True", "Expired")
    obstacle = ready if is_over else token.condition("Stalled")
    if obstacle is not None:
        message = f"token '{token.name}' cannot be rotated: {obstacle.message}"
        raise Failure(message)
    return (
        ready.message
        if ready is not None and ready.status != "True"
        else "the operator has not rotated it yet"
    )


def _story(token: TokenView, now: int) -> str:
    lines = [f"token '{token.name}': {token.id} is in the Secret '{token.secret}'"]
    old = [one for one in token.credentials if one.id != token.id]
    lines += [f"  {one.id}, the previous one, expires {listing.exact(one.end, now)}" for one in old]
    if not old:
        lines.append("  no previous one is accepted any longer")
    active = token.condition("Active")
    if active is not None and active.status != "True":
        lines.append(f"  none of them is accepted now: {active.message}")
    return "\n".join(lines)
