"""`kubectl servicetoken report`: the page of `servicetokens report`, with your own permissions."""

import click

from servicetokens.admin.page import Limits
from servicetokens.admin.report import Page, make, page_options, write
from servicetokens.cli.exits import Failure
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.session import Place, Session


@click.command("report", context_settings={"show_default": True})
@page_options
@at_a_place(everywhere=True)
def command(place: Place, target: str, expiring: int, unused: int, rows: int) -> None:
    """Write one HTML page about all accounts and tokens: what expires, waits, is unused, revoked or rotating.

    It needs permission to list ServiceAccounts and ServiceTokens of servicetokens.dev. No Secret is read, and no token
    is in the page; it says who has an account and what for, so keep it where only those are who may know.
    """
    limits = Limits(expiring=expiring, unused=unused, rows=rows)

    async def look(session: Session) -> Page:
        return await make(session.cluster.api, [] if session.everywhere else [session.namespace], limits)

    page = run(place, look)
    try:
        write(page, target)
    except OSError as error:
        message = f"cannot write {target}: {error.strerror}"
        raise Failure(message) from error
