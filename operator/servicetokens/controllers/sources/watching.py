"""kopf: logs in, watches, and hands every event to `EventHandlers`. Nothing else of it is used, on purpose.

Only `on.event` handlers: timers and daemons put a finalizer on every user's object (deletions hang while
the operator is down), the change handlers write annotations on every object and for a Secret a copy of its
data. An event handler is never called again after an exception, so it does nothing but update a cache and
the queue.
"""

import asyncio
import contextlib
import itertools
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from servicetokens.api import names
from servicetokens.controllers.signals import end_on_signals
from servicetokens.controllers.sources.event_handlers import EventHandlers
from servicetokens.controllers.sources.lineage import Lineage
from servicetokens.controllers.sources.resync import SELECTOR
from servicetokens.controllers.sources.streams import Streams, until_one_is_missing
from servicetokens.kube.client import Api
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.supervision import until_one_ends

_log = get_logger(__name__)

# A worker task of kopf's lives so long after its last event; the default of 5 s keeps one per object in
# memory.
_IDLE_SECONDS: Final = 0.01

_END_SECONDS: Final = 3.0
_CLOSE_SECONDS: Final = 0.1
# For kopf's peering, which is switched off. Without one kopf asks for the user's name, which a container may not have.
_IDENTITY: Final[Any] = "servicetokens-operator"

Take = Callable[[Mapping[str, Any]], None]


class _Forever:
    """Delays between kopf's retries, in seconds, without a limit: its default gives up after a minute.

    After an outage everything waits for the last one of these; a retry costs one failed connection.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1)
        yield from itertools.repeat(2)


class _NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing: kopf's memory of objects would be an annotation on each, and we look at no difference."""

    def build(self, *, body: kopf.Body, **_: Any) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's signature
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - kopf's signature
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep nothing."""


class _NoMemories(ResourceMemories):
    """Keeps nothing: kopf's memory of an object (0.8 KB) is for daemons and change handlers, and we have none.

    `kopf.spawn_tasks` takes a container of memories, but the package does not export its class.
    """

    async def recall(self, raw_body: kopf.RawBody, **options: Any) -> ResourceMemory:
        """Return a memory that is forgotten after the event."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


class Watches:
    """kopf's watches of all kinds, to be run once at a time."""

    def __init__(
        self,
        api: Api,
        handlers: EventHandlers,
        streams: Streams,
        *,
        namespaces: Collection[str],
        watches_secrets: bool,
        begun: Callable[[], None],
    ) -> None:
        """Nothing is watched yet.

        *begun* is called for every object that kopf shows because a watch has begun, or begun again; *streams*, which
        expects them already, learns whether the watches are open.
        """
        self._api = api
        self._handlers = handlers
        self._streams = streams
        self._namespaces = tuple(namespaces)
        self._watches_secrets = watches_secrets
        self._begun = begun
        self._sessions = contextlib.AsyncExitStack()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until *stop* is set (then return), or until kopf gives up (then raise what it raised).

        kopf is started by its parts, and what it has started is ended here: its own ending takes every task of the
        process for one of its own, and waits for some that never end once one has failed, as after a CRD was deleted.

        Raises:
            PartEnded: a task of kopf's has ended unnoticed by kopf, or a watch was not begun.
        """
        # A watcher of kopf's that is ended while it hands a new object to its scheduler drops the coroutine.
        warnings.filterwarnings("ignore", "coroutine 'worker' was never awaited", RuntimeWarning)
        lineage = Lineage()
        with lineage.recorded():
            tasks = await kopf.spawn_tasks(
                registry=self._registry(),
                settings=_settings(watches_secrets=self._watches_secrets),
                memories=_NoMemories(),
                identity=_IDENTITY,
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=list(self._namespaces),
                stop_flag=stop,
            )
        # It has taken them over.
        end_on_signals(stop)
        try:
            await until_one_ends(
                {
                    "kopf": _until_done(tasks),
                    "kopf's tasks": until_one_is_missing(lineage),
                    "kopf's watches": self._streams.until_overdue(),
                }
            )
        finally:
            await lineage.end(seconds=_END_SECONDS)
            await self._sessions.aclose()
            # The connections below them close in the background (aiohttp's documentation, "Graceful shutdown").
            await asyncio.sleep(_CLOSE_SECONDS)

    async def _log_in(self, **_: Any) -> kopf.AiohttpSession:
        server, session = await self._api.open_session(self._streams.trace())
        await self._sessions.enter_async_context(session)
        return kopf.AiohttpSession(server=server, aiohttp_session=session)

    def _registry(self) -> kopf.OperatorRegistry:
        registry, handlers = kopf.OperatorRegistry(), self._handlers
        kopf.on.login(registry=registry)(self._log_in)
        for plural, put, gone in (
            (names.PLURAL_TOKENS, handlers.token, handlers.token_deleted),
            (names.PLURAL_ACCOUNTS, handlers.account, handlers.account_deleted),
            (names.PLURAL_ROLES, handlers.role, handlers.role_deleted),
        ):
            # Group and version always: 'serviceaccounts' alone would be the core kind.
            handler = _handler(put, gone, self._begun)
            kopf.on.event(names.GROUP, names.VERSION, plural, registry=registry)(handler)
        if self._watches_secrets:
            handler = _handler(handlers.secret, handlers.secret_deleted, self._begun)
            kopf.on.event("", "v1", "secrets", registry=registry)(handler)
        return registry


async def _until_done(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Return when one of *tasks* does, or raise what it raises."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _settings(*, watches_secrets: bool) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    # WatchList, which Kubernetes has had since 1.34: a paged list that takes longer than etcd's compaction
    # would end the process with 410.
    settings.watching.initial_streaming = True
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.networking.error_backoffs = _Forever()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    # Ten minutes after its tasks were ended kopf would kill the process; here they are ended to be started again.
    settings.process.ultimate_exiting_timeout = None
    if watches_secrets:
        settings.watching.label_selectors["v1", "secrets"] = SELECTOR
    return settings


def _handler(put: Take, gone: Take, begun: Callable[[], None]) -> Callable[..., Any]:
    async def handle(event: Mapping[str, Any], **_: Any) -> None:
        # What kopf calls an object that it found, rather than heard of.
        if event["type"] is None:
            begun()
        take = gone if event["type"] == "DELETED" else put
        try:
            take(event["object"])
        except Exception:  # noqa: BLE001 - kopf would log it with the whole object, and never come back
            meta = event["object"].get("metadata", {})
            _log.exception("bug in the operator", namespace=meta.get("namespace"), name=meta.get("name"))

    return handle
