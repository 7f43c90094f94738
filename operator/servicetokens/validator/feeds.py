"""What fills the index: the watches of the three kinds, and the check of their schemas.

Nothing here ever gives up. A problem is logged once when it begins and when it ends, and shown in `/readyz` as long as
it lasts.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from servicetokens.api import names
from servicetokens.authn import wire
from servicetokens.authn.index import Index
from servicetokens.authn.tables import AccountTable, RoleTable, TokenTable
from servicetokens.kube import crds, paths
from servicetokens.kube.errors import KubeError, NotConfigured
from servicetokens.kube.watch import Feed, FeedContext
from servicetokens.propagation.record import feed_name
from servicetokens.runtime.logs import get_logger
from servicetokens.runtime.supervision import PartEnded, describe_end, end

_log = get_logger(__name__)

AnyFeed = Feed[wire.TokenObject] | Feed[wire.AccountObject] | Feed[wire.RoleObject]

# While everything is listed again nothing is answered, so this delays no request.
_LOOK_PERIOD: Final = 0.02

_SCHEMA: Final = "schema"
_SCHEMA_PERIOD: Final = crds.CHECK_SECONDS
_SCHEMA_RETRY: Final = 5.0


class WatchProblems:
    """Current problems with the API server, one sentence for each path. A feed's `Observer`."""

    def __init__(self) -> None:
        self._by_path: dict[str, str] = {}

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them, without duplicates."""
        return tuple(dict.fromkeys(self._by_path.values()))

    def failed(self, path: str, error: Exception) -> None:
        """See `Observer`."""
        sentence = str(error) or "the API server failed without a message"
        if self._by_path.get(path) != sentence:
            if sentence not in self._by_path.values():
                _log.warning("watch of the API server failed, retrying", path=path, reason=sentence)
            self._by_path[path] = sentence

    def works(self, path: str) -> None:
        """See `Observer`."""
        if self._by_path.pop(path, None) is not None and not self._by_path:
            _log.info("watch of the API server recovered")


class SchemaGuard:
    """Stops the index from answering while the CRDs are missing, or older than this code."""

    def __init__(self, check: crds.SchemaCheck, index: Index) -> None:
        """Nothing is checked until `run`."""
        self._schemas = check
        self._index = index
        self._said = ""
        self._checked = False
        self.fits = asyncio.Event()
        """Set once the CRDs have been found to fit."""
        index.hold(_SCHEMA, "the CRDs have not been checked yet")

    async def run(self) -> None:
        """Keep checking until cancelled: an older CRD may be applied by mistake at any time."""
        while True:
            is_good = await self._check()
            if is_good:
                self.fits.set()
            await asyncio.sleep(_SCHEMA_PERIOD if is_good else _SCHEMA_RETRY)

    async def _check(self) -> bool:
        try:
            problem = await self._schemas.find_problem()
        except (KubeError, NotConfigured) as error:
            sentence = f"the CRDs cannot be checked: {error}"
            if not self._checked:
                self._index.hold(_SCHEMA, sentence)
            self._report(sentence)
            return False
        self._checked = True
        if problem:
            self._index.hold(_SCHEMA, problem)
            self._report(problem)
            return False
        self._index.release(_SCHEMA)
        if self._said:
            _log.info("the CRDs are compatible")
        self._said = ""
        return True

    def _report(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            _log.warning("not ready", reason=sentence)


class FeedSet:
    """All feeds together: watched until cancelled, and all listed again when their state cannot be trusted."""

    def __init__(self, feeds: Mapping[str, AnyFeed]) -> None:
        """*feeds* by their names (`propagation.record.feed_name`)."""
        self._feeds = feeds
        self._again = asyncio.Event()
        self._rounds = 0

    def positions(self) -> dict[str, str]:
        """Return the resourceVersion that each feed has applied; empty while it is being listed."""
        return {name: feed.position for name, feed in self._feeds.items()}

    def start_over(self) -> None:
        """List everything again, soon."""
        self._again.set()

    async def list_again(self) -> None:
        """List everything again, and return when that is complete."""
        before = self._rounds
        self._again.set()
        while True:
            await asyncio.sleep(_LOOK_PERIOD)
            if self._rounds != before and all(self.positions().values()):
                return

    async def run(self) -> None:
        """Run all feeds until cancelled.

        Raises:
            PartEnded: one has ended, through a bug or because it was cancelled. All are listed again when this is
                called again, since changes may have been missed.
        """
        while True:
            again = asyncio.create_task(self._again.wait(), name="list again")
            following = {
                asyncio.create_task(feed.run(), name=f"watch {name}"): name
                for name, feed in self._feeds.items()
            }
            try:
                await asyncio.wait({again, *following}, return_when=asyncio.FIRST_COMPLETED)
                ended = [task for task in following if task.done()]
            finally:
                await end(again, *following)
                for feed in self._feeds.values():
                    feed.start_over()
            self._again.clear()
            self._rounds += 1
            for task in ended:
                message = f"the watch of {following[task]} ended: {describe_end(task)}"
                raise PartEnded(message) from (None if task.cancelled() else task.exception())


def make_feeds(index: Index, context: FeedContext, namespaces: tuple[str, ...]) -> dict[str, AnyFeed]:
    """Return the watches that fill *index*, by name: of the whole cluster, or of each of *namespaces*."""
    feeds: dict[str, AnyFeed] = {
        feed_name(names.PLURAL_ROLES): Feed(
            context,
            paths.ours(names.PLURAL_ROLES),
            decoder=wire.role_decoder,
            sink=RoleTable(index, names.PLURAL_ROLES),
        )
    }
    for namespace in namespaces or ("",):
        where = f" in {namespace}" if namespace else ""
        accounts = AccountTable(index, f"{names.PLURAL_ACCOUNTS}.{names.GROUP}{where}")
        tokens = TokenTable(index, f"{names.PLURAL_TOKENS}{where}")
        feeds[feed_name(names.PLURAL_ACCOUNTS, namespace)] = Feed(
            context, paths.ours(names.PLURAL_ACCOUNTS, namespace), decoder=wire.account_decoder, sink=accounts
        )
        feeds[feed_name(names.PLURAL_TOKENS, namespace)] = Feed(
            context, paths.ours(names.PLURAL_TOKENS, namespace), decoder=wire.token_decoder, sink=tokens
        )
    return feeds
