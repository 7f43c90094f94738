"""`kubectl servicetoken keys`: what `servicetokens keys` says, with the rights of whoever asks."""

import click

from servicetokens.admin.keys import look, show
from servicetokens.cli.exits import Failure
from servicetokens.cli.options import at_a_place, operator_namespace_option, output_option, run
from servicetokens.cli.session import Place, Session
from servicetokens.tokens.verifier import InvalidKeyRing


@click.command("keys")
@operator_namespace_option
@output_option("table", "json")
@at_a_place()
def command(place: Place, operator_namespace: str, form: str) -> None:
    """List the keys, how many credentials depend on each, and which can be removed. No key is shown."""

    async def tell(session: Session) -> None:
        show(await look(session.cluster.api, operator_namespace), form)

    try:
        run(place, tell)
    except InvalidKeyRing as error:
        raise Failure(str(error)) from error
