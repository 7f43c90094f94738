"""The options that all commands have in common, as kubectl has them, and how a command reaches the cluster."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from servicetokens.api.names import DEFAULT_NAMESPACE
from servicetokens.cli import placing
from servicetokens.cli.session import Place, Session, with_session
from servicetokens.kube.credentials import Impersonation
from servicetokens.kube.overrides import Overrides

T = TypeVar("T")
Function = Callable[..., Any]
Option = Callable[[Function], Function]
# Commands have options of their own such as `--user`, so two of these are called otherwise inside.
_OPTIONS: Final = {"user": "config_user", "token": "bearer_token"}
_TEMPLATES: Final = frozenset(
    f"{name}{suffix}" for name in ("jsonpath", "go-template", "custom-columns") for suffix in ("", "-file")
)
_OVERRIDES: Final[Mapping[str, tuple[str, Any]]] = {
    one.name: (_OPTIONS.get(one.name, one.name), one.default) for one in fields(Overrides)
}


def run(place: Place, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do *work* with a connection to the cluster of *place*. Raises `Failure` with a sentence for people."""
    return asyncio.run(with_session(place, work))


def at_a_place(*, everywhere: bool = False) -> Option:
    """Give a command `-n`, `--context`, `--kubeconfig` (and `-A`), and pass it a `Place` first."""
    options = [
        *(placing.NAMESPACE, *([placing.EVERYWHERE] if everywhere else []), *placing.CLUSTER),
        *placing.rarely_used(hidden=True),
    ]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            ctx = click.get_current_context()
            if not everywhere and placing.given(ctx, "all_namespaces"):
                message = f"`{ctx.command.name}` works in one namespace: it does not take -A"
                raise click.UsageError(message)
            return function(_taken_from(kwargs, ctx), *args, **kwargs)

        return with_options(wrapped, options)

    return decorate


def with_options(function: Function, options: Sequence[Option]) -> Function:
    """Return *function* with *options*, which `--help` shows in this order."""
    for option in reversed(options):
        function = option(function)
    return function


class _Format(click.Choice[str]):
    """Output formats of the plugin; it names the command that has kubectl's others."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        if str(value).partition("=")[0] in _TEMPLATES:
            listed = ", ".join(map(str, self.choices))
            self.fail(
                f"the formats here are {listed}; `kubectl get svctok` prints with templates", param, ctx
            )
        return super().convert(value, param, ctx)


def output_option(*formats: str) -> Option:
    """Give a command `-o`; the first of *formats* is the default."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=_Format(formats),
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
            found = run(_taken_from(dict(ctx.params), ctx), look)
        except click.ClickException:
            # A completion has nowhere to say why; the command itself will.
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def _taken_from(arguments: dict[str, Any], ctx: click.Context) -> Place:
    def take(name: str) -> Any:
        return arguments.pop(name, None) or placing.given(ctx, name)

    take("disable_compression")
    return Place(
        take("kubeconfig"),
        take("context"),
        take("namespace"),
        bool(take("all_namespaces")),
        _impersonation(take("as_user"), take("as_uid"), take("as_groups"), take("as_user_extra")),
        Overrides(**{name: take(option) or default for name, (option, default) in _OVERRIDES.items()}),
        take("request_timeout"),
    )


def _impersonation(
    user: str | None, uid: str | None, groups: Sequence[str] | None, extra: Sequence[str] | None
) -> Impersonation | None:
    if not (user or uid or groups or extra):
        return None
    values: dict[str, list[str]] = {}
    for one in extra or ():
        key, separator, value = one.partition("=")
        if not key or not separator:
            message = "--as-user-extra needs KEY=VALUE"
            raise click.UsageError(message)
        values.setdefault(key, []).append(value)
    return Impersonation(user or "", uid or "", tuple(groups or ()), values)
