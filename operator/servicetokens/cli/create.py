"""`kubectl servicetoken create account|token`."""

from typing import Any, Final

import click

from servicetokens.api import names
from servicetokens.cli import changes, manifests, waiting
from servicetokens.cli.exits import Failure
from servicetokens.cli.manifests import AccountRequest, Manifest, TokenRequest
from servicetokens.cli.naming import Name, account_option, plural_of
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.output import to_yaml
from servicetokens.cli.secret import reveal
from servicetokens.cli.session import Place, Session, namespace_of_place
from servicetokens.cli.spelling import DryRun, as_click_reads
from servicetokens.cli.views import TokenView
from servicetokens.kube.errors import AlreadyExists

_DRY_RUN: Final = click.option(
    "--dry-run", cls=DryRun, words=("client",), help="Print the YAML, without a cluster."
)
_FORM: Final = click.option(
    "-o", "--output", "form", type=click.Choice(["yaml"]), help="Output format of --dry-run."
)


class _ByType(click.Group):
    """Knows its commands by type, in every form that kubectl takes: `token`, `servicetoken`, `svctok`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`."""
        word = {names.PLURAL_TOKENS: "token", names.PLURAL_ACCOUNTS: "account"}.get(plural_of(cmd_name) or "")
        return super().get_command(ctx, word or cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group`; the type is easily left out."""
        word = args[0] if args else ""
        if (
            word
            and not word.startswith("-")
            and self.get_command(ctx, word) is None
            and not ctx.resilient_parsing
        ):
            message = f"'{word}' is not a type: use `create token NAME` or `create account NAME`"
            raise click.UsageError(message, ctx)
        name, found, rest = super().resolve_command(ctx, args)
        return name, found, as_click_reads(found, rest) if found is not None else rest


@click.group("create", cls=_ByType)
def command() -> None:
    """Create an account or a token, or print the YAML for Git (`--dry-run`)."""


@command.command("account")
@click.argument("name", type=Name(names.PLURAL_ACCOUNTS))
@click.option("--display-name", metavar="TEXT", help="Display name.")
@click.option(
    "--description", metavar="TEXT", help="Description: what uses the account, and who is responsible."
)
@click.option(
    "--role", "roles", metavar="NAME", multiple=True, help="ServiceRole of the account; repeatable."
)
@click.option("--max-lifetime", metavar="90d", help="Longest lifetime of the account's tokens.")
@_DRY_RUN
@_FORM
@at_a_place()
def create_account(place: Place, form: str | None, *, dry_run: bool, **asked: Any) -> None:
    """Create the ServiceAccount (of servicetokens.dev) NAME."""
    _check(form, dry_run=dry_run)
    made = manifests.account(AccountRequest(namespace=namespace_of_place(place), **asked))
    if dry_run:
        _print(made)
        return

    async def create(session: Session) -> None:
        await _create(session, names.PLURAL_ACCOUNTS, made)
        session.out.print(
            f"account '{made['metadata']['name']}' created in namespace '{made['metadata']['namespace']}'"
        )

    run(place, create)


@command.command("token")
@click.argument("name", type=Name(names.PLURAL_TOKENS))
@account_option("Account that the token authenticates as.", required=True)
@click.option(
    "--expires",
    required=True,
    metavar="30d",
    help="Lifetime, as in 30d, or `never`, or an expiration time (2027-01-31T00:00:00Z).",
)
@click.option(
    "--description",
    metavar="TEXT",
    help="Description: what uses the token, and who to ask before revoking it.",
)
@click.option(
    "--role",
    "roles",
    metavar="NAME",
    multiple=True,
    help="Role of the account that the token has; repeatable. Defaults to all.",
)
@click.option(
    "--audience",
    "audiences",
    metavar="URL",
    multiple=True,
    help="Service that may accept the token; repeatable. Defaults to all.",
)
@click.option(
    "--cidr",
    "networks",
    metavar="NET",
    multiple=True,
    help="Network that the token may be used from; repeatable. Defaults to all.",
)
@click.option("--rotate-every", "every", metavar="20d", help="Rotate automatically at this interval.")
@click.option("--overlap", metavar="1d", help="How long the old credential stays valid after a rotation.")
@click.option("--secret", metavar="NAME", help="Name of the Secret for the token. Defaults to NAME.")
@click.option(
    "--import-from",
    metavar="SECRET[/KEY]",
    help="Secret with an existing credential that is accepted alongside the token ...",
)
@click.option(
    "--import-until", metavar="TIME", help="... until this cut-over date, as in 2027-01-31T00:00:00Z."
)
@_DRY_RUN
@_FORM
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the token is minted.")
@changes.timeout_option("30s")
@click.option("--show-token", is_flag=True, help="Print only the token, to stdout.")
@at_a_place()
def create_token(
    place: Place,
    timeout: float,
    form: str | None,
    *,
    dry_run: bool,
    wait: bool,
    show_token: bool,
    **asked: Any,
) -> None:
    """Create the ServiceToken NAME. Its value is in the Secret, and is printed only with --show-token."""
    _check(form, dry_run=dry_run)
    made = manifests.token(TokenRequest(namespace=namespace_of_place(place), **asked))
    if dry_run:
        _print(made)
        return
    if show_token and not wait:
        message = "--show-token waits for the token: it cannot be combined with --no-wait"
        raise click.UsageError(message)

    async def create(session: Session) -> None:
        token = TokenView(await _create(session, names.PLURAL_TOKENS, made))
        session.err.print(f"token '{token.name}' created in namespace '{token.namespace}'")
        if wait:
            (token,) = await waiting.wait(session, [token], waiting.delivered, timeout)
            session.err.print(f"minted into the Secret '{token.secret}', key '{names.SECRET_KEY}'")
            ready = token.condition("Ready")
            if ready is not None and ready.status != "True":
                session.err.print(f"warning: {ready.message}", style="yellow")
        if show_token:
            click.echo((await reveal(session, token)).reveal())

    run(place, create)


def _check(form: str | None, *, dry_run: bool) -> None:
    if form is not None and not dry_run:
        message = "-o is the output format of --dry-run; `get NAME -o yaml` prints what exists"
        raise click.UsageError(message)


async def _create(session: Session, plural: str, made: Manifest) -> dict[str, Any]:
    try:
        return await session.cluster.create(plural, made)
    except AlreadyExists:
        meta, word = made["metadata"], "account" if plural == names.PLURAL_ACCOUNTS else "token"
        message = f"{word} '{meta['name']}' already exists in namespace '{meta['namespace']}'"
        raise Failure(message) from None


def _print(made: Manifest) -> None:
    click.echo(to_yaml(made), nl=False)
