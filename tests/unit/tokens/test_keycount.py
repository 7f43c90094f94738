"""Credentials by key."""

from servicetokens.tokens.keycount import UNKNOWN, count_by_key


def test_every_known_key_is_counted_and_all_others_are_one() -> None:
    """A status may name any key; it does not become a label."""
    counted = count_by_key({"k2": 3, "k1": 1, "anything": 2, "": 1}, {"k10", "k2", "k1"})
    assert counted == {"k1": 1, "k2": 3, "k10": 0, UNKNOWN: 3}
    assert list(counted) == ["k1", "k2", "k10", UNKNOWN]
