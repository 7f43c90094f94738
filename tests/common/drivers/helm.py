"""Helm, of both major versions, and what it renders."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from common.repository import ROOT
from controlplane.build import Versions
from controlplane.waiting import patient

TOOLS: Final = ROOT / ".venv" / "tools"
CHART: Final = ROOT / "charts" / "servicetokens"
RELEASE: Final = "servicetokens"
# Without a cluster Helm assumes one of its own age, which for a Helm that `go build` made is none.
KUBERNETES: Final = Versions.read().kubernetes
HELM_SECONDS: Final = 60
VERSIONS: Final = ("helm3", "helm4")

CASES: Final = sorted(path.stem.removesuffix("-values") for path in (CHART / "ci").glob("*-values.yaml"))
"""Values as a user may have them, by the name of their file."""

Rendered = dict[str, Any]
# In C where libyaml is there: what the chart renders is large, and rendered hundreds of times.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Helm:
    """One version of it. *home* is a directory for what it remembers; *kubeconfig* leads to a cluster, if any."""

    version: str
    home: Path
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it; what it says on standard error is the message when it fails."""
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        if self.kubeconfig is not None:
            environment["KUBECONFIG"] = str(self.kubeconfig)
        done = subprocess.run(
            [TOOLS / self.version, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=patient(HELM_SECONDS),
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def template(
        self, *arguments: str | Path, release: str = RELEASE, namespace: str = RELEASE
    ) -> list[Rendered]:
        """Return all objects of the chart, its tests included."""
        flags = ("--namespace", namespace, "--kube-version", KUBERNETES)
        printed = self("template", release, CHART, *flags, *arguments).stdout
        return [item for item in yaml.load_all(printed, Loader=_LOADER) if item]


def values(case: str) -> Path:
    """Return the file of one of `CASES`."""
    return CHART / "ci" / f"{case}-values.yaml"


def pods(objects: list[Rendered]) -> Iterator[tuple[str, Rendered]]:
    """Give name and spec of every pod that *objects* lead to."""
    for item in objects:
        if item["kind"] == "Pod":
            yield item["metadata"]["name"], item["spec"]
        elif "template" in item.get("spec", {}):
            yield item["metadata"]["name"], item["spec"]["template"]["spec"]


def places(objects: list[Rendered]) -> Mapping[tuple[str, str, str], Rendered]:
    """Return *objects* by kind, namespace (empty: the release's, or none) and name; raise when two are the same."""
    found: dict[tuple[str, str, str], Rendered] = {}
    for item in objects:
        metadata = item["metadata"]
        place = (f"{item['apiVersion']} {item['kind']}", metadata.get("namespace", ""), metadata["name"])
        assert place not in found, place
        found[place] = item
    return found
