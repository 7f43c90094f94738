"""`kubectl servicetoken get`: tokens or accounts, a line each."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from servicetokens.admin.duration import Duration
from servicetokens.api import names
from servicetokens.cli import listing
from servicetokens.cli.exits import Failure
from servicetokens.cli.options import at_a_place, output_option, run
from servicetokens.cli.output import print_objects, print_rows
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import AccountView, TokenView

_KINDS: Final = {
    "tokens": names.PLURAL_TOKENS,
    "token": names.PLURAL_TOKENS,
    "accounts": names.PLURAL_ACCOUNTS,
    "account": names.PLURAL_ACCOUNTS,
}


@click.command("get")
@click.argument("kind", type=click.Choice(list(_KINDS)), default="tokens")
@click.argument("named", metavar="[NAME]...", nargs=-1)
@click.option(
    "-l", "--selector", default="", metavar="LABELS", help="Only with these labels, as in app=orders."
)
@click.option("--account", metavar="NAME", help="Only tokens of that account.")
@click.option(
    "--expiring", metavar="30d", type=Duration(), help="Only tokens that end within it, and are not rotated."
)
@click.option("--unused", metavar="90d", type=Duration(), help="Only tokens not accepted for that long.")
@output_option("table", "wide", "json", "yaml", "name")
@at_a_place(everywhere=True)
def command(
    place: Place,
    kind: str,
    named: Sequence[str],
    selector: str,
    account: str | None,
    expiring: int | None,
    unused: int | None,
    form: str,
) -> None:
    """List tokens (or accounts), with their end and their last use in words.

    Last use is known to the hour, and a token counts as unused from its creation on.
    """
    plural = _KINDS[kind]
    if plural == names.PLURAL_ACCOUNTS and (account or expiring or unused):
        message = "--account, --expiring and --unused ask about tokens: use `get tokens`"
        raise click.UsageError(message)

    async def look(session: Session) -> None:
        found = await session.cluster.list_ours(plural, session.scope, selector)
        if named:
            found = _only(named, found, kind, session)
        if plural == names.PLURAL_TOKENS:
            wanted = _wanted(account, expiring, unused, session.now)
            found = [one for one in found if wanted(TokenView(one))]
        _print(session, plural, found, form, single=len(named) == 1)

    run(place, look)


def _only(
    named: Sequence[str], found: list[dict[str, Any]], kind: str, session: Session
) -> list[dict[str, Any]]:
    kept = [one for one in found if one["metadata"]["name"] in named]
    if missing := sorted(set(named) - {one["metadata"]["name"] for one in kept}):
        quoted = ", ".join(f"'{name}'" for name in missing)
        message = f"there is no {kind.removesuffix('s')} {quoted} {session.where}"
        raise Failure(message)
    return kept


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
