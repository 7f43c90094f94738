"""The operator's keys: created once, never again while a token depends on them."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from common.fakes.clock import FakeClock
from common.fakes.key_secret import KeySecret
from servicetokens.controllers.keyring import KeyringKeeper
from servicetokens.kube.errors import Forbidden, KubeError
from servicetokens.runtime.readiness import Readiness

DELETED = b'{"type":"DELETED","object":{"metadata":{"name":"servicetokens-hmac-keys","resourceVersion":"8"}}}'
KEY = base64.b64encode(bytes(32)).decode()


class Keeper:
    """A keeper with its surroundings."""

    def __init__(self, secrets: KeySecret, *, in_use: bool = False) -> None:
        self.secrets = secrets
        self.in_use = in_use
        self.changes = 0
        self.readiness = Readiness()
        self.keeper = KeyringKeeper(
            secrets.secrets,
            "servicetokens",
            entropy=bytes,
            in_use=lambda: self.in_use,
            changed=self._changed,
            readiness=self.readiness,
        )

    def _changed(self) -> None:
        self.changes += 1


async def test_the_first_key_is_created_when_nothing_depends_on_one() -> None:
    """A fresh installation makes its own."""
    it = Keeper(KeySecret())
    assert it.keeper.error
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert (it.keeper.ring.newest, it.keeper.error) == ("k1", "")
    assert it.secrets.calls == ["get secret", "create secret"]
    assert set(it.secrets.data) == {"k1"}


async def test_no_key_is_made_while_tokens_exist() -> None:
    """A new key would hide that the old one is lost; the sentence says what to do."""
    it = Keeper(KeySecret(), in_use=True)
    await it.keeper.refresh()
    assert it.keeper.ring is None
    assert "create secret" not in it.secrets.calls
    assert "restore it from a backup" in it.keeper.error


async def test_a_key_that_comes_back_is_used() -> None:
    """Nothing has to be restarted."""
    it = Keeper(KeySecret(), in_use=True)
    await it.keeper.refresh()
    it.secrets.data = {"k1": KEY}
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.keeper.error == ""
    assert it.changes == 2


async def test_a_key_that_is_lost_later_is_noticed() -> None:
    """The ring is given up, since nothing minted with it could be verified."""
    it = Keeper(KeySecret({"k1": KEY}), in_use=True)
    await it.keeper.refresh()
    it.secrets.data = None
    await it.keeper.refresh()
    assert it.keeper.ring is None
    assert "does not exist while tokens exist" in it.keeper.error


async def test_a_truncated_key_is_named_and_not_replaced() -> None:
    """The message says which key and what is wrong with it."""
    it = Keeper(KeySecret({"k1": base64.b64encode(bytes(5)).decode()}))
    await it.keeper.refresh()
    assert it.keeper.ring is None
    assert "'k1' must have 32 bytes, not 5" in it.keeper.error
    assert "create secret" not in it.secrets.calls


async def test_an_api_server_that_is_away_takes_no_key_away() -> None:
    """What was read stays in use; before anything was read, the sentence says why."""
    it = Keeper(KeySecret({"k1": KEY}))
    it.secrets.is_down = True
    await it.keeper.refresh()
    assert "did not answer" in it.keeper.error
    it.secrets.is_down = False
    await it.keeper.refresh()
    it.secrets.is_down = True
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.keeper.error == ""


async def test_of_two_operators_that_create_the_key_both_use_the_same() -> None:
    """The slower one reads what the faster one made."""
    it = Keeper(KeySecret())

    def be_faster(call: str) -> None:
        if call == "create secret":
            it.secrets.data = {"k1": KEY}

    it.secrets.before = be_faster
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.secrets.data == {"k1": KEY}


async def test_a_second_key_is_used_for_new_tokens() -> None:
    """The greatest number is the newest, also beyond nine."""
    it = Keeper(KeySecret({"k9": KEY, "k10": base64.b64encode(bytes([1] * 32)).decode()}))
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.keeper.ring.newest == "k10"


async def test_reading_the_same_keys_again_changes_nothing() -> None:
    """Dependents of the keys are notified of changes only."""
    it = Keeper(KeySecret({"k1": KEY}))
    await it.keeper.refresh()
    await it.keeper.refresh()
    assert it.changes == 1


class Server:
    """Answers the list of the key Secret, and opens a watch of it that the test feeds."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str] | None]] = []
        self.refuses: KubeError | None = None
        self.events: asyncio.Queue[bytes] = asyncio.Queue()

    async def request(
        self,
        _method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        timeout: float = 10,  # noqa: ARG002, ASYNC109 - as in `Api`
    ) -> bytes:
        """Return a list."""
        self.asked.append((path, query))
        if self.refuses is not None:
            raise self.refuses
        return b'{"metadata":{"resourceVersion":"7"},"items":[]}'

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch."""
        assert silence > 0
        self.asked.append((path, query))

        async def lines() -> AsyncIterator[bytes]:
            while True:
                yield await self.events.get()

        yield lines()


@contextlib.asynccontextmanager
async def running(it: Keeper, server: Server) -> AsyncIterator[None]:
    """Let the keeper run and watch until the context ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in (it.keeper.run(), it.keeper.watch(server, FakeClock()))]
        await asyncio.sleep(1)
        yield
        for task in tasks:
            task.cancel()


@pytest.mark.skips_time
async def test_a_loss_is_noticed_by_the_watch_without_further_requests() -> None:
    """By name, which is all that the operator has permission to."""
    it, server = Keeper(KeySecret({"k1": KEY}), in_use=True), Server()
    async with running(it, server):
        assert {path for path, _ in server.asked} == {"/api/v1/namespaces/servicetokens/secrets"}
        assert all(
            (query or {})["fieldSelector"] == "metadata.name=servicetokens-hmac-keys"
            for _, query in server.asked
        )
        reads = it.secrets.calls.count("get secret")
        await asyncio.sleep(3600)
        assert it.secrets.calls.count("get secret") == reads
        it.secrets.data = None
        server.events.put_nowait(DELETED)
        await asyncio.sleep(1)
        assert "does not exist while tokens exist" in it.keeper.error
        it.secrets.data = {"k1": KEY}
        await asyncio.sleep(10)
        assert it.keeper.error == ""


@pytest.mark.skips_time
async def test_a_key_secret_that_may_not_be_watched_is_read_every_few_seconds() -> None:
    """An operator that was upgraded before its rights were; `/readyz` says so, and it works nevertheless."""
    it, server = Keeper(KeySecret({"k1": KEY}), in_use=True), Server()
    server.refuses = Forbidden("secrets is forbidden")
    async with running(it, server):
        (sentence,) = it.readiness.degraded
        assert "cannot be watched, and is read every 5 s: secrets is forbidden" in sentence
        it.secrets.data = None
        await asyncio.sleep(10)
        assert "does not exist while tokens exist" in it.keeper.error
        server.refuses = None
        await asyncio.sleep(30)
        assert it.readiness.degraded == []


@pytest.mark.skips_time
async def test_what_could_not_be_read_after_an_event_of_the_watch_is_read_again() -> None:
    """The watch tells once."""
    it, server = Keeper(KeySecret({"k1": KEY}), in_use=True), Server()
    async with running(it, server):
        it.secrets.data, it.secrets.is_down = None, True
        server.events.put_nowait(DELETED)
        await asyncio.sleep(60)
        assert it.keeper.ring is not None
        it.secrets.is_down = False
        await asyncio.sleep(10)
        assert it.keeper.ring is None
