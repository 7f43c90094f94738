"""docs/reference/metrics.md: every metric of operator and validator, as the collectors describe it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from common.builders.facts import settled
from common.builders.presenting import Surroundings
from common.fakes.clock import FakeClock
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.metrics import OperatorCollector, OperatorMetrics, OperatorNumbers
from servicetokens.validator.metrics import DecisionCounts, UsageNumbers, ValidatorCollector, ValidatorNumbers

_HEAD: Final = """# Metrics

<!-- Written by `make generate`. -->

This page lists every metric that operator and validator serve on `/metrics` of their health address. The Python
client for Prometheus adds metrics of the process. No label names a token, an account or a namespace, and each has a
bounded set of values. Times are in seconds. [Monitoring](../guides/monitoring.md) says which to watch.
"""


@dataclass(frozen=True)
class Described:
    """One metric, by the name that its samples have."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def of_operator() -> list[Described]:
    """Describe what the operator serves."""
    registry = CollectorRegistry()
    caches = Caches()
    caches.put_token(settled().token)
    numbers = OperatorNumbers(
        caches=caches, ring=None, waiting=0, leads=True, certificate_end=0, bundle_deadline=0
    )
    registry.register(OperatorCollector(lambda: numbers))
    operator_metrics = OperatorMetrics(registry)
    operator_metrics.requested("GET", 200)
    operator_metrics.reconciles.labels("ServiceToken", "done")
    return _described(registry.collect())


def of_validator() -> list[Described]:
    """Describe what the validator serves."""
    collector = ValidatorCollector(
        [DecisionCounts("forwardauth")],
        Surroundings().index,
        FakeClock(),
        lambda: ValidatorNumbers(
            usage=UsageNumbers(0, 0, 0), certificate_end=1.0, keys_usable=True, connections={"forwardauth": 0}
        ),
    )
    return _described(collector.collect())


def render() -> str:
    """Return the page."""
    parts = [_HEAD]
    for title, found in (("Operator", of_operator()), ("Validator", of_validator())):
        rows = [f"| `{one.name}` | {one.kind} | {_code(one.labels)} | {one.help} |" for one in found]
        parts.append(
            "\n".join(
                [f"\n## {title}\n", "| metric | type | labels | meaning |", "|---|---|---|---|", *rows, ""]
            )
        )
    return "".join(parts)


def _described(metrics: Iterable[Metric]) -> list[Described]:
    found = []
    for metric in metrics:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        samples = [one for one in metric.samples if not one.name.endswith(("_created", "_bucket"))]
        labels = tuple(sorted({label for one in samples for label in one.labels}))
        found.append(Described(name, metric.type, labels, metric.documentation))
    return sorted(found, key=lambda one: one.name)


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
