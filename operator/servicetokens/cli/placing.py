"""The options for cluster, namespace and user: for each command, and before it, as with kubectl."""

from collections.abc import Callable
from typing import Any, Final

import click

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

NAMESPACE: Final[Option] = click.option(
    "-n",
    "--namespace",
    metavar="NS",
    help="Namespace. Defaults to that of the context, then to default.",
)
EVERYWHERE: Final[Option] = click.option(
    "-A", "--all-namespaces", is_flag=True, help="Look in all namespaces."
)
CLUSTER: Final[tuple[Option, ...]] = (
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
)


def before_the_command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a group of commands the same options; `given` finds what was said there."""
    for option in reversed((NAMESPACE, EVERYWHERE, *CLUSTER)):
        function = option(function)
    return function


def given(ctx: click.Context | None, name: str) -> Any:
    """Return the value of the option *name* before the command, nearest first; None when it was not said."""
    while ctx is not None and (ctx := ctx.parent) is not None:
        if value := ctx.params.get(name):
            return value
    return None
