"""`kubectl servicetoken get`: tokens or accounts, a line each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from servicetokens.api import names
from servicetokens.cli import listing
from servicetokens.cli.duration import Duration
from servicetokens.cli.exits import Failure
from servicetokens.cli.naming import account_option, grouped
from servicetokens.cli.options import at_a_place, names_of, output_option, run
from servicetokens.cli.output import print_objects, print_rows
from servicetokens.cli.selection import find_present
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

    TYPE is `tokens` (the default) or `accounts`, as kubectl accepts them, or `tokens,accounts`; NAME may be
    TYPE/NAME. Last use is known to the hour, and a token counts as unused from its creation on.

    `kubectl get svctok` watches (`-w`), and prints with jsonpath and custom columns.
    """
    wanted = grouped(words)
    has_names = any(wanted.values())
    if names.PLURAL_ROLES in wanted:
        message = "roles are listed by `kubectl get svcrole`"
        raise click.UsageError(message)
    if names.PLURAL_ACCOUNTS in wanted and (account or expiring or unused):
        message = "--account, --expiring and --unused ask about tokens: use `get tokens`"
        raise click.UsageError(message)
    if has_names and selector:
        message = "NAME and --selector exclude each other"
        raise click.UsageError(message)

    async def look(session: Session) -> None:
        found: dict[str, list[dict[str, Any]]] = {}
        missing = []
        for plural, named in wanted.items():
            if named:
                found[plural], sentence = await find_present(session, plural, named)
                missing += [sentence] if sentence else []
            else:
                found[plural] = await session.cluster.list_ours(plural, session.scope, selector)
        is_wanted = _wanted(account, expiring, unused, session.now)
        tokens = found.get(names.PLURAL_TOKENS, [])
        tokens[:] = [one for one in tokens if is_wanted(TokenView(one))]
        is_single = sum(map(len, wanted.values())) == 1 and not session.everywhere
        # Existing objects are shown, even if others were not found.
        if any(found.values()) or not missing:
            shown = {plural: listed for plural, listed in found.items() if listed or not missing}
            _print(session, shown, form, is_single=is_single)
        if missing:
            raise Failure("; ".join(missing))

    run(place, look)


def _wanted(
    account: str | None, expiring: int | None, unused: int | None, now: int
) -> Callable[[TokenView], bool]:
    return lambda token: (
        (account is None or token.account == account)
        and (expiring is None or token.expires_before(now + expiring))
        and (unused is None or token.unused_since(now - unused))
    )


def _print(
    session: Session, found: Mapping[str, list[dict[str, Any]]], form: str, *, is_single: bool
) -> None:
    if form in {"json", "yaml", "name"}:
        objects = [one for listed in found.values() for one in listed]
        print_objects(objects, form, single=is_single and len(objects) == 1)
        return
    for number, (plural, listed) in enumerate(found.items()):
        if number:
            session.out.print("")
        _print_table(session, plural, listed, wide=form == "wide")


def _print_table(session: Session, plural: str, found: list[dict[str, Any]], *, wide: bool) -> None:
    is_token, now = plural == names.PLURAL_TOKENS, session.now
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
