"""The alerts, tried by Prometheus' own tool, and the dashboard, whose expressions it parses."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from common.drivers.helm import CHART, TOOLS
from controlplane.waiting import patient
from pages import metrics

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())
CASES = Path(__file__).parent / "alerts_test.yaml"
NAME = re.compile(r"servicetokens_[a-z_]+")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run(
        [TOOLS / "promtool", *arguments], capture_output=True, text=True, timeout=patient(60), check=False
    )


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    """By the series in alerts_test.yaml, which has a case for each."""
    done = promtool("test", "rules", CASES)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = {
        rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    }
    cases = yaml.safe_load(CASES.read_text())["tests"]
    tried = [one for case in cases for one in case["alert_rule_test"]]
    assert {one["alertname"] for one in tried if one.get("exp_alerts")} == alerts
    assert {one["alertname"] for one in tried if not one.get("exp_alerts")} == alerts


def test_labels_that_change_with_a_pod_its_node_or_its_version_are_aggregated_away() -> None:
    """Wherever something is counted once that each pod reports; all other labels tell clusters apart."""
    text = ALERTS.read_text() + json.dumps(DASHBOARD)
    dropped = re.findall(r"without \(([^)]*)\)", text)
    assert len(dropped) > 10
    for labels in dropped:
        if labels != "reason":
            assert {"pod", "instance", "node", "pod_template_hash"} <= set(labels.split(", "))
            assert {"helm_sh_chart", "app_kubernetes_io_version"} <= set(labels.split(", "))


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_every_panel_asks_for_what_is_measured(panel: dict[str, object], tmp_path: Path) -> None:
    """Its expressions parse, and its metrics are served."""
    served = {one.name for one in (*metrics.of_operator(), *metrics.of_validator())}
    served |= {f"{name}_bucket" for name in served}
    targets = panel["targets"]
    assert isinstance(targets, list)
    rules = [
        {
            "record": f"panel:{number}",
            "expr": target["expr"].replace("$namespace", ".*").replace("$cluster", ".*"),
        }
        for number, target in enumerate(targets)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panel", "rules": rules}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name for target in targets for name in NAME.findall(target["expr"])} <= served
    assert panel["description"]
