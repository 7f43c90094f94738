"""One run of the plugin: the cluster, the namespace that is meant, the clock, and where to write."""

import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from servicetokens.cli.cluster import Cluster
from servicetokens.cli.exits import Failure
from servicetokens.kube.access import find_namespace
from servicetokens.kube.client import Api
from servicetokens.kube.credentials import Impersonation
from servicetokens.kube.errors import KubeError, NotConfigured
from servicetokens.kube.paths import InvalidName
from servicetokens.runtime.clock import Clock, SystemClock
from servicetokens.runtime.terminal import escape_controls

T = TypeVar("T")
# Piped output is for programs and files: no line is cut at the width of a terminal that is not there.
_PIPED_WIDTH: Final = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster and which namespace, as whom; None is what the kubeconfig says."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    everywhere: bool = False
    impersonation: Impersonation | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with. `namespace` is that of `-n` or the context, also when `everywhere` is said."""

    cluster: Cluster
    namespace: str
    everywhere: bool
    clock: Clock
    out: Console
    err: Console

    @property
    def scope(self) -> str:
        """The namespace to list; empty for all."""
        return "" if self.everywhere else self.namespace

    @property
    def where(self) -> str:
        """The scope in words."""
        return "in any namespace" if self.everywhere else f"in namespace '{self.namespace}'"

    @property
    def now(self) -> int:
        """The Unix second."""
        return int(self.clock.now())


class SafeConsole(Console):
    """A console on which nothing but its own styles acts: control characters in what is printed are escaped.

    The second net. The first is where objects are read (`views.text`), since only there a line break is foreign.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `rich.console.Console`."""
        for segment in super().render(renderable, options):
            yield (
                segment
                if segment.control
                else segment._replace(text=escape_controls(segment.text, keep="\n"))
            )


def console(*, stderr: bool = False) -> Console:
    """Return where to write: in colours on a terminal (unless $NO_COLOR), in plain text into a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return SafeConsole(
        stderr=stderr, width=width, markup=False, highlight=False, soft_wrap=not stream.isatty()
    )


async def with_session(place: Place, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do *work* with a connection to the cluster of *place*. Raises `Failure` with a sentence for people."""
    try:
        async with await Api.connect(
            place.kubeconfig, place.context, impersonation=place.impersonation, personal=True
        ) as api:
            session = Session(
                cluster=Cluster(api),
                namespace=namespace_of_place(place),
                everywhere=place.everywhere,
                clock=SystemClock(),
                out=console(),
                err=console(stderr=True),
            )
            return await work(session)
    except (KubeError, NotConfigured, InvalidName) as error:
        raise Failure(str(error)) from error


def namespace_of_place(place: Place) -> str:
    """Return the namespace that is meant: `-n`, else that of the context, else `default`."""
    return place.namespace or find_namespace(place.kubeconfig, place.context) or "default"
