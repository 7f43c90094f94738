"""`kubectl servicetoken tree`: accounts, their tokens, the Secrets they are in, the workloads that use those."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from servicetokens.api import names
from servicetokens.cli import listing, output
from servicetokens.cli.exits import Failure
from servicetokens.cli.naming import account_option, did_you_mean
from servicetokens.cli.options import at_a_place, run
from servicetokens.cli.screen import Line, Styled
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import AccountView, TokenView, View, mappings, text
from servicetokens.cli.workloads import users_of
from servicetokens.kube import paths
from servicetokens.kube.errors import Forbidden

Secrets = Mapping[tuple[str, str], frozenset[str]]
"""The uids of what owns each Secret, by namespace and name."""


@dataclass(slots=True)
class Branch:
    """A line, and its children."""

    line: Line
    branches: list["Branch"] = field(default_factory=list)

    def add(self, line: Line) -> "Branch":
        """Hang another line on this one, and return it."""
        self.branches.append(Branch(line))
        return self.branches[-1]

    def lines(self, before: str = "") -> Iterator[Line]:
        """Give all lines below this one, behind the strokes that connect them."""
        for branch in self.branches:
            is_last = branch is self.branches[-1]
            line = branch.line if isinstance(branch.line, tuple) else (branch.line,)
            yield (f"{before}{'└── ' if is_last else '├── '}", *line)
            yield from branch.lines(before + ("    " if is_last else "│   "))


@dataclass(frozen=True, slots=True)
class RelatedObjects:
    """What is known of a token's surroundings: pods by namespace, and Secrets; None where they may not be seen."""

    pods: Mapping[str, Sequence[dict[str, Any]]]
    secrets: Secrets | None


@click.command("tree")
@click.argument("unexpected", nargs=-1, metavar="")
@account_option("Only this account.")
@at_a_place(everywhere=True)
def command(place: Place, account: str | None, unexpected: Sequence[str]) -> None:
    """Show accounts, their tokens, the Secrets that hold them, and the workloads that use those.

    Tokens whose account does not exist come last, in red.
    """
    if unexpected:
        message = "tree takes no names; use --account NAME for one account"
        raise click.UsageError(message)

    async def show(session: Session) -> None:
        cluster, scope = session.cluster, session.scope
        accounts = [AccountView(one) for one in await cluster.list_ours(names.PLURAL_ACCOUNTS, scope)]
        tokens = [TokenView(one) for one in await cluster.list_ours(names.PLURAL_TOKENS, scope)]
        if account is not None:
            known = [one.name for one in accounts]
            accounts = [one for one in accounts if one.name == account]
            tokens = [one for one in tokens if one.account == account]
            if not accounts and not tokens:
                message = f"there is no account '{account}' {session.where}{did_you_mean(account, known)}"
                raise Failure(message)
        if not accounts and not tokens:
            session.err.print(f"No accounts {session.where}.")
            return
        root = forest(session, accounts, tokens, await _related_objects(session))
        session.out.print(root.line)
        for line in root.lines():
            session.out.print(line)

    run(place, show)


async def _related_objects(session: Session) -> RelatedObjects:
    pods: dict[str, list[dict[str, Any]]] = {}
    try:
        for pod in await session.cluster.list_all(paths.pods(session.scope)):
            pods.setdefault(pod["metadata"]["namespace"], []).append(pod)
    except Forbidden:
        session.err.print("Workloads are not shown: you do not have permission to list pods.")
    try:
        found = [View(one) for one in await session.cluster.list_metadata(paths.secrets(session.scope), "")]
    except Forbidden:
        return RelatedObjects(pods, None)
    return RelatedObjects(
        pods,
        {
            (one.namespace, one.name): frozenset(
                text(owner.get("uid")) for owner in mappings(one.meta.get("ownerReferences"))
            )
            for one in found
        },
    )


def forest(
    session: Session, accounts: Sequence[AccountView], tokens: Sequence[TokenView], around: RelatedObjects
) -> Branch:
    """Return the whole picture."""
    root = Branch("all namespaces" if session.everywhere else f"namespace {session.namespace}")
    existing = {(one.namespace, one.name) for one in accounts}
    for account in accounts:
        shown = f"{account.namespace}/{account.name}" if session.everywhere else account.name
        branch = root.add(("account ", Styled(shown, "bold"), "  ", output.state(account.state)))
        theirs = [one for one in tokens if (one.namespace, one.account) == (account.namespace, account.name)]
        _add(branch, theirs, around, session.now)
    orphans = [one for one in tokens if (one.namespace, one.account) not in existing]
    if orphans:
        _add(root.add(Styled("tokens whose account does not exist", "red")), orphans, around, session.now)
    return root


def _add(branch: Branch, tokens: Sequence[TokenView], around: RelatedObjects, now: int) -> None:
    for token in tokens:
        expiry = listing.expiry(token, now)
        ends = Styled(f"  expires {expiry}" if token.credentials else f"  {expiry}", "dim")
        leaf = branch.add(("token ", Styled(token.name, "bold"), "  ", output.state(token.state), ends))
        secret = leaf.add((f"Secret {token.secret}", *_problem(token, around.secrets)))
        for user in users_of(token.secret, around.pods.get(token.namespace, ())):
            secret.add(str(user))
    if not tokens:
        branch.add(Styled("no tokens", "dim"))


def _problem(token: TokenView, secrets: Secrets | None) -> tuple[Styled, ...]:
    """Return what is wrong with the Secret of *token*; by its condition, where Secrets may not be seen."""
    if secrets is None:
        synced = token.condition("SecretSynced")
        if synced is not None and synced.status == "True":
            return ()
        why = f"not delivered: {synced.reason}" if synced is not None else "not delivered yet"
        return (Styled(f"  {why}", "red"),)
    owners = secrets.get((token.namespace, token.secret))
    if owners is None:
        return (Styled("  does not exist", "red"),)
    return () if token.uid in owners else (Styled("  belongs to something else", "red"),)
