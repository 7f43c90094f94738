"""The operator's keys: created once, never again while a token depends on them."""

import base64
from collections.abc import Mapping
from typing import Any

from servicetokens.api import names
from servicetokens.controllers.keyring import KeyringKeeper
from servicetokens.kube.errors import AlreadyExists, ApiUnavailable, NotFound

KEY = base64.b64encode(bytes(32)).decode()


class Secrets:
    """Holds at most the key Secret."""

    def __init__(self, data: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.created: list[Mapping[str, Any]] = []
        self.down = False
        self.rival: Mapping[str, str] | None = None

    async def get(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Return the key Secret."""
        if self.down:
            message = "the API server did not answer"
            raise ApiUnavailable(message)
        if self.data is None:
            message = f"{namespace}/{name} is not there"
            raise NotFound(message)
        return {"data": self.data}

    async def create(self, _namespace: str, secret: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create it, unless a rival is faster."""
        if self.rival is not None:
            self.data = self.rival
            message = "already exists"
            raise AlreadyExists(message)
        self.created.append(secret)
        self.data = secret["data"]
        return secret


class Keeper:
    """A keeper with its surroundings."""

    def __init__(self, secrets: Secrets, *, in_use: bool = False) -> None:
        self.secrets = secrets
        self.in_use = in_use
        self.changes = 0
        self.keeper = KeyringKeeper(
            secrets, "servicetokens", entropy=bytes, in_use=lambda: self.in_use, changed=self._changed
        )

    def _changed(self) -> None:
        self.changes += 1


async def test_the_first_key_is_created_when_nothing_depends_on_one() -> None:
    """A fresh installation makes its own."""
    it = Keeper(Secrets())
    assert it.keeper.error
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert (it.keeper.ring.newest, it.keeper.error) == ("k1", "")
    assert [secret["metadata"]["name"] for secret in it.secrets.created] == [names.KEYS_SECRET]


async def test_no_key_is_made_while_tokens_exist() -> None:
    """A new key would hide that the old one is lost; the sentence says what to do."""
    it = Keeper(Secrets(), in_use=True)
    await it.keeper.refresh()
    assert it.keeper.ring is None
    assert it.secrets.created == []
    assert "restore it from a backup" in it.keeper.error


async def test_a_key_that_comes_back_is_used() -> None:
    """Nothing has to be restarted."""
    it = Keeper(Secrets(), in_use=True)
    await it.keeper.refresh()
    it.secrets.data = {"k1": KEY}
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.keeper.error == ""
    assert it.changes == 2


async def test_a_key_that_is_lost_later_is_noticed() -> None:
    """The ring is given up, since nothing minted with it could be verified."""
    it = Keeper(Secrets({"k1": KEY}), in_use=True)
    await it.keeper.refresh()
    it.secrets.data = None
    await it.keeper.refresh()
    assert it.keeper.ring is None
    assert "is gone" in it.keeper.error


async def test_a_truncated_key_is_named_and_not_replaced() -> None:
    """The message says which key and what is wrong with it."""
    it = Keeper(Secrets({"k1": base64.b64encode(bytes(5)).decode()}))
    await it.keeper.refresh()
    assert it.keeper.ring is None
    assert "'k1' must have 32 bytes, not 5" in it.keeper.error
    assert it.secrets.created == []


async def test_an_api_server_that_is_away_takes_no_key_away() -> None:
    """What was read stays in use; before anything was read, the sentence says why."""
    it = Keeper(Secrets({"k1": KEY}))
    it.secrets.down = True
    await it.keeper.refresh()
    assert "did not answer" in it.keeper.error
    it.secrets.down = False
    await it.keeper.refresh()
    it.secrets.down = True
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.keeper.error == ""


async def test_of_two_operators_that_create_the_key_both_use_the_same() -> None:
    """The slower one reads what the faster one made."""
    it = Keeper(Secrets())
    it.secrets.rival = {"k1": KEY}
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.secrets.created == []


async def test_a_second_key_is_used_for_new_tokens() -> None:
    """The greatest number is the newest, also beyond nine."""
    it = Keeper(Secrets({"k9": KEY, "k10": base64.b64encode(bytes([1] * 32)).decode()}))
    await it.keeper.refresh()
    assert it.keeper.ring is not None
    assert it.keeper.ring.newest == "k10"


async def test_reading_the_same_keys_again_changes_nothing() -> None:
    """Whoever depends on the keys is told about changes only."""
    it = Keeper(Secrets({"k1": KEY}))
    await it.keeper.refresh()
    await it.keeper.refresh()
    assert it.changes == 1
