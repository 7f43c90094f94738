"""What the operator measures: how much there is, how much waits, and whether it is this process that works."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True)
class OperatorNumbers:
    """The numbers at one moment. `certificate_end` is in Unix seconds, None before one was issued."""

    tokens: int
    accounts: int
    waiting: int
    leads: bool
    certificate_end: int | None


class OperatorCollector(Collector):
    """Turns the numbers into metrics."""

    def __init__(self, numbers: Callable[[], OperatorNumbers]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        now = self._numbers()
        yield GaugeMetricFamily("servicetokens_operator_tokens", "ServiceTokens that are known.", now.tokens)
        yield GaugeMetricFamily(
            "servicetokens_operator_accounts", "ServiceAccounts that are known.", now.accounts
        )
        yield GaugeMetricFamily(
            "servicetokens_operator_queue_length", "Objects that wait to be looked at.", now.waiting
        )
        yield GaugeMetricFamily(
            "servicetokens_operator_leads", "1 if this operator works, 0 if it stands by.", int(now.leads)
        )
        if now.certificate_end is not None:
            yield GaugeMetricFamily(
                "servicetokens_tls_certificate_expiration_timestamp_seconds",
                "When the certificate that was issued last expires.",
                now.certificate_end,
            )
