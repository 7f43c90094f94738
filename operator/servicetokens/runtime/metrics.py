"""Metrics that both processes export in the same way."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_OF_THE_PROCESS: Final = (GCCollector, PlatformCollector, ProcessCollector)


def make_registry(collector: Collector) -> CollectorRegistry:
    """Return a registry with *collector* and with the process metrics of the Prometheus client."""
    registry = CollectorRegistry()
    registry.register(collector)
    for one in _OF_THE_PROCESS:
        one(registry=registry)
    return registry


def gauge_by(label: str, name: str, documentation: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """Return a gauge with one sample for each value of its only *label*."""
    gauge = GaugeMetricFamily(name, documentation, labels=(label,))
    for of, value in values.items():
        gauge.add_metric((of,), value)
    return gauge
