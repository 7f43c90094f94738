"""What `servicetokens keys` concludes from the keys there are and the keys that credentials name."""

import json
from typing import Any

import pytest

from servicetokens.cli.keys import key_ids_of, rows
from servicetokens.tokens.verifier import KEY_BYTES, KeyRing


def ring(*keys: str) -> KeyRing:
    """Return a ring of those keys."""
    return KeyRing({key: key.encode().ljust(KEY_BYTES, b"x") for key in keys})


def said(*keys: str, used: list[str]) -> list[tuple[str, str, int]]:
    """Return key, state and count of each row."""
    return [(row.key, row.state, row.credentials) for row in rows(ring(*keys), used)]


def test_the_newest_key_signs_even_when_unused() -> None:
    """It is never to be removed."""
    assert said("k1", used=[]) == [("k1", "signs", 0)]


def test_an_old_key_can_be_removed_when_unused() -> None:
    """Not before."""
    assert said("k1", "k2", used=["k1", "k2"]) == [("k1", "verifies", 1), ("k2", "signs", 1)]
    assert said("k1", "k2", used=["k2"]) == [("k1", "unused", 0), ("k2", "signs", 1)]


def test_credentials_of_a_missing_key_are_reported() -> None:
    """Every validator rejects them."""
    assert said("k2", used=["k1", "k2"]) == [("k2", "signs", 1), ("unknown", "missing", 1)]


def test_every_state_is_explained() -> None:
    """In words that say what to do."""
    found = [*rows(ring("k1", "k2", "k3"), ["k2", "k9"])]
    assert {row.state for row in found} == {"signs", "verifies", "unused", "missing"}
    assert all(row.advice for row in found)


NOW = 1_800_000_000


def ids(credentials: Any) -> list[str]:
    """Return the keys that a token with these credentials depends on."""
    return list(key_ids_of(json.dumps({"status": {"credentials": credentials}}).encode(), NOW))


def a_credential(end: Any = None, verifier: Any = None) -> dict[str, Any]:
    """Return a credential of the key `k1`."""
    return {"verifier": verifier or {"keyID": "k1"}, "expirationTime": end}


def test_a_credential_that_has_ended_depends_on_no_key() -> None:
    """One that never ends does."""
    assert ids([a_credential("2020-01-01T00:00:00Z"), a_credential("2027-01-15T08:00:00Z")]) == []
    assert ids([a_credential(), a_credential("2027-01-15T08:00:01Z")]) == ["k1", "k1"]
    assert ids(None) == []
    assert list(key_ids_of(b"{}", NOW)) == []


@pytest.mark.parametrize("end", ["3000-01-01T00:00:59Z", "2999-12-31T23:59:59-00:01", "tomorrow", 7, ""])
def test_an_end_that_is_odd_counts_as_none(end: Any) -> None:
    """It is in the year 3000 when a user wrote the end of 2999 west of Greenwich."""
    assert ids([a_credential(end)]) == ["k1"]


@pytest.mark.parametrize("credentials", [7, {"a": 1}, [7], [{"verifier": "x"}], [{"verifier": {"keyID": 1}}]])
def test_what_cannot_be_read_depends_on_some_key(credentials: Any) -> None:
    """No key is called unused that it may need."""
    assert ids(credentials) == [""]
    assert list(key_ids_of(b"nonsense", NOW)) == [""]
