"""Where changes of objects come from. Nothing else knows that there are two ways: kopf's watches, and our own lists."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.sources.event_handlers import EventHandlers
from servicetokens.controllers.sources.resync import Resync
from servicetokens.controllers.sources.streams import Streams
from servicetokens.controllers.sources.watching import Watches
from servicetokens.kube.client import Api
from servicetokens.runtime.entropy import Entropy
from servicetokens.runtime.readiness import Readiness


class ObjectSource:
    """Keeps the caches like the API server's objects, and queues the keys of what has changed."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        handlers: EventHandlers,
        readiness: Readiness,
        *,
        namespaces: tuple[str, ...],
        watches_secrets: bool,
        entropy: Entropy,
    ) -> None:
        """Nothing is requested yet. *namespaces* empty means the whole cluster.

        Without *watches_secrets* a Secret is read when its token is reconciled, each at least once an hour.
        """
        self._streams = Streams(readiness, namespaces, secrets=watches_secrets)
        self._resync = Resync(
            api, caches, handlers, namespaces=namespaces, watches_secrets=watches_secrets, entropy=entropy
        )
        self._watches = Watches(
            api,
            handlers,
            self._streams,
            namespaces=namespaces,
            watches_secrets=watches_secrets,
            begun=self._resync.soon,
        )
        self._reads_secrets = not watches_secrets

    async def list_tokens(self) -> None:
        """List all ServiceTokens. Raises `KubeError`."""
        await self._resync.tokens()

    async def list_others(self) -> None:
        """List accounts, roles and our Secrets. Raises `KubeError`."""
        await self._resync.others()

    def expect_watches(self) -> None:
        """Note that everything was listed, and that no watch is open yet: the operator is not ready before."""
        self._streams.expect()
        # Also when the watches find nothing: what they would have found may be what was deleted.
        self._resync.soon()

    async def watch(self, stop: asyncio.Event) -> None:
        """Watch until *stop* is set (then return), or until the watches do not work any more (then raise why)."""
        await self._watches.run(stop)

    def parts(self) -> Mapping[str, Callable[[], Awaitable[Any]]]:
        """Return what runs next to the watches, by the names of the parts."""
        visits = {"visits": self._resync.visit} if self._reads_secrets else {}
        return {"resync": self._resync.run, **visits}
