"""`kubectl servicetoken get`: tokens or accounts, a line each."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from servicetokens.api import names
from servicetokens.cli import listing
from servicetokens.cli.duration import Duration
from servicetokens.cli.naming import account_option, split
from servicetokens.cli.options import at_a_place, names_of, output_option, run
from servicetokens.cli.output import print_objects, print_rows
from servicetokens.cli.selection import find_named
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import AccountView, TokenView


@click.command("get")
@click.argument("words", metavar="[TYPE] [NAME]...", nargs=-1, shell_complete=names_of(names.PLURAL_TOKENS))
@click.option("-l", "--selector", default="", metavar="LABELS", help="Label selector, as in app=orders.")
@account_option("Only tokens of that account.")
@click.option(
    "--expiring",
    metavar="30d",
    type=Duration(),
    help="Only tokens that expire within this time and are not rotated automatically.",
)
@click.option(
    "--unused", metavar="90d", type=Duration(), help="Only tokens that were not accepted for this long."
)
@output_option("table", "wide", "json", "yaml", "name")
@at_a_place(everywhere=True)
def command(
    place: Place,
    words: Sequence[str],
    selector: str,
    account: str | None,
    expiring: int | None,
    unused: int | None,
    form: str,
) -> None:
    """List tokens, or accounts: state, expiration and last use.

    TYPE is `tokens` (the default) or `accounts`, as kubectl accepts them; NAME may be TYPE/NAME. Last use is known
    to the hour, and a token counts as unused from its creation on.
    """
    plural, named = split(words)
    if plural == names.PLURAL_ROLES:
        message = "roles are listed by `kubectl get svcrole`"
        raise click.UsageError(message)
    if plural == names.PLURAL_ACCOUNTS and (account or expiring or unused):
        message = "--account, --expiring and --unused ask about tokens: use `get tokens`"
        raise click.UsageError(message)
    if named and selector:
        message = "NAME and --selector exclude each other"
        raise click.UsageError(message)

    async def look(session: Session) -> None:
        if named:
            found = await find_named(session, plural, named)
        else:
            found = await session.cluster.list_ours(plural, session.scope, selector)
        if plural == names.PLURAL_TOKENS:
            wanted = _wanted(account, expiring, unused, session.now)
            found = [one for one in found if wanted(TokenView(one))]
        single = len(named) == 1 and len(found) == 1 and not session.everywhere
        _print(session, plural, found, form, single=single)

    run(place, look)


def _wanted(
    account: str | None, expiring: int | None, unused: int | None, now: int
) -> Callable[[TokenView], bool]:
    return lambda token: (
        (account is None or token.account == account)
        and (expiring is None or token.expires_before(now + expiring))
        and (unused is None or token.unused_since(now - unused))
    )


def _print(session: Session, plural: str, found: list[dict[str, Any]], form: str, *, single: bool) -> None:
    if form in {"json", "yaml", "name"}:
        print_objects(found, form, single=single)
        return
    is_token, wide, now = plural == names.PLURAL_TOKENS, form == "wide", session.now
    if not found:
        session.err.print(f"No such {'token' if is_token else 'account'} {session.where}.")
        return
    columns: tuple[str, ...]
    if is_token:
        columns = listing.WIDE_TOKEN_COLUMNS if wide else listing.TOKEN_COLUMNS
        rows = [listing.token_row(TokenView(one), now, wide=wide) for one in found]
    else:
        columns = listing.WIDE_ACCOUNT_COLUMNS if wide else listing.ACCOUNT_COLUMNS
        rows = [listing.account_row(AccountView(one), now, wide=wide) for one in found]
    if session.everywhere:
        columns = ("NAMESPACE", *columns)
        rows = [(one["metadata"]["namespace"], *row) for one, row in zip(found, rows, strict=True)]
    print_rows(session.out, columns, rows)
