"""`kubectl servicetoken create account|token`."""

from typing import Any, Final

import click

from servicetokens.api import names
from servicetokens.cli import changes, manifests, waiting
from servicetokens.cli.manifests import AccountRequest, Manifest, TokenRequest
from servicetokens.cli.naming import account_option
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.output import to_yaml
from servicetokens.cli.secret import reveal
from servicetokens.cli.session import Place, Session, namespace_of_place
from servicetokens.cli.views import TokenView

_DRY_RUN: Final = click.option("--dry-run", is_flag=True, help="Only print the YAML; no cluster is asked.")


@click.group("create")
def command() -> None:
    """Create an account or a token, or print the YAML for Git (`--dry-run`)."""


@command.command("account")
@click.argument("name")
@click.option("--display-name", metavar="TEXT", help="What people call it.")
@click.option("--description", metavar="TEXT", help="What uses it, and whom to ask.")
@click.option("--role", "roles", metavar="NAME", multiple=True, help="A ServiceRole; may be repeated.")
@click.option("--max-lifetime", metavar="90d", help="The longest life of its tokens.")
@_DRY_RUN
@at_a_place()
def create_account(place: Place, *, dry_run: bool, **asked: Any) -> None:
    """Create the ServiceAccount (of servicetokens.dev) NAME."""
    made = manifests.account(AccountRequest(namespace=namespace_of_place(place), **asked))
    if dry_run:
        _print(made)
        return

    async def create(session: Session) -> None:
        await session.cluster.create(names.PLURAL_ACCOUNTS, made)
        session.out.print(
            f"account '{made['metadata']['name']}' created in namespace '{made['metadata']['namespace']}'"
        )

    run(place, create)


@command.command("token")
@click.argument("name")
@account_option("Account that the token authenticates as.", required=True)
@click.option(
    "--expires",
    required=True,
    metavar="30d",
    help="After how long, or `never`, or when (2027-01-31T00:00:00Z).",
)
@click.option("--description", metavar="TEXT", help="What holds it, and whom to ask before it is revoked.")
@click.option("--role", "roles", metavar="NAME", multiple=True, help="Only these of the account's roles.")
@click.option("--audience", "audiences", metavar="URL", multiple=True, help="Only for these services.")
@click.option("--cidr", "networks", metavar="NET", multiple=True, help="Only from these networks.")
@click.option("--rotate-every", "every", metavar="20d", help="Rotate by the clock.")
@click.option("--overlap", metavar="1d", help="How long the old one works beside the new one.")
@click.option("--secret", metavar="NAME", help="The Secret it is delivered in; else NAME.")
@click.option(
    "--import-from", metavar="SECRET[/KEY]", help="Accept the value in this Secret beside it, too ..."
)
@click.option("--import-until", metavar="TIME", help="... until then, as in 2027-01-31T00:00:00Z.")
@_DRY_RUN
@click.option("--wait/--no-wait", default=True, help="Wait until it is minted.")
@changes.timeout_option(30.0)
@click.option("--show-token", is_flag=True, help="Print the token, and nothing else, to stdout.")
@at_a_place()
def create_token(
    place: Place, timeout: float, *, dry_run: bool, wait: bool, show_token: bool, **asked: Any
) -> None:
    """Create the ServiceToken NAME. Its value is in the Secret, and is printed only with --show-token."""
    made = manifests.token(TokenRequest(namespace=namespace_of_place(place), **asked))
    if dry_run:
        _print(made)
        return
    if show_token and not wait:
        message = "--show-token has to wait for the token: leave --no-wait out"
        raise click.UsageError(message)

    async def create(session: Session) -> None:
        token = TokenView(await session.cluster.create(names.PLURAL_TOKENS, made))
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


def _print(made: Manifest) -> None:
    click.echo(to_yaml(made), nl=False)
