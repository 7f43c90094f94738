"""`servicetokens report`: all accounts and tokens as one HTML page for people, or as CSV or JSON for programs."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from servicetokens.api import names
from servicetokens.cli.duration import Duration
from servicetokens.cli.exits import Failure
from servicetokens.cli.explaining import explained
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.reporting.data import as_csv, as_json
from servicetokens.cli.reporting.inventory import Inventory
from servicetokens.cli.reporting.page import Limits, build
from servicetokens.cli.session import Place, Session
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.kube.errors import KubeError, NotConfigured
from servicetokens.kube.requester import Requester
from servicetokens.kube.watch import list_pages
from servicetokens.runtime.clock import SystemClock

Function = Callable[..., Any]
FORMATS: Final = ("html", "csv", "json")


@dataclass(frozen=True, slots=True)
class Report:
    """What is written, and in a few words what is in it."""

    text: str
    summary: str


def _no_format(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """Return *value*, unless it is the format for which other commands have `--output`."""
    if value in FORMATS:
        message = f"names a file, and `--format {value}` the format; a file of that name is ./{value}"
        raise click.BadParameter(message)
    return value


def report_options(function: Function) -> Function:
    """Give a command the options that say what is in the page, and where it goes."""
    for option in reversed(
        (
            click.option(
                "--format",
                "form",
                type=click.Choice(FORMATS),
                default="html",
                help="Format: one HTML page for people, or CSV or JSON for programs.",
            ),
            click.option(
                "--output",
                "target",
                default="-",
                metavar="FILE",
                callback=_no_format,
                help="Output file; - for stdout.",
            ),
            click.option(
                "--expiring",
                type=Duration(),
                default="30d",
                metavar="TIME",
                help="HTML: time before the expiration from which a token counts as expiring soon.",
            ),
            click.option(
                "--unused",
                type=Duration(),
                default="90d",
                metavar="TIME",
                help="HTML: time after which a token counts as unused.",
            ),
            click.option(
                "--rows",
                type=click.IntRange(min=1),
                default=2000,
                metavar="NUMBER",
                help="Largest number of tokens in the tables of the HTML page. All are counted.",
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
@report_options
def standalone(
    kubeconfig: str | None,
    form: str,
    target: str,
    namespaces: Sequence[str],
    expiring: int,
    unused: int,
    rows: int,
) -> None:
    """Report all accounts and tokens: what expires, waits, is unused, revoked or rotating.

    Needs permission to list ServiceAccounts and ServiceTokens of servicetokens.dev, in all namespaces or in those
    named. No Secret is read, and the report contains no token. It does contain names and descriptions: store it
    where only authorized people can read it.
    """
    limits = Limits(expiring=expiring, unused=unused, rows=rows)
    try:
        write(asyncio.run(_run(kubeconfig, namespaces, limits, form)), target)
    except OSError as error:
        click.echo(f"servicetokens report: cannot write {_named(target)}: {error.strerror}", err=True)
        sys.exit(1)
    except (KubeError, NotConfigured, paths.InvalidName) as error:
        click.echo(f"servicetokens report: {explained(error)}", err=True)
        sys.exit(1)


async def _run(kubeconfig: str | None, namespaces: Sequence[str], limits: Limits, form: str) -> Report:
    async with await Api.connect(kubeconfig, personal=True) as api:
        return await make(api, namespaces, limits, form)


async def make(api: Requester, namespaces: Sequence[str], limits: Limits, form: str) -> Report:
    """Return the report about *namespaces* (none: the cluster) as of now, in a format of `FORMATS`.

    Raises `KubeError`.
    """
    inventory = await look(api, namespaces, SystemClock().now())
    counts = [(len(inventory.accounts()), "account"), (len(inventory.tokens), "token")]
    if inventory.unreadable:
        counts.append((inventory.unreadable, "unreadable object"))
    summary = ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counts)
    if form == "csv":
        return Report(as_csv(inventory), summary)
    if form == "json":
        return Report(as_json(inventory, namespaces), summary)
    return Report(build(inventory, limits, namespaces), summary)


def write(report: Report, target: str) -> None:
    """Write *report* to the file *target* (`-`: print it), and say what was written. Raises OSError."""
    if target == "-":
        # In bytes: the ends of lines of CSV are those of RFC 4180 on every platform.
        click.echo(_bytes(report), nl=False)
        return
    Path(target).write_bytes(_bytes(report))
    click.echo(f"wrote {target}: {report.summary}", err=True)


def _named(target: str) -> str:
    return "to stdout" if target == "-" else target


def _bytes(report: Report) -> bytes:
    return report.text.encode(errors="backslashreplace")


async def look(api: Requester, namespaces: Sequence[str], now: int) -> Inventory:
    """Return all accounts and tokens of *namespaces* (none: of the cluster) as of *now*. Raises `KubeError`."""
    inventory = Inventory(now)
    for namespace in sorted(set(namespaces)) or [""]:
        async for page in list_pages(api, paths.ours(names.PLURAL_ACCOUNTS, namespace)):
            for item in page.items or ():
                inventory.add_account(item)
        async for page in list_pages(api, paths.ours(names.PLURAL_TOKENS, namespace)):
            for item in page.items or ():
                inventory.add_token(item)
    return inventory


@click.command("report", context_settings={"show_default": True})
@report_options
@at_a_place(everywhere=True)
def command(place: Place, form: str, target: str, expiring: int, unused: int, rows: int) -> None:
    """Report all accounts and tokens: what expires, waits, is unused, revoked or rotating.

    Needs permission to list ServiceAccounts and ServiceTokens of servicetokens.dev. No Secret is read, and the report
    contains no token. It does contain names and descriptions: store it where only authorized people can read it.
    """
    limits = Limits(expiring=expiring, unused=unused, rows=rows)

    async def look_there(session: Session) -> Report:
        return await make(
            session.cluster.api, [] if session.everywhere else [session.namespace], limits, form
        )

    report = run(place, look_there)
    try:
        write(report, target)
    except OSError as error:
        message = f"cannot write {_named(target)}: {error.strerror}"
        raise Failure(message) from error
