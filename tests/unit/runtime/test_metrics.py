"""What both processes show to Prometheus in the same way."""

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from servicetokens.runtime.metrics import gauge_by, make_registry


class Boats(Collector):
    """Counts boats by their colour."""

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        yield gauge_by("colour", "boats", "Boats by colour.", {"red": 2, "blue": 0})


def test_a_registry_shows_the_collector_and_the_process() -> None:
    """Each value under its label, and what every Prometheus client tells."""
    registry = make_registry(Boats())
    assert [registry.get_sample_value("boats", {"colour": colour}) for colour in ("red", "blue")] == [2, 0]
    names = {metric.name for metric in registry.collect()}
    assert {"process_start_time_seconds", "python_info", "python_gc_collections"} <= names
