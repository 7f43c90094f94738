"""`python -m pages.manager`: config/manager/manager.yaml, rendered from the chart by Helm (`make manifests`)."""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from common.drivers.helm import Helm
from common.repository import ROOT

MANAGER: Final = ROOT / "config" / "manager" / "manager.yaml"
KINDS: Final = ("ServiceAccount", "Deployment", "Service", "PodDisruptionBudget")
_HEAD: Final = "# Rendered from charts/servicetokens by `make manifests`. Do not edit it.\n"
# The user who applies them manages them.
_OF_HELM: Final = ("helm.sh/chart", "app.kubernetes.io/managed-by")


def render() -> str:
    """Return the file."""
    with tempfile.TemporaryDirectory() as home:
        rendered = Helm("helm4", Path(home)).template("--no-hooks")
    objects = [_without_helm(item) for item in rendered if item["kind"] in KINDS]
    return _HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=120)


def _without_helm(item: dict[str, Any]) -> dict[str, Any]:
    item["metadata"]["namespace"] = "servicetokens"
    for labels in (
        item["metadata"]["labels"],
        item.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {}),
    ):
        for name in _OF_HELM:
            labels.pop(name, None)
    return item


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        MANAGER.write_text(render())
    elif MANAGER.read_text() != render():
        sys.exit("out of date: config/manager/manager.yaml; run `make manifests`")
