"""A real Prometheus, built by `make tools`, that scrapes what the tests run; and its HTTP API."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from common.drivers.helm import TOOLS
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from controlplane.waiting import patient, wait_until

PROGRAM: Final = TOOLS / "prometheus"


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and pairs of Unix seconds and value, the oldest first."""

    labels: Mapping[str, str]
    values: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """Return the newest value."""
        return self.values[-1][1]


class Prometheus:
    """What a dashboard asks a Prometheus."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, expression: str) -> list[Series]:
        """Return what *expression* is now."""
        found = self._get("query", query=expression)["result"]
        return [Series(one["metric"], [_pair(one["value"])]) for one in found]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return what *expression* was, every *step* seconds."""
        found = self._get("query_range", query=expression, start=start, end=end, step=step)["result"]
        return [Series(one["metric"], [_pair(pair) for pair in one["values"]]) for one in found]

    def label_values(self, metric: str, label: str) -> list[str]:
        """Return the values that *label* has among the series of *metric*."""
        return [str(one) for one in self._get(f"label/{label}/values", **{"match[]": metric})]

    def is_ready(self) -> bool:
        """Say whether it answers queries."""
        try:
            with urllib.request.urlopen(
                f"http://{LOOPBACK}:{self._port}/-/ready", timeout=patient(5)
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, path: str, **parameters: str | float) -> Any:
        url = f"http://{LOOPBACK}:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=patient(30)) as answer:
            return json.load(answer)["data"]


@contextmanager
def prometheus(folder: Path, targets: Mapping[int, Mapping[str, str]]) -> Iterator[Prometheus]:
    """Run one that scrapes the ports of *targets* every second, and gives each the labels that it has there."""
    assert PROGRAM.exists(), "prometheus is not there; build it by: make tools"
    scraped = [
        {"targets": [f"{LOOPBACK}:{port}"], "labels": dict(labels)} for port, labels in targets.items()
    ]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "servicetokens", "static_configs": scraped}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command: list[str | Path] = [
        PROGRAM,
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    with Process("prometheus", command, log=folder / "prometheus.log") as process:
        running = Prometheus(port)

        def ready() -> bool:
            process.raise_if_ended()
            return running.is_ready()

        wait_until(ready, what="Prometheus to be ready", timeout=30)
        yield running


def _pair(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
