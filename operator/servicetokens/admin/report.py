"""`servicetokens report`: one HTML file about all accounts and tokens, to be read by people, on any screen."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from servicetokens.admin.duration import Duration
from servicetokens.admin.estate import Estate
from servicetokens.admin.page import Limits, build
from servicetokens.api import names
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.kube.errors import KubeError, NotConfigured
from servicetokens.kube.requester import Requester
from servicetokens.kube.watch import list_pages
from servicetokens.runtime.clock import SystemClock

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and what is in it in a few words."""

    html: str
    summary: str


def page_options(function: Function) -> Function:
    """Give a command the options that say what is in the page, and where it goes."""
    for option in reversed(
        (
            click.option(
                "--html", "target", required=True, metavar="FILE", help="Output file; - for stdout."
            ),
            click.option(
                "--expiring",
                type=Duration(),
                default="30d",
                metavar="TIME",
                help="Time before the expiration from which a token counts as expiring soon.",
            ),
            click.option(
                "--unused",
                type=Duration(),
                default="90d",
                metavar="TIME",
                help="Time after which a token counts as unused.",
            ),
            click.option(
                "--rows",
                type=click.IntRange(min=1),
                default=2000,
                help="Largest number of tokens in the tables. All are counted.",
            ),
        )
    ):
        function = option(function)
    return function


@click.command("report", context_settings={"show_default": True})
@click.option(
    "--kubeconfig",
    metavar="FILE",
    envvar="SERVICETOKENS_KUBECONFIG",
    help="Path to a kubeconfig. Defaults to $KUBECONFIG, then ~/.kube/config, then the pod's service account.",
)
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NS",
    help="Namespace to include; repeatable. Defaults to all namespaces.",
)
@page_options
def command(
    kubeconfig: str | None, target: str, namespaces: Sequence[str], expiring: int, unused: int, rows: int
) -> None:
    """Write one HTML page about all accounts and tokens: what expires, waits, is unused, revoked or rotating.

    Needs permission to list ServiceAccounts and ServiceTokens of servicetokens.dev, in all namespaces or in those
    named. No Secret is read. The page needs no network and no scripts, and has no token in it; it says who has an
    account and what for, so keep it where only those are who may know.
    """
    limits = Limits(expiring=expiring, unused=unused, rows=rows)
    try:
        write(asyncio.run(_run(kubeconfig, namespaces, limits)), target)
    except OSError as error:
        click.echo(f"servicetokens report: cannot write {target}: {error.strerror}", err=True)
        sys.exit(1)
    except (KubeError, NotConfigured, paths.InvalidName) as error:
        click.echo(f"servicetokens report: {error}", err=True)
        sys.exit(1)


async def _run(kubeconfig: str | None, namespaces: Sequence[str], limits: Limits) -> Page:
    async with await Api.connect(kubeconfig, personal=True) as api:
        return await make(api, namespaces, limits)


async def make(api: Requester, namespaces: Sequence[str], limits: Limits) -> Page:
    """Return the page of *namespaces* (none: of the cluster) as of now. Raises `KubeError`."""
    estate = await look(api, namespaces, SystemClock().now())
    counts = [(len(estate.accounts()), "account"), (len(estate.tokens), "token")]
    if estate.unreadable:
        counts.append((estate.unreadable, "unreadable object"))
    summary = ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counts)
    return Page(build(estate, limits, namespaces), summary)


def write(page: Page, target: str) -> None:
    """Write *page* to the file *target* (`-`: print it), and say what was written. Raises OSError."""
    if target == "-":
        click.echo(page.html)
        return
    Path(target).write_text(page.html, encoding="utf-8")
    click.echo(f"wrote {target}: {page.summary}", err=True)


async def look(api: Requester, namespaces: Sequence[str], now: int) -> Estate:
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
