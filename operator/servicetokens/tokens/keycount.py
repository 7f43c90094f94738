"""How many credentials depend on each key, which shows whether an old key can be removed."""

from collections.abc import Collection, Mapping
from typing import Final

UNKNOWN: Final = "unknown"
"""Stands for all keys that do not exist: an id in a status may be any text, and would become a label."""


def count_by_key(counts: Mapping[str, int], known: Collection[str]) -> dict[str, int]:
    """Return the number of credentials of each *known* key, zero included, and of all other keys together."""
    found = dict.fromkeys((*sorted(known, key=_number), UNKNOWN), 0)
    for key_id, count in counts.items():
        found[key_id if key_id in known else UNKNOWN] += count
    return found


def _number(key_id: str) -> tuple[int, str]:
    """Sort `k10` after `k9`."""
    return len(key_id), key_id
