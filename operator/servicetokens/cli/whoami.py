"""`kubectl servicetoken whoami`: who the cluster takes us for, by asking it."""

import json

import click

from servicetokens.api import names
from servicetokens.cli.options import at_a_place, output_option, run
from servicetokens.cli.output import print_rows
from servicetokens.cli.session import Place, Session


@click.command("whoami")
@output_option("table", "json")
@at_a_place()
def command(place: Place, form: str) -> None:
    """Show the user and groups that the API server sees with this kubeconfig, and the name and id of the token."""

    async def tell(session: Session) -> None:
        who = await session.cluster.who()
        if form == "json":
            click.echo(
                json.dumps(
                    {"server": session.cluster.server, "namespace": session.namespace, **who}, indent=2
                )
            )
            return
        extra = who.get("extra") or {}
        rows: list[tuple[str, str]] = [
            ("Server", session.cluster.server),
            ("Namespace", session.namespace),
            ("User", who.get("username") or "none"),
            ("Groups", ", ".join(who.get("groups") or ()) or "none"),
        ]
        # The API server writes the keys of `extra` in lower case.
        for key, label in (("token-name", "Token"), ("token-id", "Token ID")):
            if values := extra.get(f"{names.GROUP}/{key}"):
                rows.append((label, ", ".join(values)))
        print_rows(session.out, (), rows)

    run(place, tell)
