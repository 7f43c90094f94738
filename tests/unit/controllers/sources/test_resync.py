"""Lists of our own: take in what is there, let go of what is not, and of nothing that came meanwhile."""

import asyncio
import json
from typing import Any

import pytest

from servicetokens.api import names
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.controllers.sources.event_handlers import EventHandlers
from servicetokens.controllers.sources.resync import Resync
from servicetokens.kube.errors import HistoryWentBack

pytestmark = pytest.mark.skips_time

ROOT = f"/apis/{names.GROUP}/{names.VERSION}"


class NoKeys:
    """No keys: nothing is verified here."""

    ring = None
    error = "none"


def nothing() -> None:
    """Happens while a list is read."""


class Lists:
    """Answers lists from `objects` by path, as of `versions` (100 where nothing is said)."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.versions: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.reached_secrets = asyncio.Event()
        self.meanwhile = nothing

    async def request(self, _method: str, path: str, **options: Any) -> bytes:
        """Return a whole list."""
        self.asked.append((path, options["query"]))
        self.meanwhile()
        if path == "/api/v1/secrets":
            self.reached_secrets.set()
        items = self.objects.get(path, [])
        version = self.versions.get(path, "100")
        return json.dumps({"metadata": {"resourceVersion": version}, "items": items}).encode()


def a_token(name: str, version: int, namespace: str = "team-a") -> dict[str, Any]:
    """Return a ServiceToken."""
    meta = {"name": name, "namespace": namespace, "uid": name, "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}}


class Surroundings:
    """A resync with all that it fills."""

    def __init__(self, *namespaces: str, watches_secrets: bool = True) -> None:
        self.lists = Lists()
        self.caches = Caches()
        self.queue = WorkQueue()
        self.handlers = EventHandlers(self.caches, self.queue, NoKeys())
        self.resync = Resync(
            self.lists,  # type: ignore[arg-type] # has the one method that is used
            self.caches,
            self.handlers,
            namespaces=namespaces,
            watches_secrets=watches_secrets,
            entropy=bytes,
        )

    @property
    def tokens(self) -> set[str]:
        """The names of the tokens known."""
        return {name for _, name in self.caches.tokens}


@pytest.fixture
async def it() -> Surroundings:
    """The whole cluster is watched."""
    return Surroundings()


async def test_what_is_listed_is_known(it: Surroundings) -> None:
    """And wakes its key."""
    it.lists.objects[f"{ROOT}/servicetokens"] = [a_token("one", 5), a_token("two", 6)]
    await it.resync.tokens()
    assert it.tokens == {"one", "two"}
    assert len(it.queue) == 2


async def test_what_is_not_listed_any_more_is_let_go(it: Surroundings) -> None:
    """Kopf never mentions what was deleted while its watch was down."""
    it.handlers.token(a_token("gone", 50))
    await it.resync.tokens()
    assert it.tokens == set()


async def test_what_came_after_the_list_stays(it: Surroundings) -> None:
    """It is newer than the list, so its absence there proves nothing."""
    it.lists.meanwhile = lambda: it.handlers.token(a_token("new", 101))
    await it.resync.tokens()
    assert it.tokens == {"new"}


async def test_a_list_that_is_older_than_what_was_seen_before_is_of_another_history(it: Surroundings) -> None:
    """After a restore of etcd: nothing of it may be mixed with what is known."""
    it.handlers.token(a_token("known", 101))
    with pytest.raises(HistoryWentBack, match="as after a restore of etcd"):
        await it.resync.tokens()
    it.caches.clear()
    await it.resync.tokens()
    assert it.tokens == set()


async def test_of_several_lists_the_oldest_counts() -> None:
    """A token may have appeared in the first namespace while the second was listed."""
    it = Surroundings("team-a", "team-b")
    it.lists.versions = {
        f"{ROOT}/namespaces/team-a/servicetokens": "100",
        f"{ROOT}/namespaces/team-b/servicetokens": "120",
    }
    it.handlers.token(a_token("gone", 90))
    it.lists.meanwhile = lambda: it.handlers.token(a_token("new", 110))
    await it.resync.tokens()
    assert it.tokens == {"new"}


async def test_secrets_are_listed_by_label_and_only_if_they_are_watched() -> None:
    """Without permission to list them, the list is not even asked for."""
    for watches in (True, False):
        it = Surroundings(watches_secrets=watches)
        await it.resync.others()
        asked = [query for path, query in it.lists.asked if path == "/api/v1/secrets"]
        assert [query["labelSelector"] for query in asked] == (
            [f"{names.LABEL_TOKEN_SECRET}=true"] if watches else []
        )


async def test_accounts_and_roles_are_taken_in(it: Surroundings) -> None:
    """Roles are of the cluster, whatever namespaces are watched."""
    meta = {"name": "ci", "namespace": "team-a", "resourceVersion": "5"}
    it.lists.objects[f"{ROOT}/serviceaccounts"] = [{"metadata": meta, "spec": {}}]
    role = {"metadata": {"name": "r", "resourceVersion": "6"}, "spec": {"allowedNamespaces": ["*"]}}
    it.lists.objects[f"{ROOT}/serviceroles"] = [role]
    await it.resync.others()
    assert list(it.caches.accounts) == [("team-a", "ci")]
    assert list(it.caches.roles) == [("", "r")]
    it.lists.objects.clear()
    await it.resync.others()
    assert (len(it.caches.accounts), len(it.caches.roles)) == (0, 0)


async def test_after_a_watch_has_begun_everything_is_listed_soon(it: Surroundings) -> None:
    """What was deleted between our list and the watch's is on neither, and would be believed for long."""
    it.handlers.token(a_token("deleted in between", 50))
    running = asyncio.create_task(it.resync.run())
    it.resync.soon()
    try:
        await asyncio.wait_for(it.lists.reached_secrets.wait(), 20)
    finally:
        running.cancel()
    assert it.tokens == set()
    assert len(it.lists.asked) == 4


async def test_without_a_watch_each_token_is_visited_once_in_a_period(it: Surroundings) -> None:
    """Its pass then reads the Secret, which is not watched."""
    for name in ("one", "two"):
        it.handlers.token(a_token(name, 5))
    for _ in range(2):
        it.queue.done(await it.queue.get())
    visiting = asyncio.create_task(it.resync.visit(0.03))
    try:
        visited = [(await asyncio.wait_for(it.queue.get(), 10)).name for _ in range(2)]
    finally:
        visiting.cancel()
    assert visited == ["one", "two"]
