"""How many credentials hang on each key: what tells whether an old key can be taken away."""

from collections.abc import Collection, Mapping
from typing import Final

UNKNOWN: Final = "unknown"
"""Stands for all keys that are not there: an id in a status may be anybody's words, and would be a label."""


def count_by_key(counts: Mapping[str, int], known: Collection[str]) -> dict[str, int]:
    """Return the credentials of each *known* key, also of those that have none, and of all others together."""
    found = dict.fromkeys((*sorted(known, key=_number), UNKNOWN), 0)
    for key_id, count in counts.items():
        found[key_id if key_id in known else UNKNOWN] += count
    return found


def _number(key_id: str) -> tuple[int, str]:
    """Sort `k10` after `k9`."""
    return len(key_id), key_id
