"""The options that all commands have in common, as kubectl has them, and how a command reaches the cluster."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from servicetokens.api.names import DEFAULT_NAMESPACE
from servicetokens.cli.session import Place, Session, with_session
from servicetokens.kube.credentials import Impersonation

T = TypeVar("T")
Function = Callable[..., Any]
Option = Callable[[Function], Function]


def run(place: Place, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do *work* with a connection to the cluster of *place*. Raises `Failure` with a sentence for people."""
    return asyncio.run(with_session(place, work))


def at_a_place(*, everywhere: bool = False) -> Option:
    """Give a command `-n`, `--context`, `--kubeconfig` (and `-A`), and pass it a `Place` first."""
    options = [
        click.option(
            "-n",
            "--namespace",
            metavar="NS",
            help="Namespace. Defaults to that of the context, then to default.",
        ),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig to use."),
        click.option(
            "--kubeconfig",
            metavar="FILE",
            help="Path to a kubeconfig. Defaults to $KUBECONFIG, then ~/.kube/config, then the pod's service account.",
        ),
        click.option("--as", "as_user", metavar="USER", help="User to impersonate."),
        click.option(
            "--as-group",
            "as_groups",
            metavar="GROUP",
            multiple=True,
            help="Group to impersonate; may be repeated.",
        ),
        click.option("--as-uid", metavar="UID", help="UID to impersonate."),
    ]
    if everywhere:
        options.insert(
            1, click.option("-A", "--all-namespaces", is_flag=True, help="Look in all namespaces.")
        )

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return function(_taken_from(kwargs), *args, **kwargs)

        return with_options(wrapped, options)

    return decorate


def with_options(function: Function, options: Sequence[Option]) -> Function:
    """Return *function* with *options*, which `--help` shows in this order."""
    for option in reversed(options):
        function = option(function)
    return function


def output_option(*formats: str) -> Option:
    """Give a command `-o`; the first of *formats* is the default."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Output format.",
    )


operator_namespace_option: Final = click.option(
    "--operator-namespace",
    default=DEFAULT_NAMESPACE,
    show_default=True,
    metavar="NS",
    help="Namespace of the operator and the validators.",
)


def names_of(plural: str) -> Callable[[click.Context, click.Parameter, str], Sequence[CompletionItem]]:
    """Return a completion of the names of objects of that kind, in the namespace typed so far."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> Sequence[CompletionItem]:
        async def look(session: Session) -> list[str]:
            found = await session.cluster.list_ours(plural, session.namespace)
            return [one["metadata"]["name"] for one in found]

        try:
            found = run(_taken_from(dict(ctx.params)), look)
        except click.ClickException:
            # A completion has nowhere to say why; the command itself will.
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def _taken_from(arguments: dict[str, Any]) -> Place:
    return Place(
        arguments.pop("kubeconfig", None),
        arguments.pop("context", None),
        arguments.pop("namespace", None),
        bool(arguments.pop("all_namespaces", False)),
        _impersonation(
            arguments.pop("as_user", None), arguments.pop("as_uid", None), arguments.pop("as_groups", None)
        ),
    )


def _impersonation(user: str | None, uid: str | None, groups: Sequence[str] | None) -> Impersonation | None:
    if not (user or uid or groups):
        return None
    return Impersonation(user or "", uid or "", tuple(groups or ()))
