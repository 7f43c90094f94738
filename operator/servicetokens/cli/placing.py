"""The options for cluster, namespace and user: for each command, and before it, as with kubectl.

Rarely used options are in the help of the plugin only, as in `kubectl options`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from servicetokens.cli.duration import Timeout

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
_NEVER: Final = 86400.0


class _RequestTimeout(Timeout):
    """Seconds; 0 is no limit, as with kubectl."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        return super().convert(value, param, ctx) or _NEVER


def rarely_used(*, hidden: bool) -> Sequence[Option]:
    """Return kubectl's other options for a connection; *hidden* leaves them out of `--help`."""

    def text(flag: str, metavar: str, help_: str, *more: str) -> Option:
        return click.option(*more, flag, metavar=metavar, help=help_, hidden=hidden)

    def switch(flag: str, help_: str) -> Option:
        return click.option(flag, is_flag=True, help=help_, hidden=hidden)

    return (
        click.option(
            "--as-user-extra",
            metavar="KEY=VALUE",
            multiple=True,
            help="Extra of the user to impersonate; may be repeated.",
            hidden=hidden,
        ),
        text("--cluster", "NAME", "Cluster of the kubeconfig to use."),
        text("--user", "NAME", "User of the kubeconfig to use.", "config_user"),
        text("--server", "URL", "Address of the API server.", "-s"),
        text("--token", "TOKEN", "Bearer token for the API server.", "bearer_token"),
        text("--username", "NAME", "User name for basic authentication to the API server."),
        text("--password", "TEXT", "Password for basic authentication to the API server."),
        text("--client-certificate", "FILE", "Client certificate for the API server."),
        text("--client-key", "FILE", "Key of the client certificate."),
        text("--certificate-authority", "FILE", "Certificates that the API server is verified by."),
        text("--tls-server-name", "NAME", "Name that the API server's certificate must have."),
        switch("--insecure-skip-tls-verify", "Do not verify the API server's certificate."),
        text("--proxy-url", "URL", "Proxy for requests to the API server."),
        click.option(
            "--request-timeout",
            type=_RequestTimeout(),
            metavar="TIME",
            help="How long one request to the API server may take, as in 5s; 0 is no limit.",
            hidden=hidden,
        ),
        switch("--disable-compression", "Accepted, as with kubectl; answers are never compressed."),
    )


def before_the_command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a group of commands the same options; `given` finds what was said there."""
    for option in reversed((NAMESPACE, EVERYWHERE, *CLUSTER, *rarely_used(hidden=False))):
        function = option(function)
    return function


def given(ctx: click.Context | None, name: str) -> Any:
    """Return the value of the option *name* before the command, nearest first; None when it was not said."""
    while ctx is not None and (ctx := ctx.parent) is not None:
        if value := ctx.params.get(name):
            return value
    return None
