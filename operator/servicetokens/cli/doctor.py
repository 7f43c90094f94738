"""`kubectl servicetoken doctor`: what is wrong with an installation, and what to do about it."""

import json
from dataclasses import asdict

import click

from servicetokens.cli import findings
from servicetokens.cli.checks import CHECKS, ClusterView
from servicetokens.cli.exits import Exit, Failure
from servicetokens.cli.explaining import explained
from servicetokens.cli.findings import Finding, Level
from servicetokens.cli.options import at_a_place, operator_namespace_option, output_option, run
from servicetokens.cli.screen import screen
from servicetokens.cli.session import Place, Session
from servicetokens.kube.errors import ApiUnavailable, KubeError


@click.command("doctor")
@operator_namespace_option
@output_option("table", "json")
@at_a_place(everywhere=True)
def command(place: Place, operator_namespace: str, form: str) -> None:
    """Check permissions, CRDs, versions, operator, validators, clocks, keys, certificates, tokens, orphans and Git.

    Exits with 3 when something is wrong. What you cannot read is listed as skipped and does not count.
    """
    found = run(place, lambda session: _examine(session, operator_namespace))
    if form == "json":
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        findings.show(screen(), found)
    if findings.is_bad(found):
        message = (
            f"{sum(one.level is Level.BAD for one in found)} of {len(found)} checks found something wrong"
        )
        raise Failure(message, Exit.NOT_GOOD)


async def _examine(session: Session, operator_namespace: str) -> list[Finding]:
    found: list[Finding] = []
    sight = ClusterView(session, operator_namespace)
    for topic, check in CHECKS.items():
        try:
            found += [Finding(level, topic, message) for level, message in await check(sight)]
        except ApiUnavailable:
            # Then nothing that follows can be asked either.
            raise
        except KubeError as error:
            found.append(Finding(Level.UNKNOWN, topic, f"skipped: {explained(error)}"))
    return found
