"""Which tokens are meant: by name, account, label, public id, or by a token itself, pasted."""

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import click

from servicetokens.api import names
from servicetokens.cli.exits import Failure
from servicetokens.cli.naming import Name, account_option, did_you_mean
from servicetokens.cli.options import Function, Option, names_of, with_options
from servicetokens.cli.pasting import PublicId, what_is_around
from servicetokens.cli.session import Session
from servicetokens.cli.views import TokenView
from servicetokens.kube.errors import Forbidden, NotFound
from servicetokens.tokens.format import MalformedToken, Token, parse_any

# A token has 73 characters at most; more than this is no token, and not read.
_MAX_PASTED: Final = 4096


@dataclass(frozen=True, slots=True)
class Choice:
    """What was said on the command line; exactly one of these."""

    named: Sequence[str] = ()
    account: str | None = None
    selector: str | None = None
    token_id: str | None = None


def choosing(function: Function) -> Function:
    """Give a command NAME..., `--account`, `--selector`, `--id` and `-`, and pass it a `Choice`."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        choice = _choice(
            kwargs.pop("named"), kwargs.pop("account"), kwargs.pop("selector"), kwargs.pop("token_id")
        )
        return function(*args, choice=choice, **kwargs)

    options: list[Option] = [
        click.argument(
            "named",
            metavar="[NAME]... | -",
            nargs=-1,
            type=Name(names.PLURAL_TOKENS),
            shell_complete=names_of(names.PLURAL_TOKENS),
        ),
        account_option("All tokens of that account."),
        click.option("-l", "--selector", metavar="LABELS", help="Label selector, as in app=orders."),
        click.option(
            "--id", "token_id", metavar="ID", type=PublicId(), help="Public id of a token, in any namespace."
        ),
    ]
    return with_options(wrapped, options)


def _choice(named: Sequence[str], account: str | None, selector: str | None, token_id: str | None) -> Choice:
    said = [bool(named), account is not None, selector is not None, token_id is not None]
    if sum(said) != 1:
        ways = "NAME, --account, --selector or --id, or `-` with a token on stdin"
        message = f"use only one of {ways}" if any(said) else f"no tokens are selected: use {ways}"
        raise click.UsageError(message)
    if "" in (selector, token_id):
        # An empty selector matches everything, which must be requested explicitly.
        message = f"{'--selector' if selector == '' else '--id'} is empty; check that the variable is set"
        raise click.UsageError(message)
    if tuple(named) == ("-",):
        return Choice(token_id=read_pasted().id)
    return Choice(named, account, selector, token_id)


def read_pasted() -> Token:
    """Return the token on stdin. Raises `Failure` for anything else; its text is never shown."""
    text = pasted_text()
    if not text:
        message = "there is nothing on stdin; a token is expected there"
        raise Failure(message)
    try:
        return parse_any(text)
    except MalformedToken as error:
        hint = what_is_around(text)
        message = f"the input is not a token: {hint or str(error).removeprefix('not a token: ')}"
        raise Failure(message) from None


def pasted_text() -> str:
    """Return what is on stdin, as much of it as a token could have; on a terminal, ask for it."""
    ask_to_paste("token", sys.stdin)
    return sys.stdin.read(_MAX_PASTED).strip()


def ask_to_paste(what: str, stream: IO[Any]) -> None:
    """Say what is waited for, if a person is to type it."""
    if stream.isatty():
        click.echo(f"Paste the {what}, then press Enter and Ctrl-D.", err=True)


async def select(session: Session, choice: Choice) -> list[TokenView]:
    """Return the tokens that are meant, in the session's namespace; by id: wherever it is.

    Raises `Failure` when one of them, or all, cannot be found.
    """
    if choice.token_id is not None:
        return [await find_by_id(session, choice.token_id)]
    if choice.named:
        return [TokenView(one) for one in await find_named(session, names.PLURAL_TOKENS, choice.named)]
    found = [
        TokenView(one)
        for one in await session.cluster.list_ours(names.PLURAL_TOKENS, session.scope, choice.selector or "")
    ]
    if choice.account is not None:
        found = [one for one in found if one.account == choice.account]
    if not found:
        message = f"no token {session.where} matches"
        raise Failure(message)
    return found


async def find_named(session: Session, plural: str, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Return what `find_present` finds. Raises `Failure` when one of them is missing."""
    found, missing = await find_present(session, plural, wanted)
    if missing:
        raise Failure(missing)
    return found


async def find_present(
    session: Session, plural: str, wanted: Sequence[str]
) -> tuple[list[dict[str, Any]], str]:
    """Return the objects of that type with these names, each once, in this order; all of them in any namespace with -A.

    The sentence names those that do not exist, the namespace, and what sounds like them; it is empty when all exist.
    """
    unique = list(dict.fromkeys(wanted))
    if session.everywhere:
        listed = await session.cluster.list_ours(plural)
        found = [one for one in listed if one["metadata"]["name"] in unique]
        missing = [name for name in unique if name not in {one["metadata"]["name"] for one in found}]
    else:
        found, missing = [], []
        for name in unique:
            try:
                found.append(await session.cluster.get_ours(plural, session.namespace, name))
            except NotFound as error:
                if not error.names_object:
                    raise
                missing.append(name)
    if not missing:
        return found, ""
    word = "account" if plural == names.PLURAL_ACCOUNTS else "token"
    hint = did_you_mean(missing[0], await _known(session, plural)) if len(missing) == 1 else ""
    quoted = ", ".join(f"'{name}'" for name in missing)
    return found, f"there is no {word} {quoted} {session.where}{hint}"


async def _known(session: Session, plural: str) -> list[str]:
    try:
        listed = await session.cluster.list_ours(plural, session.scope)
    except Forbidden:
        return []
    return [one["metadata"]["name"] for one in listed]


async def find_by_id(session: Session, token_id: str) -> TokenView:
    """Return the token with that public id. Raises `Failure` when no token has it, or several claim it."""
    everywhere, found = await list_widely(session)
    matching = [one for one in found if token_id in one.ids]
    where = "the cluster" if everywhere else f"namespace '{session.namespace}'"
    if not matching:
        message = (
            f"no token in {where} has the id '{token_id}': it was deleted, rotated long ago, "
            "or belongs to another cluster"
        )
        raise Failure(message)
    if len(matching) > 1:
        claim = ", ".join(f"{one.namespace}/{one.name}" for one in matching)
        message = f"several tokens claim the id '{token_id}' ({claim}): choose one by its name"
        raise Failure(message)
    return matching[0]


async def list_widely(session: Session) -> tuple[bool, list[TokenView]]:
    """Return the tokens of the whole cluster (True), or of the session's namespace where no more may be seen."""
    try:
        found = await session.cluster.list_ours(names.PLURAL_TOKENS)
    except Forbidden:
        found = await session.cluster.list_ours(names.PLURAL_TOKENS, session.namespace)
        return False, [TokenView(one) for one in found]
    return True, [TokenView(one) for one in found]
