"""List and watch: keeps a copy of the objects of one kind current for as long as the process runs.

    list (pages) ──▶ watch ──▶ watch ──▶ ...      resumed from the last resourceVersion whenever it ends
         ▲             │
         └── the place in the history is lost (410), or the history itself went back

The `Sink` keeps the objects and receives every change, also deletions that happened while no watch was open: a list
begins with `begin`, names all objects that exist, and ends with `end` (mark and sweep). One object that cannot be
decoded is reported by its identity and affects no other. A feed never ends on its own: every failure is reported to the
observer, and retried.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from servicetokens.kube.errors import ApiUnavailable, Gone, KubeError, NotConfigured, Status, from_status
from servicetokens.kube.versions import version_number
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.entropy import Entropy

# client-go's page size too: a page takes about 2 ms to decode here, and little memory in the API server.
PAGE_SIZE: Final = 500
# After this many objects other tasks get their turn: about a quarter of a millisecond.
_STEP: Final = 50
_LIST_SECONDS: Final = 30.0
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 8.0
# After this many consecutive rejections by a responsive server, we list again.
_DOUBT_AFTER: Final = 4
# The server ends a watch after the requested time, give or take; then it is not silent, but closed.
_SILENCE_MARGIN: Final = 5.0
# The cause that the API server reports when our resourceVersion is ahead of its own: etcd was restored.
_AHEAD: Final = "ResourceVersionTooLarge"

NO_SELECTOR: Final[Mapping[str, str]] = {}

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Identity(msgspec.Struct, frozen=True, gc=False):
    """The identity of an object: all that is needed to remove it."""

    uid: str
    name: str
    namespace: str = ""


class Sink(Protocol[T_contra]):
    """Keeps the objects of a feed. All calls come from the event loop and must not block."""

    def begin(self) -> None:
        """A list starts; objects that it does not name before `end` were deleted."""
        ...

    def put(self, item: T_contra) -> None:
        """An object that is new, changed, or listed again."""
        ...

    def put_unreadable(self, identity: Identity) -> None:
        """An object exists, but not in a shape that we understand."""
        ...

    def remove(self, identity: Identity) -> None:
        """An object was deleted."""
        ...

    def end(self) -> None:
        """The list is complete."""
        ...

    def confirm(self, at: float) -> None:
        """At the monotonic time *at* the API server showed that the watch is current."""
        ...


class Observer(Protocol):
    """Is informed about the state of a feed, for logs and readiness."""

    def failed(self, path: str, error: Exception) -> None:
        """A list or a watch failed; it is retried."""
        ...

    def works(self, path: str) -> None:
        """A list is complete or a watch is open."""
        ...


class Lister(Protocol):
    """The part of `servicetokens.kube.client.Api` that lists need."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        timeout: float = 10,  # noqa: ASYNC109 - as in `Api`
    ) -> bytes:
        """See `Api`."""
        ...


class Reader(Lister, Protocol):
    """The part of it that watches need."""

    def stream(
        self, path: str, query: Mapping[str, str], *, silence: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """See `Api`."""
        ...


class Page(msgspec.Struct, gc=False):
    """A part of a list, with the items still encoded; they are valid as long as the page."""

    metadata: "_ListMeta"
    items: list[msgspec.Raw] | None = None


class _ListMeta(
    msgspec.Struct, rename={"resource_version": "resourceVersion", "following": "continue"}, gc=False
):
    resource_version: str = ""
    following: str = ""


class _Event(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class _Meta(msgspec.Struct, rename="camel", gc=False):
    uid: str = ""
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct, gc=False):
    metadata: _Meta


_pages: Final = msgspec.json.Decoder(Page)
_events: Final = msgspec.json.Decoder(_Event)
_objects: Final = msgspec.json.Decoder(_Object)
_statuses: Final = msgspec.json.Decoder(Status)


async def list_pages(api: Lister, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[Page]:
    """Yield all objects under *path*, page by page, as of one moment.

    Raises:
        KubeError: `Gone` when it took so long that the moment is no longer available: start again.
    """
    following = ""
    while True:
        parameters = {
            **(query or {}),
            "limit": str(PAGE_SIZE),
            **({"continue": following} if following else {}),
        }
        page = _decoded(_pages, await api.request("GET", path, query=parameters, timeout=_LIST_SECONDS))
        yield page
        following = page.metadata.following
        if not following:
            return


@dataclass(frozen=True, slots=True)
class FeedContext:
    """What the feeds of one process share.

    Attributes: watch_seconds: how long one watch lasts. It also limits for how long a watch that broke silently is
    trusted: a working one delivers a bookmark, or an event, before it is opened again.
    """

    api: Reader
    observer: Observer
    clock: Clock
    entropy: Entropy
    watch_seconds: int


class Feed(Generic[T]):
    """Keeps one `Sink` current for one path of the API server."""

    def __init__(
        self,
        context: FeedContext,
        path: str,
        *,
        decoder: msgspec.json.Decoder[T],
        sink: Sink[T],
        selector: Mapping[str, str] = NO_SELECTOR,
    ) -> None:
        """*selector* is the part of the query that selects objects under *path*: a `fieldSelector`."""
        self._selector = selector
        self._api = context.api
        self._observer = context.observer
        self._clock = context.clock
        self._entropy = context.entropy
        self._watch_seconds = context.watch_seconds
        self._path = path
        self._decoder = decoder
        self._sink = sink
        self._resource_version = ""
        self._failures = 0
        self._doubts = 0

    @property
    def position(self) -> str:
        """The resourceVersion up to which the sink is complete; empty until a list is complete."""
        return self._resource_version

    def start_over(self) -> None:
        """Discard the position in the history: the next `run` lists. Only while it does not run."""
        self._resource_version = ""

    async def run(self) -> None:
        """List, then watch, until cancelled."""
        while True:
            try:
                if not self._resource_version:
                    await self._list()
                await self._watch()
            except (KubeError, NotConfigured, msgspec.MsgspecError) as error:
                self._consider(error)
                self._observer.failed(self._path, error)
                await asyncio.sleep(self._delay(error))

    async def _list(self) -> None:
        self._sink.begin()
        resource_version = ""
        async for page in list_pages(self._api, self._path, self._selector):
            resource_version = page.metadata.resource_version
            for count, item in enumerate(page.items or (), start=1):
                self._put(item)
                if count % _STEP == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
        self._sink.end()
        self._resource_version = resource_version
        self._succeeded()

    async def _watch(self) -> None:
        """Follow one watch to its end, which the server sets. Raises any failure on the way."""
        opened_at = self._clock.monotonic()
        heard = False
        query = {
            **self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._resource_version,
            "timeoutSeconds": str(self._watch_seconds),
        }
        silence = self._watch_seconds + _SILENCE_MARGIN
        async with self._api.stream(self._path, query, silence=silence) as lines:
            self._succeeded()
            count = 0
            async for line in lines:
                heard = True
                self._apply(_decoded(_events, line))
                self._sink.confirm(self._clock.monotonic())
                count += 1
                if count % _STEP == 0:
                    await asyncio.sleep(0)
        if not heard:
            await self._check_history(lasted=self._clock.monotonic() - opened_at)

    def _apply(self, event: _Event) -> None:
        if event.type == "ERROR":
            status = _decoded(_statuses, event.object)
            raise from_status(status, status.code)
        meta = _decoded(_objects, event.object).metadata
        if event.type == "DELETED":
            self._sink.remove(Identity(meta.uid, meta.name, meta.namespace))
        elif event.type != "BOOKMARK":
            self._put(event.object)
        self._resource_version = meta.resource_version

    def _put(self, raw: msgspec.Raw) -> None:
        try:
            item = self._decoder.decode(raw)
        except msgspec.MsgspecError:
            meta = _decoded(_objects, raw).metadata
            self._sink.put_unreadable(Identity(meta.uid, meta.name, meta.namespace))
        else:
            self._sink.put(item)

    async def _check_history(self, *, lasted: float) -> None:
        """Find out why a whole watch delivered not even a bookmark.

        It may have been too short for one. But a server whose etcd was restored from a snapshot stays silent until its
        history reaches our position again, and would hide every change from us until then.
        """
        if lasted < min(1, self._watch_seconds):
            message = f"the API server ended the watch of {self._path} immediately"
            raise ApiUnavailable(message)
        body = await self._api.request("GET", self._path, query={**self._selector, "limit": "1"})
        current = _decoded(_pages, body).metadata.resource_version
        if _is_before(current, self._resource_version):
            message = f"the history of {self._path} went back from {self._resource_version} to {current}"
            raise Gone(message)

    def _succeeded(self) -> None:
        self._failures = 0
        self._sink.confirm(self._clock.monotonic())
        self._observer.works(self._path)

    def _consider(self, error: Exception) -> None:
        """Decide whether to resume or to list again after *error*."""
        self._failures += 1
        answered = isinstance(error, KubeError) and error.status != 0
        self._doubts = self._doubts + 1 if answered else 0
        lost = isinstance(error, Gone | msgspec.MsgspecError) or (
            isinstance(error, KubeError) and _AHEAD in error.causes
        )
        if lost or self._doubts >= _DOUBT_AFTER:
            self._resource_version = ""
            self._doubts = 0

    def _delay(self, error: Exception) -> float:
        """Return the seconds to wait: doubling, and with jitter so that replicas do not retry together."""
        longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(self._failures - 1, 10))
        spread = longest * (0.5 + self._entropy(1)[0] / 512)
        asked = error.retry_after if isinstance(error, KubeError) else None
        return spread if asked is None else max(spread, min(asked, _LONGEST_DELAY))


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    return decoder.decode(data)


def _is_before(one: str, other: str) -> bool:
    """Compare two resourceVersions; False for one that is not a number."""
    first, second = version_number(one), version_number(other)
    return first is not None and second is not None and first < second
