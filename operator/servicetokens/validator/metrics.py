"""Counters of answers by listener, result and reason; the size of the index, and its age.

A counter of the client library takes a lock and a microsecond; these are plain numbers, read when Prometheus scrapes.
No label names a token, an account or a namespace.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicetokens.api.reasons import REJECTIONS
from servicetokens.authn.index import Index
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.metrics import gauge_by
from servicetokens.tokens.keycount import count_by_key

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
UNAVAILABLE: Final = "unavailable"


class DecisionCounts:
    """The answers of one listener. `accepted` is separate, since it is the hot path."""

    __slots__ = ("accepted", "protocol", "rejected", "unavailable")

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.accepted = 0
        self.unavailable = 0
        self.rejected: dict[str, int] = {reason.value: 0 for reason in REJECTIONS}

    def reject(self, reason: str) -> None:
        """Count one rejection."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1


@dataclass(frozen=True)
class UsageNumbers:
    """Statistics of writes of `lastUsedTime`."""

    writes: int
    failures: int
    pending: int


@dataclass(frozen=True)
class ValidatorNumbers:
    """What the parts of the validator count.

    Attributes:
        certificate_end: Unix time when the served certificate expires; None without one.
        keys_usable: whether the Secret with the keys could be used when it was last read.
        connections: how many are open, by listener.
    """

    usage: UsageNumbers
    certificate_end: float | None
    keys_usable: bool
    connections: Mapping[str, int]


class ValidatorCollector(Collector):
    """Converts the plain numbers to metrics."""

    def __init__(
        self,
        all_counts: Iterable[DecisionCounts],
        index: Index,
        clock: Clock,
        numbers: Callable[[], ValidatorNumbers],
    ) -> None:
        self._all_counts = tuple(all_counts)
        self._index = index
        self._clock = clock
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        answers = CounterMetricFamily(
            "servicetokens_validator_requests",
            "Decisions, by listener, result and reason.",
            labels=("protocol", "result", "reason"),
        )
        for counts in self._all_counts:
            answers.add_metric((counts.protocol, ACCEPTED, ""), counts.accepted)
            answers.add_metric((counts.protocol, UNAVAILABLE, ""), counts.unavailable)
            for reason, count in counts.rejected.items():
                answers.add_metric((counts.protocol, REJECTED, reason), count)
        yield answers
        yield from self._collect_knowledge()
        numbers = self._numbers()
        usage = numbers.usage
        yield CounterMetricFamily(
            "servicetokens_validator_last_used_writes",
            "Writes of lastUsedTime.",
            value=usage.writes,
        )
        yield CounterMetricFamily(
            "servicetokens_validator_last_used_failures",
            "Failed writes of lastUsedTime.",
            value=usage.failures,
        )
        yield GaugeMetricFamily(
            "servicetokens_validator_last_used_pending",
            "Tokens whose lastUsedTime is not written yet.",
            value=usage.pending,
        )
        yield GaugeMetricFamily(
            "servicetokens_validator_key_secret_usable",
            "1 if the Secret with the keys could be used when it was last read; at 0, those in memory are used.",
            value=int(numbers.keys_usable),
        )
        yield gauge_by(
            "protocol",
            "servicetokens_validator_connections",
            "Open connections, by listener.",
            numbers.connections,
        )
        if (end := numbers.certificate_end) is not None:
            yield GaugeMetricFamily(
                "servicetokens_tls_certificate_expiration_timestamp_seconds",
                "Unix time when the served certificate expires.",
                value=end,
            )

    def _collect_knowledge(self) -> Iterable[Metric]:
        index = self._index
        yield GaugeMetricFamily(
            "servicetokens_validator_known_tokens", "Token ids in memory.", value=len(index.by_id)
        )
        yield GaugeMetricFamily(
            "servicetokens_validator_known_roles", "Roles in memory.", value=len(index.roles)
        )
        staleness = index.staleness(self._clock.monotonic())
        yield GaugeMetricFamily(
            "servicetokens_validator_staleness_seconds",
            "Seconds without news of the stalest watch or Lease; infinite until everything was listed.",
            value=staleness,
        )
        yield gauge_by(
            "key_id",
            "servicetokens_validator_credentials",
            "Credentials in memory, by the key that verifies them; a key without any can be retired.",
            count_by_key(index.by_key, index.keys.ids if index.keys is not None else ()),
        )
