"""`servicetokens report`: one HTML file about all accounts and tokens, to be read by people, on any screen."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from servicetokens.admin.duration import Duration
from servicetokens.admin.estate import Estate
from servicetokens.admin.page import Limits, build
from servicetokens.api import names
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.kube.errors import KubeError, NotConfigured
from servicetokens.kube.watch import list_pages
from servicetokens.runtime.clock import SystemClock


@click.command("report", context_settings={"show_default": True})
@click.option(
    "--kubeconfig",
    metavar="FILE",
    envvar="SERVICETOKENS_KUBECONFIG",
    help="How to reach the API server; else $KUBECONFIG, else ~/.kube/config, else the pod's.",
)
@click.option("--html", "target", required=True, metavar="FILE", help="Where the page goes; - prints it.")
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NS",
    help="Only these; may be repeated. Else all.",
)
@click.option(
    "--expiring", type=Duration(), default="30d", metavar="TIME", help="What counts as expiring soon."
)
@click.option(
    "--unused", type=Duration(), default="90d", metavar="TIME", help="For how long nobody has presented it."
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=2000,
    help="How many tokens the tables show at most; all are counted.",
)
def command(
    kubeconfig: str | None, target: str, namespaces: Sequence[str], expiring: int, unused: int, rows: int
) -> None:
    """Write one HTML page about all accounts and tokens: what expires, is unused, revoked or rotating.

    Needs the right to list ServiceAccounts and ServiceTokens of servicetokens.dev, in all namespaces or in those
    named. No Secret is read. The page needs no network and no scripts, and has no token in it; who has an account
    here and what for is in it, so keep it where only those are who may know.
    """
    try:
        estate = asyncio.run(_look(kubeconfig, namespaces))
        page = build(estate, Limits(expiring=expiring, unused=unused, rows=rows), namespaces)
        if target == "-":
            click.echo(page)
        else:
            Path(target).write_text(page, encoding="utf-8")
    except (KubeError, NotConfigured, paths.InvalidName, OSError) as error:
        click.echo(f"servicetokens report: {error}", err=True)
        sys.exit(1)


async def _look(kubeconfig: str | None, namespaces: Sequence[str]) -> Estate:
    async with await Api.connect(kubeconfig, personal=True) as api:
        return await look(api, namespaces, SystemClock().now())


async def look(api: Api, namespaces: Sequence[str], now: int) -> Estate:
    """Return all accounts and tokens of *namespaces* (none: of the cluster) as of *now*. Raises `KubeError`."""
    estate = Estate(now)
    for namespace in sorted(set(namespaces)) or [""]:
        async for page in list_pages(api, paths.ours(names.PLURAL_ACCOUNTS, namespace)):
            for item in page.items or ():
                estate.add_account(item)
        async for page in list_pages(api, paths.ours(names.PLURAL_TOKENS, namespace)):
            for item in page.items or ():
                estate.add_token(item)
    return estate
