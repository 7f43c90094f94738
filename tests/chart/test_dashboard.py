"""The dashboard, asked of a real Prometheus that has watched a real operator and a real validator at work."""

import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.drivers.helm import CHART
from common.drivers.prometheus import Prometheus, Series, prometheus
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, World, world_of

DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
# As the ServiceMonitor of the chart has Prometheus label them.
OPERATOR = {"namespace": HOME, "pod": "servicetokens-operator-0"}
VALIDATOR = {"namespace": HOME, "pod": "servicetokens-validator-0"}
PODS = {OPERATOR["pod"], VALIDATOR["pod"]}

# What a single number says after the life in `live`.
NUMBERS = {
    "Operators that work": 1,
    "Validators that know enough": 1,
    "Tokens": 2,
    "Tokens that are not ready": 1,
}
# The lines, by their legend, that are above zero then.
LINES = {
    "The certificate ends in": {""},
    "Answers": {"forwardauth accepted", "forwardauth rejected", "tokenreview accepted"},
    "Rejections": {"Malformed", "Revoked"},
    "How old the validators' knowledge is": {VALIDATOR["pod"]},
    "Tokens that are not ready, by reason": {"RoleNotFound"},
    "Minted": {"First", "RotationRequested"},
    "Credentials by key": {"k1"},
    "How long a look takes": {"ServiceAccount", "ServiceToken"},
    "Requests to the API server": {"GET 404", "POST 201", "PUT 200"},
    "Memory": PODS,
    "CPU": PODS,
    "Events": {"sent"},
}
# A line is there, and it is right that it lies on zero.
ZERO = {
    "Tokens that end soon": "nothing that was minted a moment ago ends soon; test_alerts.py has one that does",
    "Objects that wait": "everything has been looked at",
}


@dataclass(frozen=True)
class Answer:
    """What a panel shows: each line by its legend."""

    lines: dict[str, Series]

    @property
    def above_zero(self) -> set[str]:
        """The legends of the lines whose newest value is above zero."""
        return {legend for legend, series in self.lines.items() if series.last > 0}


def ask(running: Prometheus, panel: dict[str, Any], namespace: str, since: float) -> Answer:
    """Ask as Grafana does: a single number as of now, lines since *since*."""
    lines: dict[str, Series] = {}
    for target in panel["targets"]:
        expression = target["expr"].replace("$namespace", namespace).replace("$cluster", ".*")
        assert "$" not in expression, "a variable that the dashboard does not have"
        if panel["type"] == "stat":
            found = running.query(expression)
        else:
            found = running.query_range(expression, since, time.time(), step=1)
        lines |= {_legend(target["legendFormat"], series): series for series in found}
    return Answer(lines)


def _legend(pattern: str, series: Series) -> str:
    """Return the name of a line; KeyError when a label in *pattern* is none of the series."""
    return re.sub(r"{{(\w+)}}", lambda match: series.labels[match[1]], pattern)


def live(world: World, running_validator: RunningValidator) -> None:
    """Mint, rotate, ask, be rejected, and leave one token that waits for a person."""
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    world.token(namespace)
    world.until_ready(namespace)
    world.change(namespace, rotation={"id": "one"})
    token = world.until_ready(namespace)
    world.token(namespace, "waits", roles=["nobody-has-written-it"])
    world.until(lambda: running_validator.forward(token).status == 200, "the token to be accepted")
    assert running_validator.review(token).json["status"]["authenticated"]
    assert running_validator.forward("svt_nonsense").status == 401
    world.change(namespace, state="Revoked")
    world.until(lambda: running_validator.forward(token).status == 401, "the token to be refused")


def is_complete(answers: dict[str, Answer]) -> bool:
    """Say whether all that the tests ask for has been scraped."""
    return all(answers[title].above_zero >= legends for title, legends in LINES.items()) and all(
        [series.last for series in answers[title].lines.values()] == [number]
        for title, number in NUMBERS.items()
    )


@pytest.fixture(scope="module")
def answers(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    """What each panel shows, by its title, with the namespace chosen that the dashboard offers."""
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        world_of(binaries) as world,
        world.operator(folder / "operator.log") as operator,
        validator(world, folder / "validator.log") as running_validator,
        prometheus(folder, {operator.port: OPERATOR, running_validator.port: VALIDATOR}) as running,
    ):
        since = time.time()
        world.until(lambda: len(running.query("up == 1")) == 2, "both to have been scraped")
        live(world, running_validator)
        (namespace,) = _choices(running)
        found: dict[str, Answer] = {}

        def asked() -> bool:
            found.update({title: ask(running, panel, namespace, since) for title, panel in PANELS.items()})
            return is_complete(found)

        # When that does not come, the tests say of each panel what is missing.
        with suppress(TimeoutError):
            world.until(asked, "what happened to be scraped", timeout=60)
        everything = {title: ask(running, panel, ".*", since) for title, panel in PANELS.items()}
        assert {title: set(one.lines) for title, one in everything.items()} == {
            title: set(one.lines) for title, one in found.items()
        }
        yield found


def _choices(running: Prometheus) -> list[str]:
    """Return what the dashboard's variable `namespace` offers."""
    (variable,) = [one for one in DASHBOARD["templating"]["list"] if one["name"] == "namespace"]
    match = re.fullmatch(r"label_values\((\w+)(?:\{[^}]*\})?, (\w+)\)", variable["query"])
    assert match
    assert (variable["includeAll"], variable["allValue"]) == (True, ".*")
    return running.label_values(match[1], match[2])


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_shows_what_happened(answers: dict[str, Answer], title: str) -> None:
    """None is empty, and each has the lines of what the operator and the validator have done."""
    answer = answers[title]
    assert answer.lines
    if title in NUMBERS:
        assert [series.last for series in answer.lines.values()] == [NUMBERS[title]]
    elif title in ZERO:
        assert answer.above_zero == set()
        assert all(series.last == 0 for series in answer.lines.values())
    else:
        assert answer.above_zero >= LINES[title]
        assert all(math.isfinite(answer.lines[legend].last) for legend in LINES[title])


def test_the_pages_name_only_existing_panels() -> None:
    """And no two have one title."""
    assert set(NUMBERS) | set(LINES) | set(ZERO) == set(PANELS)
    assert len(PANELS) == len(DASHBOARD["panels"])
