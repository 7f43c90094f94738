"""What `servicetokens keys` concludes from the keys there are and the keys that credentials name."""

from servicetokens.admin.keys import rows
from servicetokens.tokens.verifier import KEY_BYTES, KeyRing


def ring(*keys: str) -> KeyRing:
    """Return a ring of those keys."""
    return KeyRing({key: key.encode().ljust(KEY_BYTES, b"x") for key in keys})


def said(*keys: str, used: list[str]) -> list[tuple[str, str, int]]:
    """Return key, state and count of each row."""
    return [(row.key, row.state, row.credentials) for row in rows(ring(*keys), used)]


def test_the_newest_signs_even_when_nothing_hangs_on_it() -> None:
    """It is never to be taken away."""
    assert said("k1", used=[]) == [("k1", "signs", 0)]


def test_an_old_key_can_be_taken_away_when_nothing_hangs_on_it() -> None:
    """Not before."""
    assert said("k1", "k2", used=["k1", "k2"]) == [("k1", "verifies", 1), ("k2", "signs", 1)]
    assert said("k1", "k2", used=["k2"]) == [("k1", "unused", 0), ("k2", "signs", 1)]


def test_credentials_of_a_key_that_is_not_there_are_told() -> None:
    """They are refused by everybody."""
    assert said("k2", used=["k1", "k2"]) == [("k2", "signs", 1), ("unknown", "missing", 1)]


def test_every_state_is_explained() -> None:
    """In words that say what to do."""
    found = [*rows(ring("k1", "k2", "k3"), ["k2", "k9"])]
    assert {row.state for row in found} == {"signs", "verifies", "unused", "missing"}
    assert all(row.advice for row in found)
