"""`kubectl servicetoken leaked`: every token in a text, whose it is, and its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

import click

from servicetokens.cli import changes, output
from servicetokens.cli.exits import Exit, Failure
from servicetokens.cli.leaks import finder
from servicetokens.cli.leaks.finder import Report, Sighting
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.revoke import revoke as revoke_for
from servicetokens.cli.rotate import ask, rotate
from servicetokens.cli.selection import ask_to_paste, list_widely
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import TokenView
from servicetokens.runtime.terminal import escape_controls

# A table stays a table: the first places lead to the token, and the others are found by searching for its id.
_SHOWN_PLACES = 5


@dataclass(frozen=True, slots=True)
class Leak:
    """A token that was seen, and its ServiceToken; None when nobody here has its id."""

    sighting: Sighting
    token: TokenView | None

    @property
    def is_accepted(self) -> bool:
        """Whether it may be accepted somewhere: here, or by a cluster that we do not see."""
        if self.token is None:
            return True
        return self.is_alive and not self.token.is_revoked

    @property
    def is_alive(self) -> bool:
        """Whether it is neither expired nor rotated out: restoring its ServiceToken would bring it back."""
        return self.token is not None and any(
            one.id == self.sighting.token.id for one in self.token.credentials
        )


@click.command("leaked")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--revoke", is_flag=True, help="Revoke them for KeyCompromise: their workloads stop, too.")
@click.option(
    "--rotate", "rotates", is_flag=True, help="Replace them without overlap: workloads read the new one."
)
@changes.timeout_option(changes.PROOF_SECONDS)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@at_a_place()
def command(place: Place, file: IO[bytes], timeout: float, *, revoke: bool, rotates: bool, yes: bool) -> None:
    """Find all tokens in FILE (or stdin), show who owns them, and revoke or rotate them on request.

    Tokens are also found where they are encoded (base64, hexadecimal, percent, JSON and other escapes, UTF-16),
    compressed (gzip, bzip2, xz, zip) or broken over lines, up to three layers deep. No token is printed, only
    public ids. Exits with 3 as long as a token that was found may still be accepted, and when a part of the data
    could not be read. Public ids are no secret, so anyone can write a text that names your token: look at the text
    before you revoke.
    """
    if revoke and rotates:
        message = "--revoke and --rotate exclude each other: rotated tokens end as well, but workloads go on"
        raise click.UsageError(message)
    ask_to_paste("text", file)
    report = finder.find(file.read(finder.INPUT_BYTES + 1))
    for part in report.unread:
        click.echo(f"warning: could not be read: {escape_controls(part)}", err=True)
    if report.sightings:
        run(
            place,
            lambda session: _handle(
                session, report.sightings, timeout, revoke=revoke, rotates=rotates, yes=yes
            ),
        )
    else:
        click.echo("no token found in what could be read" if report.unread else "no token found")
    _fail_if_unread(report)


def _fail_if_unread(report: Report) -> None:
    """Raise `Failure` unless all of the data was searched."""
    count = len(report.unread)
    if count:
        parts = "1 part" if count == 1 else f"{count} parts"
        message = f"{parts} of the data could not be read and may hold tokens: unpack or decrypt them, and search again"
        raise Failure(message, Exit.NOT_GOOD)


async def _handle(
    session: Session,
    seen: Sequence[Sighting],
    timeout: float,  # noqa: ASYNC109 - for a person, who is told what is missing
    *,
    revoke: bool,
    rotates: bool,
    yes: bool,
) -> None:
    everywhere, tokens = await list_widely(session)
    if not everywhere:
        session.err.print(f"Only namespace '{session.namespace}' is searched: you may not list all tokens.")
    owners = {token_id: token for token in tokens for token_id in token.ids}
    found = [Leak(one, owners.get(one.token.id)) for one in seen]
    _show(session, found)
    live = list({one.token.uid: one.token for one in found if one.token and one.is_accepted}.values())
    if live and (revoke or rotates):
        await _end(session, live, timeout, revoke=revoke, yes=yes)
        found = [one for one in found if one.token is None]
    left = [one for one in found if one.is_accepted]
    if left:
        known = sum(one.token is not None for one in left)
        advice = "; end them with --revoke, or --rotate to keep workloads going" if known else ""
        message = f"{len(left)} of {len(seen)} may still be accepted{advice}"
        raise Failure(message, Exit.NOT_GOOD)


async def _end(
    session: Session,
    live: list[TokenView],
    timeout: float,  # noqa: ASYNC109 - as above
    *,
    revoke: bool,
    yes: bool,
) -> None:
    if not revoke:
        ask(live, no_overlap=True, yes=yes)
        await rotate(session, live, timeout, no_overlap=True)
        return
    named = ", ".join(f"{one.namespace}/{one.name}" for one in live)
    changes.confirm(f"Revoke {named} for KeyCompromise?", yes=yes)
    await changes.prove(session, await revoke_for(session, live, "KeyCompromise"), "refuses", timeout)


def _show(session: Session, found: Sequence[Leak]) -> None:
    rows = []
    for one in found:
        places = one.sighting.places
        lines = ", ".join(map(str, places[:_SHOWN_PLACES])) + (", …" if len(places) > _SHOWN_PLACES else "")
        token = one.token
        whose = f"{token.namespace}/{token.name}, account {token.account}" if token else "of nobody here"
        state = output.state(token.state) if token and one.is_alive else ("ended" if token else "unknown")
        rows.append((lines, str(one.sighting.token), whose, state))
    output.print_rows(session.out, ("LINES", "TOKEN", "WHOSE", "STATE"), rows)
