"""`kubectl servicetoken leaked`: every token in a text, its owner, and its revocation."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import click

from servicetokens.cli import asking, changes, output
from servicetokens.cli.exits import Exit, Failure
from servicetokens.cli.leaks import finder
from servicetokens.cli.leaks.finder import Report, Sighting
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.revoke import revoke as revoke_for
from servicetokens.cli.rotate import ask, rotate
from servicetokens.cli.selection import ask_to_paste, list_widely
from servicetokens.cli.session import Place, Session
from servicetokens.cli.simulation import Request
from servicetokens.cli.verifying import Answer
from servicetokens.cli.views import TokenView
from servicetokens.runtime.terminal import escape_controls

# A table stays a table: the first places lead to the token, and the others are found by searching for its id.
_SHOWN_PLACES: Final = 5


@dataclass(frozen=True, slots=True)
class Leak:
    """A token that was seen, and its ServiceToken; None when no token where we may look has its id.

    *everywhere* says that the whole cluster was searched; *answer* is that of a validator, if one was asked.
    """

    sighting: Sighting
    token: TokenView | None
    everywhere: bool
    answer: Answer = Answer.NONE

    @property
    def is_accepted(self) -> bool:
        """Whether it may be accepted: by the validator that was asked, else by what is known here."""
        if self.answer in {Answer.ACCEPTED, Answer.NOT_ALLOWED}:
            return True
        if self.answer is Answer.REJECTED and not self._is_bound:
            return False
        if self.token is None:
            # Of an id that no token has, nothing is accepted; but not all of them may be visible.
            return not self.everywhere
        return self.is_alive and not self.token.is_revoked

    @property
    def is_alive(self) -> bool:
        """Whether it is neither expired nor rotated out: restoring its ServiceToken would make it valid again."""
        return self.token is not None and any(
            one.id == self.sighting.token.id for one in self.token.credentials
        )

    @property
    def owner(self) -> str:
        """The owner, in words."""
        if self.token is not None:
            return f"{self.token.namespace}/{self.token.name}, account {self.token.account}"
        return "no token here" if self.everywhere else "no token that you have permission to read"

    @property
    def state(self) -> str:
        """The state of the ServiceToken, `Accepted` where a validator says so, `Ended` or `Unknown`."""
        if self.answer in {Answer.ACCEPTED, Answer.NOT_ALLOWED}:
            return "Accepted"
        if self.token is None:
            return "Ended" if self.everywhere else "Unknown"
        return self.token.state if self.is_alive else "Ended"

    @property
    def _is_bound(self) -> bool:
        """Whether a validator rejects it without knowing the audience or the client address."""
        spec = self.token.spec if self.token is not None else {}
        return bool(spec.get("audiences") or spec.get("allowedCIDRs"))


class _Data(click.File):
    """A file, or stdin. Of a directory it says how all of it is searched."""

    def convert(
        self,
        value: str | os.PathLike[str] | IO[Any],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> IO[Any]:
        """See `click.File`."""
        if isinstance(value, str) and Path(value).is_dir():
            name = shlex.quote(value)
            message = f"a directory; search it as an archive: tar -cf - {name} | kubectl servicetoken leaked"
            self.fail(message, param, ctx)
        return super().convert(value, param, ctx)


@click.command("leaked")
@click.argument("file", type=_Data("rb"), default="-")
@click.argument("more", nargs=-1, metavar="")
@click.option(
    "--revoke",
    is_flag=True,
    help="Revoke the tokens with the reason KeyCompromise. Workloads that use them stop working.",
)
@click.option(
    "--rotate",
    "rotates",
    is_flag=True,
    help="Rotate the tokens without overlap. Workloads have to read the new ones.",
)
@asking.ask_option
@changes.timeout_option(changes.PROOF_TIME)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@at_a_place()
def command(
    place: Place,
    file: IO[bytes],
    more: Sequence[str],
    timeout: float,
    ask: str | None,
    *,
    revoke: bool,
    rotates: bool,
    yes: bool,
) -> None:
    """Find all tokens in FILE (or stdin), show who owns them, and revoke or rotate them on request.

    Tokens are also found where they are encoded (base64, base32, base85, numbers and dumps, percent, JSON and other
    escapes, UTF-16), packed (gzip, bzip2, xz, deflate, zip, tar) or broken over lines, also lines with something in
    front, up to eight layers deep. Not found are tokens in pictures, in encrypted data, and in small parts that were
    compressed in a way that is not listed here. No token is printed, only public ids. Exits with 3
    as long as a token that was found may still be accepted, and when a part of the data could not be read. An id
    that no token in the cluster has was rotated out or deleted, or belongs to another cluster: ask a validator of
    that one (--ask). Public ids are not secret, so anyone can write a text that names your token: look at the text
    before you revoke.
    """
    _check(more, revoke=revoke, rotates=rotates)
    ask_to_paste("text", file)
    report = finder.find(file.read(finder.INPUT_BYTES + 1))
    for part in report.unread:
        click.echo(f"warning: could not be read: {escape_controls(part)}", err=True)
    if report.media:
        count = "1 file" if report.media == 1 else f"{report.media} files"
        click.echo(f"note: pictures, sounds and fonts are not looked at: {count}", err=True)
    seen = report.sightings
    asked = False

    async def handle(session: Session) -> None:
        nonlocal asked
        found = await _search(session, seen, ask)
        asked = True
        _show(session, found)
        live = list({one.token.uid: one.token for one in found if one.token and one.is_accepted}.values())
        if live and (revoke or rotates):
            await _end(session, live, timeout, revoke=revoke, yes=yes)
            # The revocation was just confirmed; the validator's answer is from before.
            found = [one for one in found if one.token is None]
        _conclude(session, found, len(seen))

    if seen:
        try:
            run(place, handle)
        except Failure:
            if not asked:
                # Without an answer of the cluster, the leak is known nevertheless.
                for one in seen:
                    click.echo(f"{_lines(one)}: {one.token}, not looked up in the cluster")
            raise
    else:
        click.echo("no token found in what could be read" if report.unread else "no token found")
    _fail_if_unread(report)


def _check(more: Sequence[str], *, revoke: bool, rotates: bool) -> None:
    """Raise `click.UsageError` for what cannot be done together."""
    if more:
        message = "leaked reads one FILE; search several as an archive: tar -cf - FILE... | kubectl servicetoken leaked"
        raise click.UsageError(message)
    if revoke and rotates:
        message = "--revoke and --rotate exclude each other: --rotate also makes the old values invalid"
        raise click.UsageError(message)


def _fail_if_unread(report: Report) -> None:
    """Raise `Failure` unless all of the data was searched."""
    count = len(report.unread)
    if count:
        parts = "1 part" if count == 1 else f"{count} parts"
        message = f"{parts} of the data could not be read and may hold tokens: unpack or decrypt them, and search again"
        raise Failure(message, Exit.NOT_GOOD)


async def _search(session: Session, seen: Sequence[Sighting], url: str | None) -> list[Leak]:
    everywhere, tokens = await list_widely(session)
    if not everywhere:
        session.err.print(
            f"Only namespace '{session.namespace}' is searched: you do not have permission to list all tokens."
        )
    owners = {token_id: token for token in tokens for token_id in token.ids}
    found = []
    for one in seen:
        answer = Answer.NONE
        if url is not None:
            said, answer = await asking.ask(url, one.token.reveal(), Request())
            if answer is Answer.NONE:
                session.err.print(f"{one.token}: {said.message}", style="yellow")
        found.append(Leak(one, owners.get(one.token.id), everywhere, answer))
    return found


def _conclude(session: Session, found: Sequence[Leak], total: int) -> None:
    left = [one for one in found if one.is_accepted]
    if not left:
        # An id that no token here has may belong to another cluster, of which nothing is known.
        is_here = all(one.token is not None or one.answer is not Answer.NONE for one in found)
        several, alone = (
            ("any longer", "no longer accepted")
            if is_here
            else ("in this cluster", "not accepted in this cluster")
        )
        session.err.print(f"None of {total} is accepted {several}." if total > 1 else f"It is {alone}.")
        return
    known = any(one.token is not None for one in left)
    advice = "; use --revoke, or --rotate to keep workloads running" if known else ""
    message = f"{len(left)} of {total} may still be accepted{advice}"
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
    await changes.prove(session, await revoke_for(session, live, "KeyCompromise"), "rejects", timeout)


def _lines(sighting: Sighting) -> str:
    """Return where a token was seen first; file names are foreign."""
    places = sighting.places
    lines = ", ".join(map(str, places[:_SHOWN_PLACES])) + (", …" if len(places) > _SHOWN_PLACES else "")
    return escape_controls(lines)


def _show(session: Session, found: Sequence[Leak]) -> None:
    rows = [
        (_lines(one.sighting), str(one.sighting.token), one.owner, output.state(one.state)) for one in found
    ]
    output.print_rows(session.out, ("LINES", "TOKEN", "OWNER", "STATE"), rows)
    if any(one.token is None and one.everywhere for one in found):
        session.err.print(
            "An id without a token here was rotated out or deleted, or belongs to another cluster: "
            "use --ask with a validator of that cluster."
        )
