"""What is counted: answers by listener, result and reason; how much is known, and how old that knowledge is.

A counter of the client library takes a lock and a microsecond; these are plain numbers, read when Prometheus
asks. No label names a token, an account or a namespace.
"""

import math
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicetokens.authn.decision import RejectReason

ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
UNAVAILABLE: Final = "unavailable"


class Tally:
    """The answers of one listener. `accepted` is counted by itself, since it is the hot path."""

    __slots__ = ("accepted", "protocol", "rejected", "unavailable")

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.accepted = 0
        self.unavailable = 0
        self.rejected: dict[str, int] = {reason.value: 0 for reason in RejectReason}

    def reject(self, reason: str) -> None:
        """Count one refusal."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1


class ValidatorCollector(Collector):
    """Turns the plain numbers into metrics."""

    def __init__(
        self, tallies: Iterable[Tally], *, known: Callable[[], int], staleness: Callable[[], float]
    ) -> None:
        self._tallies = tuple(tallies)
        self._known = known
        self._staleness = staleness

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        answers = CounterMetricFamily(
            "servicetokens_validator_requests",
            "Answers given, by listener, result and reason.",
            labels=("protocol", "result", "reason"),
        )
        for tally in self._tallies:
            answers.add_metric((tally.protocol, ACCEPTED, ""), tally.accepted)
            answers.add_metric((tally.protocol, UNAVAILABLE, ""), tally.unavailable)
            for reason, count in tally.rejected.items():
                answers.add_metric((tally.protocol, REJECTED, reason), count)
        yield answers
        yield GaugeMetricFamily(
            "servicetokens_validator_known_tokens", "Token ids in memory.", value=self._known()
        )
        staleness = self._staleness()
        yield GaugeMetricFamily(
            "servicetokens_validator_staleness_seconds",
            "Age of the oldest sign of life of a watch; infinite before the first lists are complete.",
            value=staleness if math.isfinite(staleness) else math.inf,
        )
