"""Reading what is to be imported: one Secret, by name, once; and nothing of the value is kept."""

import base64
from typing import Any

import pytest

from common.drivers.reconciling import Keys
from common.fakes.api import SECRETS, FakeApi
from servicetokens.api import names
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.reconcile.importing import Importer
from servicetokens.lifecycle.snapshot import Importable, NotImportable, SecretFacts
from servicetokens.tokens.imported import handle_of
from servicetokens.tokens.verifier import KeyRing

VALUE = "glpat-abcdefGHIJ0123456789"
UNTIL = 1_800_000_000
NOW = UNTIL - 1000
LEGACY = (SECRETS, "team-a", "legacy")


def token(name: str = "ci-prod", *, status: dict[str, Any] | None = None, key: str | None = None) -> Any:
    """Return a ServiceToken that asks for an import."""
    reference = {"name": "legacy"} | ({"key": key} if key else {})
    spec = {
        "accountRef": {"name": "ci"},
        "expiresAfter": "30d",
        "import": {"secretRef": reference, "until": "2027-01-15T08:00:00Z"},
    }
    meta = {"name": name, "namespace": "team-a", "uid": f"uid-of-{name}", "resourceVersion": "1"}
    return facts.token_facts({"metadata": meta, "spec": spec, "status": status or {}})


class Surroundings:
    """An importer, and one Secret (or none) that it may read."""

    def __init__(self, data: dict[str, bytes] | None, *, kind: str = "Opaque") -> None:
        self.caches, self.ring, self.api = Caches(), Keys().ring, FakeApi()
        if data is not None:
            encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
            self.api.put(LEGACY, {"type": kind, "data": encoded})
        self._importer = Importer(self.api.secrets, self.caches, prefix="svt")

    async def look(self, of: Any, now: int = NOW, delivered: SecretFacts | None = None) -> Any:
        """Look for what *of* wants to import."""
        return await self._importer.look(of, delivered, self.ring, now)


async def test_the_value_becomes_a_handle_and_a_verifier() -> None:
    """Bound to the object and to serial 1, under the newest key."""
    it = Surroundings({"token": VALUE.encode()})
    found = await it.look(token())
    assert isinstance(found, Importable)
    ring = it.ring
    assert ring is not None
    assert found.handle == handle_of(VALUE, ring, ring.newest)
    assert ring.verify(found.verifier.value, ring.newest, "uid-of-ci-prod", 1, VALUE)
    assert it.api.asked == [LEGACY]
    assert VALUE not in repr(found)


async def test_another_key_may_be_named() -> None:
    """The others are not looked at."""
    it = Surroundings({"token": b"short", "api_key": VALUE.encode()})
    assert isinstance(await it.look(token(key="api_key")), Importable)
    assert isinstance(await it.look(token()), NotImportable)


async def test_nothing_is_read_once_anything_was_minted_or_it_is_too_late() -> None:
    """Nor without keys, nor where the token has its Secret, which is a witness of a mint that status has forgotten."""
    it = Surroundings({"token": VALUE.encode()})
    assert await it.look(token(status={"serial": 2})) is None
    assert await it.look(token(), UNTIL) is None
    raw = {
        "metadata": {
            "name": "ci-prod",
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": "ServiceToken",
                    "name": "ci-prod",
                    "uid": "uid-of-ci-prod",
                    "controller": True,
                }
            ],
        },
        "type": names.SECRET_TYPE,
    }
    assert await it.look(token(), NOW, facts.secret_facts(raw, it.ring)) is None
    it.ring = None
    assert await it.look(token()) is None
    assert it.api.asked == []


async def test_a_missing_secret_is_none() -> None:
    """It may come."""
    it = Surroundings(None)
    assert await it.look(token()) is None
    assert it.api.asked == [LEGACY]


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        ({"other": VALUE.encode()}, "Opaque", "does not exist"),
        ({"token": b"\xff" * 30}, "Opaque", "cannot have"),
        ({"token": VALUE.encode() + b"\n"}, "Opaque", "line break"),
        ({"token": b"svt_0123456789AB_003aUlTJC7tj"}, "Opaque", "our own"),
        ({"token": VALUE.encode()}, names.SECRET_TYPE, "of type servicetokens.dev/token"),
    ],
)
async def test_an_impossible_import_is_reported_without_the_value(
    data: dict[str, bytes], kind: str, words: str
) -> None:
    """The sentence ends up in a condition and in an Event."""
    found = await Surroundings(data, kind=kind).look(token())
    assert isinstance(found, NotImportable)
    assert words in found.fault
    assert VALUE not in found.fault


async def test_a_value_is_imported_by_one_token_at_a_time() -> None:
    """Also under an older key, and until the other one is rid of it; its own record does not prevent an import."""
    it = Surroundings({"token": VALUE.encode()})
    it.ring = KeyRing({"k1": bytes(range(0x20, 0x40)), "k2": bytes(32)})
    entry = {
        "serial": 1,
        "id": handle_of(VALUE, it.ring, "k1"),
        "mintTime": "2026-11-01T00:00:00Z",
        "verifier": {"algorithm": "HMACSHA256", "keyID": "k1", "value": "ab"},
    }
    it.caches.put_token(token("other", status={"serial": 1, "credentials": [entry]}))
    found = await it.look(token())
    assert isinstance(found, NotImportable)
    assert found.fault == "is accepted for another ServiceToken already"
    assert isinstance(await it.look(token("other")), Importable)
    it.caches.drop_token(("team-a", "other"))
    assert isinstance(await it.look(token()), Importable)
    it.caches.put_token(token("other", status={"serial": 1, "credentials": [entry]}))
    it.caches.clear()
    assert isinstance(await it.look(token()), Importable)
