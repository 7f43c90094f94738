"""values.yaml, its schema and the table in the chart's README say the same."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from common.helm import CHART, KUBERNETES, Helm
from pages import chart

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Give the path of each value that the schema knows."""
    for name, part in schema["properties"].items():
        if name == "global":
            continue
        here = f"{path}.{name}".lstrip(".")
        yield from leaves(part, here) if "properties" in part and name != "issuerRef" else [here]


def closed(schema: dict[str, Any]) -> Iterator[bool]:
    """Say of each object of ours whether it takes no other names."""
    yield schema.get("additionalProperties") is False
    for name, part in schema["properties"].items():
        if "properties" in part and name != "global":
            yield from closed(part)


def test_every_value_has_a_default_a_type_and_a_line() -> None:
    """What the schema allows is what values.yaml holds and describes."""
    described = {row.path: row for row in chart.rows()}
    assert set(described) == set(leaves(SCHEMA))
    assert all(row.text for row in described.values())


def test_no_other_value_is_allowed() -> None:
    """A misspelt value is an error, not a default."""
    assert all(closed(SCHEMA))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--set", "operator.replica=2"], "operator"),
        (["--set", "operator.replicas=0"], "replicas"),
        (["--set", "image.digest=latest"], "digest"),
        (["--set", "validator.maxStaleness=1d"], "maxStaleness"),
        (["--set", "watchNamespaces={Team}"], "watchNamespaces"),
        (["--set", "listenAddress=example.com"], "listenAddress"),
        (["--set", "tls.source=vault"], "source"),
        (["--set", "tls.source=secret"], "name it in tls.secretName"),
        (["--set", "tls.source=certManager"], "say who signs in tls.issuerRef"),
        (["--set", "validator.autoscaling.enabled=true,validator.autoscaling.minReplicas=9"], "minReplicas"),
        (["--set", "validator.trustedProxies={10.0.0.1/8}"], "its network is 10.0.0.0/8"),
        (["--set", "validator.trustedProxies={172.16.5.0/20}"], "its network is 172.16.0.0/20"),
        (["--set", "validator.trustedProxies={10.0.0.0/33}"], "10.0.0.0/33 is no network"),
        (["--set", "validator.trustedProxies={10.300.0.0/16}"], "greater than 255"),
        (["--set", "validator.trustedProxies={fd00::/129}"], "at most 128 bits"),
        (["--set", "tls.names={https://tokens.example}"], "names"),
        (["--set", "tls.names={tokens.example:8443}"], "names"),
        (["--set", "validator.service.nodePorts.forward=30080"], "nodePorts"),
        (["--set", "networkPolicy.dnsPorts={}"], "dnsPorts"),
        (["--values", str(CHART.parents[1] / "tests" / "chart" / "silent-values.yaml")], "all are off"),
        (
            ["--set", "tls.source=certManager,tls.issuerRef.name=acme,tls.serviceNames=false"],
            "name at least one DNS name in tls.names",
        ),
    ],
)
def test_a_wrong_value_is_named(helm: Helm, flags: list[str], words: str) -> None:
    """Before anything is sent to a cluster."""
    done = helm("template", CHART, "--kube-version", KUBERNETES, *flags, check=False)
    assert done.returncode != 0
    assert words in done.stderr


def test_one_value_says_where_both_processes_listen(helm: Helm) -> None:
    """All listeners that are on, and the health pages of both."""
    done = helm("template", CHART, "--kube-version", KUBERNETES, "--set", "listenAddress=[::]")
    arguments = [
        argument
        for document in yaml.safe_load_all(done.stdout)
        if document and document["kind"] == "Deployment"
        for argument in document["spec"]["template"]["spec"]["containers"][0]["args"]
    ]
    addresses = [argument for argument in arguments if "-address=" in argument and not argument.endswith("=")]
    assert [one.partition("=")[2] for one in addresses if "health" in one] == ["[::]:9090"] * 2
    assert len(addresses) > 2
    assert all(one.partition("=")[2].startswith("[::]:") for one in addresses), addresses
