"""Who is looked at because of what."""

import asyncio
from typing import Any

import pytest

from servicetokens.api import names
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.controllers.sources.event_handlers import EventHandlers
from servicetokens.kube.object_key import Key

pytestmark = pytest.mark.skips_time


class NoKeys:
    """No keys: nothing is verified here."""

    ring = None
    error = "none"


def an_object(name: str, version: int, generation: int = 1, namespace: str = "team-a", **rest: Any) -> Any:
    """Return an object of any kind."""
    meta = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "generation": generation,
        "resourceVersion": str(version),
    }
    return {"metadata": meta, **rest}


def a_token(name: str, version: int, account: str = "ci", **spec: Any) -> Any:
    """Return a ServiceToken."""
    return an_object(name, version, spec={"accountRef": {"name": account}, "expiresAfter": "30d", **spec})


class Awake:
    """The wake-up with its surroundings."""

    def __init__(self) -> None:
        self.caches = Caches()
        self.queue = WorkQueue()
        self.handlers = EventHandlers(self.caches, self.queue, NoKeys())

    async def keys(self) -> set[Key]:
        """Return, and take off the queue, what waits there."""
        found = set()
        while len(self.queue):
            key = await self.queue.get()
            self.queue.done(key)
            found.add(key)
        return found


@pytest.fixture
async def awake() -> Awake:
    """Two tokens of one account, a role that it has, all looked at already."""
    it = Awake()
    it.handlers.account(an_object("ci", 1, spec={"roles": ["reader"]}))
    it.handlers.role(an_object("reader", 2, namespace="", spec={"allowedNamespaces": ["*"]}))
    it.handlers.token(a_token("one", 3))
    it.handlers.token(a_token("two", 4, secret={"name": "shared"}))
    await it.keys()
    return it


def token_key(name: str) -> Key:
    """Return the key of a token."""
    return Key(names.KIND_TOKEN, "team-a", name)


ACCOUNT = Key(names.KIND_ACCOUNT, "team-a", "ci")
ROLE = Key(names.KIND_ROLE, "", "reader")


async def test_a_changed_token_wakes_itself(awake: Awake) -> None:
    """And no other."""
    awake.handlers.token(a_token("one", 10))
    assert await awake.keys() == {token_key("one")}


async def test_the_watch_event_of_an_own_write_wakes_no_object(awake: Awake) -> None:
    """The answer to the write is in the cache before its event comes; a late event is older."""
    awake.handlers.token(a_token("one", 3))
    awake.handlers.token(a_token("one", 2))
    awake.handlers.account(an_object("ci", 1, spec={"roles": ["reader"]}))
    awake.handlers.role(an_object("reader", 2, namespace="", spec={"allowedNamespaces": ["*"]}))
    assert await awake.keys() == set()


async def test_an_accounts_new_spec_wakes_its_tokens(awake: Awake) -> None:
    """It may have been suspended, or lost a role."""
    awake.handlers.account(an_object("ci", 10, generation=2, spec={"state": "Suspended"}))
    assert await awake.keys() == {ACCOUNT, token_key("one"), token_key("two")}


async def test_an_accounts_new_status_or_label_wakes_no_token(awake: Awake) -> None:
    """A thousand tokens need not look at a counter."""
    awake.handlers.account(an_object("ci", 10, spec={"roles": ["reader"]}, status={"tokenCount": 2}))
    assert await awake.keys() == {ACCOUNT}


async def test_an_account_that_goes_wakes_its_tokens(awake: Awake) -> None:
    """And one of another version, deleted long ago, wakes no object."""
    awake.handlers.account_deleted(an_object("ci", 0))
    assert await awake.keys() == set()
    awake.handlers.account_deleted(an_object("ci", 10))
    assert await awake.keys() == {token_key("one"), token_key("two")}


async def test_a_role_wakes_the_accounts_that_have_it_and_their_tokens(awake: Awake) -> None:
    """Also when it goes."""
    everyone = {ACCOUNT, token_key("one"), token_key("two")}
    awake.handlers.role(
        an_object("reader", 10, generation=2, namespace="", spec={"allowedNamespaces": ["x"]})
    )
    assert await awake.keys() == {ROLE, *everyone}
    awake.handlers.role_deleted(an_object("reader", 11, namespace=""))
    assert await awake.keys() == everyone


async def test_a_token_that_names_a_role_of_its_own_is_woken_too(awake: Awake) -> None:
    """Its account need not have the role."""
    awake.handlers.token(a_token("one", 10, account="other", roles=["writer"]))
    await awake.keys()
    awake.handlers.role(an_object("writer", 11, namespace="", spec={"allowedNamespaces": ["*"]}))
    assert token_key("one") in await awake.keys()


async def test_a_secret_wakes_the_tokens_that_want_it(awake: Awake) -> None:
    """By its name, whatever its owner."""
    awake.handlers.secret(an_object("shared", 10, type=names.SECRET_TYPE))
    assert await awake.keys() == {token_key("two")}
    awake.handlers.secret(an_object("shared", 10, type=names.SECRET_TYPE))
    assert await awake.keys() == set()


async def test_a_secret_that_leaves_the_watch_is_looked_up(awake: Awake) -> None:
    """It was deleted, or only lost our label: the event is the same."""
    awake.handlers.secret(an_object("shared", 10, type=names.SECRET_TYPE))
    await awake.keys()
    awake.handlers.secret_deleted(an_object("shared", 11))
    assert await awake.keys() == {token_key("two")}
    assert awake.caches.secrets.is_invalidated(("team-a", "shared"))


async def test_the_late_deletion_of_a_secret_that_is_there_again_casts_no_doubt(awake: Awake) -> None:
    """As after our own deletion and creation of an immutable one."""
    awake.handlers.secret(an_object("shared", 20, type=names.SECRET_TYPE))
    await awake.keys()
    awake.handlers.secret_deleted(an_object("shared", 15))
    assert not awake.caches.secrets.is_invalidated(("team-a", "shared"))


async def test_a_token_that_goes_wakes_itself_and_the_next_for_its_secret(awake: Awake) -> None:
    """Its deadline has to be forgotten, and a user may have waited for the name."""
    awake.handlers.token(a_token("three", 10, secret={"name": "shared"}))
    await awake.keys()
    awake.handlers.token_deleted(a_token("two", 11, secret={"name": "shared"}))
    assert await awake.keys() == {token_key("two"), token_key("three")}


async def test_many_new_tokens_make_their_account_count_once(awake: Awake) -> None:
    """A second later, not at each of them."""
    for number in range(50):
        awake.handlers.token(a_token(f"new-{number}", 100 + number))
    assert ACCOUNT not in await awake.keys()
    await asyncio.sleep(1.1)
    assert await awake.keys() == {ACCOUNT}


async def test_everything_wakes_everything(awake: Awake) -> None:
    """As after a change of the keys."""
    awake.handlers.requeue_all()
    assert await awake.keys() == {ACCOUNT, ROLE, token_key("one"), token_key("two")}
