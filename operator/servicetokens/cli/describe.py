"""`kubectl servicetoken describe`: a token's whole story on one screen."""

from collections.abc import Sequence
from typing import Any, Final

import click

from servicetokens.api import names, times
from servicetokens.cli import listing, output
from servicetokens.cli.exits import Failure
from servicetokens.cli.naming import split
from servicetokens.cli.options import at_a_place, names_of, output_option, run
from servicetokens.cli.screen import Cell, Styled
from servicetokens.cli.secret import reveal
from servicetokens.cli.selection import find_present
from servicetokens.cli.session import Place, Session
from servicetokens.cli.story import standing, timeline
from servicetokens.cli.views import AccountView, CredentialView, TokenView, texts
from servicetokens.cli.workloads import users_of
from servicetokens.kube import paths
from servicetokens.kube.errors import Forbidden, NotFound

# As wide as the longest label below.
_LABEL_WIDTH: Final = 12


@click.command("describe")
@click.argument(
    "words", metavar="NAME...", nargs=-1, required=True, shell_complete=names_of(names.PLURAL_TOKENS)
)
@click.option("--show-token", is_flag=True, help="Also print the token.")
@output_option("table", "json", "yaml")
@at_a_place()
def command(place: Place, words: Sequence[str], form: str, *, show_token: bool) -> None:
    """Show state, permissions, credentials, workloads, conditions and history of the tokens NAME.

    NAME may be TYPE/NAME, as in kubectl.
    """
    plural, named = split(words)
    if plural == names.PLURAL_TOKENS and not named:
        # There may be a token whose name is a word for tokens.
        named = list(words)
    if plural != names.PLURAL_TOKENS:
        message = f"only tokens are described; `kubectl describe {plural}.{names.GROUP}` shows the others"
        raise click.UsageError(message)

    async def tell(session: Session) -> None:
        found, missing = await find_present(session, plural, named)
        if form != "table" and found:
            output.print_objects(found, form, single=len(named) == 1)
        for number, one in enumerate(found if form == "table" else ()):
            if number:
                session.out.print("\n")
            await _tell(session, TokenView(one), show_token=show_token)
        if missing:
            raise Failure(missing)

    run(place, tell)


async def _tell(session: Session, token: TokenView, *, show_token: bool) -> None:
    _head(session, token)
    await _whose(session, token)
    _limits(session, token)
    _credentials(session, token)
    await _where(session, token)
    if show_token:
        _line(session, "Value", (await reveal(session, token)).reveal())
    _conditions(session, token)
    await _timeline(session, token)


def _head(session: Session, token: TokenView) -> None:
    active = token.condition("Active")
    why = "the operator has not reconciled its latest spec; check that it runs and serves this namespace"
    if token.state != "Pending" and active is not None:
        why = active.message
    _line(session, "Token", f"{token.namespace}/{token.name}")
    _line(session, "State", why, output.state(token.state))
    stalled = token.condition("Stalled") or token.condition("Reconciling")
    if stalled is not None:
        _line(session, "Problem", Styled(stalled.message, "red"))
    if token.description:
        _line(session, "Description", token.description)
    if token.from_git:
        _line(session, "From", f"{token.from_git}; manual changes may be undone")


async def _whose(session: Session, token: TokenView) -> None:
    try:
        raw = await session.cluster.get_ours(names.PLURAL_ACCOUNTS, token.namespace, token.account)
    except (NotFound, Forbidden):
        _line(
            session, "Account", f"{token.account} (does not exist, or you do not have permission to read it)"
        )
        return
    account = AccountView(raw)
    _line(session, "Account", output.state(account.state), account.name)
    own = texts(token.spec.get("roles"))
    roles = [role for role in account.roles if not own or role in own]
    accepted = token.condition("RolesAccepted")
    doubt = f"  {accepted.message}" if accepted is not None and accepted.status != "True" else ""
    _line(session, "Roles", f"{', '.join(roles) or 'none'}{doubt}")


def _limits(session: Session, token: TokenView) -> None:
    _line(session, "Audiences", ", ".join(texts(token.spec.get("audiences"))) or "any service")
    _line(session, "Networks", ", ".join(texts(token.spec.get("allowedCIDRs"))) or "any network")


def expiry(credential: CredentialView, now: int) -> str:
    """Return the end of the sentence about *credential* that says when it expires, or nothing if that is not known."""
    if credential.is_pending:
        # Its lifetime begins when it is delivered.
        return ""
    if credential.end is None:
        return ", never expires"
    verb = "expires" if credential.end > now else "expired"
    return f", {verb} {listing.exact(credential.end, now)}"


def _credentials(session: Session, token: TokenView) -> None:
    now = session.now
    for one in reversed(token.credentials):
        _line(session, "Credential", f"{one.id} ({standing(token, one)}){expiry(one, now)}")
    if not token.credentials:
        _line(session, "Credential", "none")
    rotates = "not automatically" if token.next_rotation is None else listing.exact(token.next_rotation, now)
    _line(session, "Rotates", rotates)
    _line(session, "Last used", times.last_use(token.last_used, now))


async def _where(session: Session, token: TokenView) -> None:
    synced = token.condition("SecretSynced")
    _line(session, "Secret", f"{token.secret}  {synced.message if synced else ''}".strip())
    try:
        pods = await session.cluster.list_all(paths.pods(token.namespace))
    except Forbidden:
        _line(session, "Used by", "unknown: you do not have permission to list pods")
        return
    users = users_of(token.secret, pods)
    _line(session, "Used by", "\n".join(map(str, users)) or "no pod mounts the Secret now")


def _conditions(session: Session, token: TokenView) -> None:
    session.out.print("\nConditions", style="bold")
    rows = [
        (one.type, one.status, one.reason, times.relative(one.since, session.now), one.message)
        for one in token.conditions
    ]
    output.print_rows(session.out, ("TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"), rows)


async def _timeline(session: Session, token: TokenView) -> None:
    events: list[dict[str, Any]] = []
    try:
        # The selector is by name: it is what the API server has for Events.
        found = await session.cluster.list_all(
            paths.events(token.namespace), {"fieldSelector": f"regarding.name={token.name}"}
        )
        events = [one for one in found if (one.get("regarding") or {}).get("uid") == token.uid]
    except Forbidden:
        session.err.print("Events are not shown: you do not have permission to list them.")
    session.out.print("\nTimeline", style="bold")
    now = session.now
    rows = [(times.moment(one.at), times.relative(one.at, now), one.what) for one in timeline(token, events)]
    output.print_rows(session.out, ("TIME", "", "MESSAGE"), rows)


def _line(session: Session, label: str, value: Cell, before: Cell = "") -> None:
    """Print a labelled value, whose lines stand below each other; *before* it a word in a style of its own."""
    indent = " " * (_LABEL_WIDTH + 2)
    styled = value if isinstance(value, Styled) else Styled(value)
    head = Styled(f"{f'{label}:':<{_LABEL_WIDTH + 1}} ", "bold")
    start = (head, before, "  ") if str(before) else (head,)
    session.out.paragraph(styled.text, indent=indent, style=styled.style, head=start)
