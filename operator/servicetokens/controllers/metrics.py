"""The operator's metrics: the number of objects, what happened, and whether this process is the leader.

No label names an object: each has a bounded set of values, all of them ours.
"""

import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicetokens import __version__
from servicetokens.api import names
from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.controllers.cache.caches import Caches
from servicetokens.kube.errors import ApiUnavailable, Conflict, Forbidden, KubeError
from servicetokens.kube.events import Outcome
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import MintCause
from servicetokens.runtime.metrics import gauge_by
from servicetokens.tokens.keycount import count_by_key
from servicetokens.tokens.verifier import KeyRing

# A pass without a write takes a tenth of a millisecond, a mint two writes to etcd; above are retries and hangs.
_BUCKETS: Final = (0.0005, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0)
_KNOWN_TYPES: Final = frozenset(ConditionType)
_KNOWN_REASONS: Final = frozenset(Reason)
# The reasons of `Reconciling`: these series begin at zero, so that an alert sees the first token that waits.
_WAITED_FOR: Final = (
    Reason.ACCOUNT_NOT_FOUND,
    Reason.DELIVERING,
    Reason.DELIVERY_FAILED,
    Reason.IMPORT_SECRET_MISSING,
    Reason.ROLE_NOT_FOUND,
    Reason.SECRET_MISSING,
)
_OTHER: Final = "Other"


@dataclass(frozen=True)
class OperatorNumbers:
    """The numbers at one moment. `certificate_end` is in Unix seconds, None before one was issued.

    `bundle_deadline` is that of `issuing`, None where no client needs another bundle.
    """

    caches: Caches
    ring: KeyRing | None
    waiting: int
    leads: bool
    certificate_end: int | None
    bundle_deadline: int | None = None


class OperatorCollector(Collector):
    """Computes gauges from memory when Prometheus scrapes."""

    def __init__(self, numbers: Callable[[], OperatorNumbers]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        now = self._numbers()
        build = GaugeMetricFamily("servicetokens_operator_build_info", "Always 1.", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build
        caches = now.caches
        yield GaugeMetricFamily(
            "servicetokens_operator_tokens", "ServiceTokens in the cache.", len(caches.tokens)
        )
        yield GaugeMetricFamily(
            "servicetokens_operator_accounts", "ServiceAccounts in the cache.", len(caches.accounts)
        )
        yield GaugeMetricFamily(
            "servicetokens_operator_queue_length", "Objects that wait to be reconciled.", now.waiting
        )
        yield GaugeMetricFamily(
            "servicetokens_operator_leads",
            "1 if this operator is the leader, 0 if it is a standby.",
            int(now.leads),
        )
        yield from _of_tokens(caches, now.ring)
        if now.certificate_end is not None:
            yield GaugeMetricFamily(
                "servicetokens_tls_certificate_expiration_timestamp_seconds",
                "Unix time when the certificate that was issued last expires.",
                now.certificate_end,
            )
        if now.bundle_deadline is not None:
            yield GaugeMetricFamily(
                "servicetokens_tls_bundle_renewal_deadline_timestamp_seconds",
                "Unix time until which clients must renew their copy of ca.crt; present while it has two CAs.",
                now.bundle_deadline,
            )


def _of_tokens(caches: Caches, ring: KeyRing | None) -> Iterator[Metric]:
    bounded: Tally[tuple[str, str, str]] = Tally()
    for (kind, status, reason), count in caches.states.items():
        # A status may have been written by any user with permission.
        if kind in _KNOWN_TYPES:
            bounded[kind, status, reason if reason in _KNOWN_REASONS else _OTHER] += count
    states = GaugeMetricFamily(
        "servicetokens_operator_token_conditions",
        "ServiceTokens by condition: for alerts, Ready=False, ExpiringSoon=True and Unused=True.",
        labels=("type", "status", "reason"),
    )
    for labels, count in sorted(bounded.items()):
        states.add_metric(labels, count)
    yield states
    waiting: Tally[str] = Tally({reason.value: 0 for reason in _WAITED_FOR})
    for (kind, status, reason), count in bounded.items():
        if (kind, status) == (ConditionType.RECONCILING, "True"):
            waiting[reason] += count
    yield gauge_by(
        "reason",
        "servicetokens_operator_tokens_waiting",
        "ServiceTokens that wait for something to appear or to be written, by the reason that their conditions give.",
        waiting,
    )
    yield gauge_by(
        "key_id",
        "servicetokens_operator_credentials",
        "Credentials by the key that they were hashed with; a key without any can be removed.",
        count_by_key(caches.keys, ring.ids if ring else ()),
    )


class OperatorMetrics:
    """Counters and histograms of what happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reconciles: Final = Counter(
            "servicetokens_operator_reconciles",
            "Reconciliations, by kind and result.",
            ("kind", "result"),
            registry=registry,
        )
        self.seconds: Final = Histogram(
            "servicetokens_operator_reconcile_duration_seconds",
            "Duration of a reconciliation, writes included.",
            ("kind",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.minted: Final = Counter(
            "servicetokens_operator_minted",
            "Credentials minted, by cause.",
            ("cause",),
            registry=registry,
        )
        self.events: Final = Counter(
            "servicetokens_operator_events",
            "Events: sent, repeated (counted on an existing one), dropped (too many about one object), failed.",
            ("result",),
            registry=registry,
        )
        self.requests: Final = Counter(
            "servicetokens_operator_api_requests",
            "Requests to the API server without those of the watches, by method and status; 0 means no response.",
            ("method", "status"),
            registry=registry,
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Initialize the series at zero: Prometheus sees no increase in a series that begins at one."""
        for kind in (names.KIND_TOKEN, names.KIND_ACCOUNT, names.KIND_ROLE):
            self.seconds.labels(kind)
        for cause in MintCause:
            self.minted.labels(cause.value)
        for outcome in get_args(Outcome):
            self.events.labels(outcome)

    def observed(self, reconcile: Callable[[Key], Awaitable[bool]]) -> Callable[[Key], Awaitable[bool]]:
        """Return *reconcile*, measured."""

        async def measured(key: Key) -> bool:
            begun, result = time.perf_counter(), "defect"
            try:
                again = await reconcile(key)
                result = "again" if again else "done"
            except KubeError as error:
                result = _result_of(error)
                raise
            finally:
                self.reconciles.labels(key.kind, result).inc()
                self.seconds.labels(key.kind).observe(time.perf_counter() - begun)
            return again

        return measured

    def requested(self, method: str, status: int) -> None:
        """Count a request."""
        self.requests.labels(method, str(status)).inc()


def _result_of(error: KubeError) -> str:
    if isinstance(error, Conflict):
        return "conflict"
    if isinstance(error, Forbidden):
        return "forbidden"
    return "unavailable" if isinstance(error, ApiUnavailable) else "failed"
