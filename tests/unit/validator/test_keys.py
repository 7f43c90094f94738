"""The validator's keys: read once they are needed, and kept while their Secret is missing or damaged."""

import base64

import pytest
from structlog.testing import capture_logs

from common.fakes.key_secret import KeySecret
from servicetokens.authn.index import Index
from servicetokens.runtime.readiness import Readiness
from servicetokens.validator.keys import KeyReader

KEY = base64.b64encode(bytes(32)).decode()
OTHER = base64.b64encode(bytes([1] * 32)).decode()
LOST = [
    None,
    {},
    {"k1": "not base64"},
    {"k1": base64.b64encode(bytes(5)).decode()},
    {"k1": KEY, "k2": ""},
    {"unknown": KEY},
    "no object",
]


class Reader:
    """A reader with its surroundings."""

    def __init__(self, data: object) -> None:
        self.secrets = KeySecret(data)
        self.index = Index(max_staleness=60)
        self.readiness = Readiness()
        self.reader = KeyReader(self.secrets.secrets, "servicetokens", self.index, self.readiness)

    def usable(self) -> bool | None:
        """Return what the metric says."""
        return self.reader.usable

    def problems(self) -> tuple[str, ...]:
        """Return why no answer can be given."""
        return self.index.problems(0)


@pytest.mark.parametrize("lost", LOST, ids=str)
async def test_keys_in_memory_stay_in_use_while_the_secret_is_missing_or_damaged(lost: object) -> None:
    """`/readyz` says what to do and stays 200; the log says it once; with the Secret back, it is over."""
    it = Reader({"k1": KEY})
    assert await it.reader.read()
    keys = it.index.keys
    it.secrets.data = lost
    with capture_logs() as logs:
        assert not await it.reader.read()
        assert not await it.reader.read()
        assert it.index.keys is keys
        assert it.problems() == ()
        assert it.readiness.missing == []
        (sentence,) = it.readiness.degraded
        assert "'servicetokens-hmac-keys' in namespace 'servicetokens'" in sentence
        assert "restore it from a backup" in sentence
        assert KEY not in sentence
        assert it.usable() is False
        it.secrets.data = {"k1": KEY}
        assert await it.reader.read()
    assert it.readiness.degraded == []
    assert it.usable() is True
    assert [one["event"] for one in logs] == ["degraded", "recovered"]


@pytest.mark.parametrize("lost", LOST, ids=str)
async def test_without_keys_in_memory_nothing_is_answered(lost: object) -> None:
    """A validator that starts now says why, and what to do."""
    it = Reader(lost)
    assert not await it.reader.read()
    assert it.index.keys is None
    assert "restore it from a backup" in " ".join(it.problems())
    it.secrets.data = {"k1": KEY}
    assert await it.reader.read()
    assert it.problems() == ()


async def test_keys_that_are_replaced_or_removed_on_purpose_are_not_used() -> None:
    """What can be read counts."""
    it = Reader({"k1": KEY, "k2": OTHER})
    await it.reader.read()
    it.secrets.data = {"k2": KEY}
    await it.reader.read()
    assert it.index.keys is not None
    assert it.index.keys.ids == {"k2"}


async def test_an_unavailable_api_server_does_not_change_the_keys() -> None:
    """Neither that it is usable nor that it is not."""
    it = Reader({"k1": KEY})
    it.secrets.is_down = True
    assert not await it.reader.read()
    assert it.usable() is None
    assert it.problems() != ()
