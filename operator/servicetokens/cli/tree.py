"""`kubectl servicetoken tree`: accounts, their tokens, the Secrets they are in, the workloads that use those."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from servicetokens.api import names
from servicetokens.cli import listing, output
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import AccountView, TokenView
from servicetokens.cli.workloads import users_of
from servicetokens.kube import paths
from servicetokens.kube.errors import Forbidden


@click.command("tree")
@click.option("--account", metavar="NAME", help="Only this account.")
@at_a_place(everywhere=True)
def command(place: Place, account: str | None) -> None:
    """Show accounts → tokens → Secrets → workloads. Tokens whose account is not there come last, and in red."""

    async def show(session: Session) -> None:
        cluster, scope = session.cluster, session.scope
        accounts = [AccountView(one) for one in await cluster.list_ours(names.PLURAL_ACCOUNTS, scope)]
        tokens = [TokenView(one) for one in await cluster.list_ours(names.PLURAL_TOKENS, scope)]
        try:
            pods = await cluster.list_all(paths.pods(scope))
        except Forbidden:
            pods = []
            session.err.print("Workloads are left out: you may not list pods.")
        if account is not None:
            accounts = [one for one in accounts if one.name == account]
            tokens = [one for one in tokens if one.account == account]
        if not accounts and not tokens:
            session.err.print(f"No accounts {session.where}.")
            return
        output.print_lines(session.out, forest(session, accounts, tokens, _by_namespace(pods)))

    run(place, show)


def forest(
    session: Session,
    accounts: Sequence[AccountView],
    tokens: Sequence[TokenView],
    pods: Mapping[str, Sequence[dict[str, Any]]],
) -> Tree:
    """Return the whole picture; *pods* by namespace."""
    root = Tree("all namespaces" if session.everywhere else f"namespace {session.namespace}")
    names_there = {(one.namespace, one.name) for one in accounts}
    for account in accounts:
        shown = f"{account.namespace}/{account.name}" if session.everywhere else account.name
        branch = root.add(Text.assemble("account ", (shown, "bold"), "  ", output.state(account.state)))
        theirs = [one for one in tokens if (one.namespace, one.account) == (account.namespace, account.name)]
        _add(branch, theirs, pods, session.now)
    orphans = [one for one in tokens if (one.namespace, one.account) not in names_there]
    if orphans:
        _add(root.add(Text("tokens whose account is not there", style="red")), orphans, pods, session.now)
    return root


def _add(
    branch: Tree, tokens: Sequence[TokenView], pods: Mapping[str, Sequence[dict[str, Any]]], now: int
) -> None:
    for token in tokens:
        expiry = listing.expiry(token, now)
        ends = Text(f"  expires {expiry}" if token.credentials else f"  {expiry}", style="dim")
        leaf = branch.add(
            Text.assemble("token ", (token.name, "bold"), "  ", output.state(token.state), ends)
        )
        secret = leaf.add(Text(f"Secret {token.secret}"))
        for user in users_of(token.secret, pods.get(token.namespace, ())):
            secret.add(Text(str(user)))
    if not tokens:
        branch.add(Text("no tokens", style="dim"))


def _by_namespace(pods: Sequence[dict[str, Any]]) -> Mapping[str, Sequence[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for pod in pods:
        found.setdefault(pod["metadata"]["namespace"], []).append(pod)
    return found
