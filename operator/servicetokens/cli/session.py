"""One run of the plugin: the cluster, the namespace that is meant, the clock, and where to write."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from servicetokens.cli.cluster import Cluster
from servicetokens.cli.exits import Failure
from servicetokens.cli.explaining import explained
from servicetokens.cli.screen import Screen, screen
from servicetokens.kube import oneshot
from servicetokens.kube.access import find_namespace
from servicetokens.kube.credentials import Impersonation
from servicetokens.kube.errors import KubeError, NotConfigured
from servicetokens.kube.overrides import Overrides
from servicetokens.kube.paths import InvalidName
from servicetokens.kube.requester import Requester
from servicetokens.runtime.clock import Clock, SystemClock

T = TypeVar("T")
_NO_API_SERVER: Final = (
    "the server of this context answers, but not as an API server does: check its address in the kubeconfig"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Cluster, namespace and user; None is the value in the kubeconfig.

    *request_seconds* is the time limit of one request; None is the usual limit for requests of its kind.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    everywhere: bool = False
    impersonation: Impersonation | None = None
    overrides: Overrides = field(default_factory=Overrides)
    request_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with. `namespace` is that of `-n` or the context, also when `everywhere` is said."""

    cluster: Cluster
    namespace: str
    everywhere: bool
    clock: Clock
    out: Screen
    err: Screen

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


async def with_session(place: Place, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do *work* with a connection to the cluster of *place*. Raises `Failure` with a sentence for people."""
    try:
        async with await oneshot.connect(
            place.kubeconfig,
            place.context,
            impersonation=place.impersonation,
            overrides=place.overrides,
        ) as api:
            session = Session(
                cluster=Cluster(
                    api if place.request_seconds is None else _Limited(api, place.request_seconds)
                ),
                namespace=namespace_of_place(place),
                everywhere=place.everywhere,
                clock=SystemClock(),
                out=screen(),
                err=screen(stderr=True),
            )
            return await work(session)
    except (KubeError, NotConfigured, InvalidName) as error:
        raise Failure(explained(error)) from error
    except msgspec.MsgspecError as error:
        raise Failure(_NO_API_SERVER) from error


def namespace_of_place(place: Place) -> str:
    """Return the namespace that is meant: `-n`, else that of the context, else `default`."""
    return (
        place.namespace
        or find_namespace(place.kubeconfig, place.context, overrides=place.overrides)
        or "default"
    )


class _Limited:
    """An API server with a time limit of *seconds* for each request."""

    def __init__(self, api: Requester, seconds: float) -> None:
        self._api = api
        self._seconds = seconds

    @property
    def server(self) -> str:
        """See `Requester`."""
        return self._api.server

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        accept: str = "application/json",
        timeout: float = 0,  # noqa: ASYNC109, ARG002 - as in `Requester`
    ) -> bytes:
        """See `Requester`."""
        return await self._api.request(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            timeout=self._seconds,
        )
