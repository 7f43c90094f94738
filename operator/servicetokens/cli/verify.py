"""`kubectl servicetoken verify`: a token from stdin, and every check that it passes or fails."""

from http import HTTPStatus
from typing import Final

import aiohttp
import click

from servicetokens.api import names
from servicetokens.cli import findings, verifying
from servicetokens.cli.exits import Exit, Failure
from servicetokens.cli.findings import Finding, Level
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.secret import reveal
from servicetokens.cli.selection import list_widely, pasted_text
from servicetokens.cli.session import Place, Session, console
from servicetokens.cli.views import AccountView, TokenView
from servicetokens.kube.errors import Forbidden, NotFound
from servicetokens.tokens.format import Token

_SECONDS: Final = 5.0


@click.command("verify")
@click.option("--offline", is_flag=True, help="Only format and checksum: no cluster is asked.")
@click.option("--ask", metavar="URL", help="Ask this validator, too (its forward-auth or ext_authz address).")
@at_a_place()
def command(place: Place, ask: str | None, *, offline: bool) -> None:
    """Read a token from stdin and explain each check that it passes or fails. Exits with 3 when it is no good."""
    found, token = verifying.of_text(pasted_text())
    if token is not None and not offline:
        found += run(place, lambda session: _look(session, token, ask))
    findings.show(console(), found)
    if findings.is_bad(found):
        message = "the token is no good"
        raise Failure(message, Exit.NOT_GOOD)


async def _look(session: Session, presented: Token, ask: str | None) -> list[Finding]:
    everywhere, tokens = await list_widely(session)
    matching = [one for one in tokens if presented.id in one.ids]
    if not matching:
        where = "the cluster" if everywhere else f"namespace '{session.namespace}', and you may see no other"
        found = [
            Finding(
                Level.BAD if everywhere else Level.UNKNOWN,
                "known",
                f"no ServiceToken in {where} has its id: deleted, rotated out, or of another cluster",
            )
        ]
    else:
        found = [one for token in matching for one in await _of_object(session, token, presented)]
    if ask is not None:
        found.append(await _asked(ask, presented))
    return found


async def _of_object(session: Session, token: TokenView, presented: Token) -> list[Finding]:
    found = list(verifying.of_token(token, presented, session.now))
    try:
        raw = await session.cluster.get_ours(names.PLURAL_ACCOUNTS, token.namespace, token.account)
        found += verifying.of_account(token, AccountView(raw))
    except NotFound:
        found += verifying.of_account(token, None)
    except Forbidden:
        found.append(Finding(Level.UNKNOWN, "account", "you may not read it"))
    stored, why_not = None, ""
    try:
        stored = await reveal(session, token)
    except Failure as failure:
        why_not = failure.message
    return [*found, verifying.of_value(token, presented, stored, why_not)]


async def _asked(url: str, presented: Token) -> Finding:
    """Return what a validator says; only it can check the keyed hash."""
    headers = {"Authorization": f"Bearer {presented.reveal()}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as client,
            client.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Finding(Level.UNKNOWN, "validator", f"no answer from {url} ({type(error).__name__})")
    if status == HTTPStatus.OK:
        return Finding(Level.OK, "validator", f"{url} accepts it")
    if status == HTTPStatus.FORBIDDEN:
        message = f"{url} authenticates it, and none of its roles allows this request ({status})"
        return Finding(Level.WARNING, "validator", message)
    if status == HTTPStatus.UNAUTHORIZED:
        return Finding(Level.BAD, "validator", f"{url} refuses it ({status})")
    return Finding(Level.UNKNOWN, "validator", f"{url} answers {status}")
