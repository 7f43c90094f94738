"""`kubectl servicetoken verify`: a token from stdin, every check that it passes or fails, and the result."""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import click

from servicetokens.api import names
from servicetokens.api.origin import Origin
from servicetokens.cli import asking, findings, simulation, verifying
from servicetokens.cli.describing import described, describing
from servicetokens.cli.exits import Exit, Failure
from servicetokens.cli.findings import Finding, Level
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.screen import screen
from servicetokens.cli.secret import reveal
from servicetokens.cli.selection import list_widely, pasted_text
from servicetokens.cli.session import Place, Session
from servicetokens.cli.simulation import Objects, Request, SimulatedDecision
from servicetokens.cli.verifying import Answer, Known
from servicetokens.cli.views import Raw, TokenView
from servicetokens.kube import paths
from servicetokens.kube.errors import Forbidden, NotFound
from servicetokens.tokens.format import Token
from servicetokens.tokens.imported import find_fault

_BAD: Final = "the token is not valid"
_NOT_ALLOWED: Final = "the token is valid, but the request is not allowed"
_UNCERTAIN: Final = "whether the token is valid is unknown"


@click.command("verify")
@click.argument("unexpected", nargs=-1, metavar="")
@click.option("--offline", is_flag=True, help="Check only format and checksum, without a cluster.")
@asking.ask_option
@describing
@at_a_place()
def command(
    place: Place, ask: str | None, unexpected: Sequence[str], *, offline: bool, **request_options: str | None
) -> None:
    """Read a token from stdin and explain each check that it passes or fails; the last line is the result.

    Without a description of a request, the token itself is checked; with one, also whether its audiences, networks and
    roles allow that request. Exits with 3 when it is not valid, and with 1 when that could not be found out.
    """
    if unexpected:
        # Not quoted: it is a token, or the name of one.
        message = (
            "verify takes no argument: the token is read from stdin, so that it is in no history of a shell"
        )
        raise click.UsageError(message)
    request = described(**request_options)
    if offline and ask is not None:
        message = "--offline and --ask exclude each other"
        raise click.UsageError(message)
    text = pasted_text()
    found, token = verifying.of_text(text)
    if offline or (token is None and find_fault(text, "") is not None):
        # Not ours, and nothing that could have been imported: no object will tell more.
        level = Level.BAD if token is None else Level.UNKNOWN
        words = (
            "not valid: it is not a service token" if token is None else "not checked: no cluster was asked"
        )
        found.append(Finding(level, "result", words))
    elif token is None:
        # Of a token that was copied wrongly it has told already which character is.
        told = [one for one in found if one.topic == "checksum"]
        found = told + run(place, lambda session: _look_for_import(session, text, ask, request))
    else:
        found += run(place, lambda session: _look(session, token, ask, request))
    findings.show(screen(), found)
    _end(found[-1], offline=offline)


def _end(conclusion: Finding, *, offline: bool) -> None:
    if conclusion.level is Level.BAD:
        raise Failure(_NOT_ALLOWED if conclusion.message.startswith("valid") else _BAD, Exit.NOT_GOOD)
    if conclusion.level is Level.UNKNOWN and not offline:
        raise Failure(_UNCERTAIN)


async def _look(session: Session, presented: Token, url: str | None, request: Request) -> list[Finding]:
    everywhere, tokens = await list_widely(session)
    matching = [one for one in tokens if presented.id in one.ids]
    found: list[Finding] = []
    known = Known(None, complete=everywhere)
    if not matching:
        where = (
            "the cluster"
            if everywhere
            else f"namespace '{session.namespace}', the only one that you have permission to list"
        )
        level = Level.BAD if everywhere else Level.UNKNOWN
        message = f"no ServiceToken in {where} has its id: it was deleted or rotated out, or belongs to another cluster"
        found.append(Finding(level, "known", message))
    for token in matching:
        simulated, said, compared = await _of_object(session, token, presented, request)
        found += said
        if known.simulated is None or simulated.is_accepted:
            # Of several that claim the id, at most one has the value; the others were copied.
            known = Known(simulated, complete=True, compared=compared)
    if url is not None:
        said_by_validator, answer = await asking.ask(url, presented.reveal(), request)
        if answer is Answer.REJECTED and (unsaid := verifying.unsaid(known.simulated, request)):
            answer = Answer.UNDESCRIBED
            message = f"{url} rejects it (401), without knowing {unsaid}"
            said_by_validator = Finding(Level.UNKNOWN, "validator", message)
        found.append(said_by_validator)
        known = Known(known.simulated, known.complete, known.compared, answer)
    return [*found, verifying.conclusion(known)]


async def _of_object(
    session: Session, token: TokenView, presented: Token, request: Request
) -> tuple[SimulatedDecision, list[Finding], bool | None]:
    found: list[Finding] = []
    account: Raw | None = None
    try:
        account = await session.cluster.get_ours(names.PLURAL_ACCOUNTS, token.namespace, token.account)
    except NotFound:
        pass
    except Forbidden as error:
        whose = f"the account of ServiceToken {token.namespace}/{token.name}"
        message = f"you do not have permission to read {whose}: {error.message}"
        raise Failure(message) from None
    roles: list[dict[str, Any]] | None = None
    with contextlib.suppress(Forbidden):
        roles = await session.cluster.list_all(paths.ours(names.PLURAL_ROLES))
    simulated = simulation.simulate(Objects(token.raw, account, roles), presented, request, session.clock)
    found += verifying.of_object(token, simulated, request, session.now)
    stored, why_not = None, ""
    try:
        stored = await reveal(session, token)
    except Failure as failure:
        why_not = failure.message
    value = verifying.of_value(token, presented, stored, why_not)
    compared = {Level.OK: True, Level.BAD: False}.get(value.level)
    return simulated, [*found, value], compared


async def _look_for_import(session: Session, text: str, url: str | None, request: Request) -> list[Finding]:
    """Tell what can be known of a value that is none of ours: only validators can look an imported value up."""
    everywhere, tokens = await list_widely(session)
    imports = sum(any(one.origin is Origin.IMPORTED for one in token.credentials) for token in tokens)
    where = "" if everywhere else f" in namespace '{session.namespace}'"
    length = verifying.miscounted(text)
    if imports:
        others = f"{imports} token{'' if imports == 1 else 's'}{where}"
        message = f"not minted here{length}; {others} accept an imported value"
        found = [Finding(Level.UNKNOWN, "format", message)]
    else:
        level = Level.BAD if everywhere else Level.UNKNOWN
        message = f"not minted here{length}, and no token{where} accepts an imported value"
        found = [Finding(level, "format", message)]
    answer = Answer.NONE
    if url is not None:
        said, answer = await asking.ask(url, text, request)
        found.append(said)
    if answer is not Answer.NONE:
        found.append(verifying.conclusion(Known(None, complete=True, answer=answer)))
    elif found[0].level is Level.BAD:
        found.append(Finding(Level.BAD, "result", "not valid: it is not a service token"))
    else:
        found.append(
            Finding(
                Level.UNKNOWN, "result", "unknown: only a validator knows imported values (use --ask URL)"
            )
        )
    return found
