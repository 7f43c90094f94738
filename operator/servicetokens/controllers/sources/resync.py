"""Lists of our own: before the workers start, and periodically as a safeguard for the watches.

kopf does not say when its first list is complete, and whenever its watch begins, at start or after it broke, it never
mentions what was deleted just before. A list of our own does both; the one that follows each beginning closes the gap
between our list and kopf's.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from servicetokens.api import names
from servicetokens.controllers.cache.caches import Caches, NamespacedName, Table
from servicetokens.controllers.sources.event_handlers import EventHandlers
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.kube.errors import HistoryWentBack, KubeError
from servicetokens.kube.versions import version_number
from servicetokens.kube.watch import list_pages
from servicetokens.runtime.entropy import Entropy
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

# controller-runtime's default is 10 hours, since client-go's informers miss nothing; kopf's do.
_PERIOD: Final = 600.0
# After a watch has begun: long enough for the others that begin with it, so that one list serves them all.
_SETTLE: Final = 2.0
# Watches that begin again and again would delay it without limit.
_MOST_SETTLES: Final = 60
_RETRY: Final = 10.0
# No user waits for this; one request per token and hour is little even for 100,000 of them.
VISIT_SECONDS: Final = 3600.0
HISTORY_WENT_BACK: Final = (
    "the API server went back in time, as after a restore of etcd; everything is being listed again"
)
SELECTOR: Final = f"{names.LABEL_TOKEN_SECRET}=true"


class _Meta(msgspec.Struct, rename="camel", gc=False):
    name: str
    namespace: str = ""
    resource_version: str = ""


class _Item(msgspec.Struct, gc=False):
    metadata: _Meta


_items: Final = msgspec.json.Decoder(_Item)
_objects: Final = msgspec.json.Decoder(dict[str, Any])


class Resync:
    """Fills the caches from lists. *namespaces* empty means the whole cluster."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        handlers: EventHandlers,
        *,
        namespaces: tuple[str, ...],
        watches_secrets: bool,
        entropy: Entropy,
    ) -> None:
        self._api = api
        self._caches = caches
        self._handlers = handlers
        self._namespaces = namespaces or ("",)
        self._watches_secrets = watches_secrets
        self._entropy = entropy
        self._asked = asyncio.Event()

    def soon(self) -> None:
        """Ask for a list because a watch has begun (again): what was deleted just before is shown by none."""
        self._asked.set()

    async def tokens(self) -> None:
        """List all ServiceTokens. Raises `KubeError`."""
        await self._list(
            [paths.ours(names.PLURAL_TOKENS, namespace) for namespace in self._namespaces],
            self._caches.tokens,
            self._handlers.token,
            self._handlers.token_deleted,
        )

    async def others(self) -> None:
        """List accounts, roles and our Secrets. Raises `KubeError`."""
        await self._list(
            [paths.ours(names.PLURAL_ACCOUNTS, namespace) for namespace in self._namespaces],
            self._caches.accounts,
            self._handlers.account,
            self._handlers.account_deleted,
        )
        await self._list(
            [paths.ours(names.PLURAL_ROLES)],
            self._caches.roles,
            self._handlers.role,
            self._handlers.role_deleted,
        )
        if self._watches_secrets:
            await self._list(
                [paths.secrets(namespace) for namespace in self._namespaces],
                self._caches.secrets,
                self._handlers.secret,
                self._handlers.secret_deleted,
                selector=SELECTOR,
            )

    async def run(self) -> None:
        """List until cancelled: soon after a request, else at times that differ between replicas.

        Raises:
            HistoryWentBack: nothing in the caches, and no watch, can be trusted any more.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _PERIOD * (1 + self._entropy(1)[0] / 255))
                await self._calm()
            self._asked.clear()
            try:
                await self.tokens()
                await self.others()
            except HistoryWentBack:
                raise
            except KubeError as error:
                _log.warning("resync failed", error=error.message, retry_in=_RETRY)
                await asyncio.sleep(_RETRY)
                self._asked.set()

    async def _calm(self) -> None:
        """Wait until no watch begins any more: with many objects, kopf needs minutes to show them all."""
        for _ in range(_MOST_SETTLES):
            self._asked.clear()
            await asyncio.sleep(_SETTLE)
            if not self._asked.is_set():
                return

    async def visit(self, period: float = VISIT_SECONDS) -> None:
        """Wake each token once in *period* seconds, one after another, until cancelled, so that its Secret is read.

        For an operator that does not watch Secrets, and would otherwise miss that one was deleted or edited.
        """
        while True:
            places = list(self._caches.tokens)
            pause = period / (len(places) + 1)
            await asyncio.sleep(pause)
            for place in places:
                self._handlers.requeue_token(place)
                await asyncio.sleep(pause)

    async def _list(
        self,
        places: Iterable[str],
        table: Table[Any],
        put: Callable[[dict[str, Any]], None],
        gone: Callable[[dict[str, Any]], None],
        selector: str = "",
    ) -> None:
        """Mark and sweep: take in what is there, then let go of what is not.

        What appeared while the list was read is not on it and must stay: it is newer than the list.
        """
        listed: set[NamespacedName] = set()
        # Of several lists the oldest counts: an object may have appeared between the first and the last.
        versions: list[int] = []
        query = {"labelSelector": selector} if selector else None
        for path in places:
            seen, version = table.latest, None
            async for page in list_pages(self._api, path, query):
                version = version_number(page.metadata.resource_version)
                if version is not None and version < seen:
                    # A list is never older than what was seen before it was requested.
                    raise HistoryWentBack(HISTORY_WENT_BACK)
                for item in page.items or ():
                    # What is known already, as most is except in the first list, is not read.
                    meta = _items.decode(item).metadata
                    place = (meta.namespace, meta.name)
                    listed.add(place)
                    if not table.is_known(place, meta.resource_version):
                        put(_objects.decode(item))
                await asyncio.sleep(0)
            if version is not None:
                versions.append(version)
        as_of = str(min(versions, default=0))
        for namespace, name in [place for place in table if place not in listed]:
            gone({"metadata": {"namespace": namespace, "name": name, "resourceVersion": as_of}})
