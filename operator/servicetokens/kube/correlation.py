"""What happens to an Event: a new object, an increment of an existing one, or nothing.

The rules and the numbers are those of Kubernetes' own components (client-go, `tools/events` and `tools/record`): Events
that repeat within six minutes are one series, and about one object no more than 25 are written immediately and one
every five minutes after that. A loop must not fill etcd.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

SERIES_SECONDS: Final = 360
BURST: Final = 25
REFILL_SECONDS: Final = 300
# client-go's numbers, too: the objects and series that are remembered; the least recently used one is forgotten.
MEMORY: Final = 4096

V = TypeVar("V")


class _Recent(Generic[V]):
    """A mapping that keeps what was used last."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: Hashable, value: V) -> V:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > MEMORY:
            self._entries.popitem(last=False)
        return value

    def drop(self, key: Hashable) -> None:
        self._entries.pop(key, None)


@dataclass
class Series:
    """One Event object, and how often it has happened."""

    name: str
    at: float
    count: int = 1


@dataclass
class _Bucket:
    at: float
    level: float = field(default=float(BURST))


class Correlator:
    """Remembers recent Events. Times are in seconds, of any monotonic clock."""

    def __init__(self) -> None:
        self._series: _Recent[Series] = _Recent()
        self._buckets: _Recent[_Bucket] = _Recent()

    def admits(self, subject: Hashable, now: float) -> bool:
        """Return whether one more Event about *subject* may be written, and count it against its limit."""
        bucket = self._buckets.get(subject) or self._buckets.put(subject, _Bucket(now))
        bucket.level = min(BURST, bucket.level + max(0.0, now - bucket.at) / REFILL_SECONDS)
        bucket.at = now
        if bucket.level < 1:
            return False
        bucket.level -= 1
        return True

    def repeated(self, key: Hashable, now: float) -> Series | None:
        """Return the series that an Event like *key* belongs to, with this one counted; None for a new one."""
        series = self._series.get(key)
        if series is None or now - series.at > SERIES_SECONDS:
            return None
        series.count += 1
        series.at = now
        return series

    def sent(self, key: Hashable, name: str, now: float) -> None:
        """Remember that an Event like *key* was created under *name*."""
        self._series.put(key, Series(name, now))

    def lost(self, key: Hashable) -> None:
        """Forget a series whose object does not exist any more."""
        self._series.drop(key)
