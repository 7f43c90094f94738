"""`kubectl servicetoken report`: the report of `servicetokens report`, with your own permissions."""

import click

from servicetokens.admin.page import Limits
from servicetokens.admin.report import Report, make, report_options, write
from servicetokens.cli.exits import Failure
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.session import Place, Session


@click.command("report", context_settings={"show_default": True})
@report_options
@at_a_place(everywhere=True)
def command(place: Place, form: str, target: str, expiring: int, unused: int, rows: int) -> None:
    """Report all accounts and tokens: what expires, waits, is unused, revoked or rotating.

    Needs permission to list ServiceAccounts and ServiceTokens of servicetokens.dev. No Secret is read, and the report
    contains no token. It does contain names and descriptions: store it where only authorized people can read it.
    """
    limits = Limits(expiring=expiring, unused=unused, rows=rows)

    async def look(session: Session) -> Report:
        return await make(
            session.cluster.api, [] if session.everywhere else [session.namespace], limits, form
        )

    report = run(place, look)
    try:
        write(report, target)
    except OSError as error:
        message = f"cannot write {target}: {error.strerror}"
        raise Failure(message) from error
