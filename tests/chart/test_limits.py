"""What the chart lets through, the processes and the API server take: their limits are compared, value by value."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.drivers.helm import CHART, KUBERNETES, TOOLS, Helm
from controlplane.cluster import Cluster
from servicetokens.controllers.main import command as operator
from servicetokens.controllers.settings import OperatorSettings
from servicetokens.runtime.settings import InvalidSettings, build
from servicetokens.validator.main import command as validator
from servicetokens.validator.settings import ValidatorSettings

SETTINGS = {"operator": (operator, OperatorSettings), "validator": (validator, ValidatorSettings)}
DURATIONS = ("4s", "5s", "60m", "61m", "1h", "2h", "0s", "1d", "05s", "99999s", "100000s", "", "5")
NETWORKS = (
    *(
        "10.0.0.0/8",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "010.0.0.0/8",
        "10.0.0.1",
        "256.0.0.0/8",
        "10.0.0/8",
    ),
    *(
        "fd00::/8",
        "fd00::1/8",
        "fd00::1",
        "::/0",
        "1::2::3",
        "1:2:3:4:5:6:7:8/128",
        "1:2:3:4:5:6:7/64",
        "fd00::/129",
    ),
    *(
        "2001:DB8::/32",
        "2001:db8:8000::/33",
        "2001:db8:c000::/33",
        "1:2:3:4:5:6:7::",
        "::1:2:3:4:5:6:7:8",
        "g::/8",
    ),
    *("", "/8", "10.0.0.0/", "10.0.0.0/8/8", "all"),
)
NAMES = (
    *(
        "a.example",
        "*.a.example",
        "A.example",
        "a..example",
        "-a.example",
        "a_b.example",
        "a.example.",
        "*",
        "a.*.b",
    ),
    *(
        "10.0.0.1",
        "999.1.1.1",
        "fd00::1",
        "a" * 63,
        "a" * 64,
        ".".join(["a" * 62] * 4),
        ".".join(["a" * 62] * 5),
    ),
    *("a.example:80", "https://a.example", "", "1.2", "a.1"),
)
ADDRESSES = (
    "0.0.0.0",  # noqa: S104 - a value, not a socket
    "10.1.2.3",
    "999.1.1.1",
    "[::]",
    "::",
    "[fd00::1]",
    "[0.0.0.0]",
    "[x]",
    "a.example",
    "0.0.0",
    "",
)
# Which component, the path of the value, the flag that it becomes, and what people may write there.
LIMITS: dict[str, tuple[str, Callable[[str], dict[str, Any]], Callable[[str], str], tuple[str, ...]]] = {
    "leaseDuration": (
        "operator",
        lambda text: {"operator": {"leaseDuration": text}},
        lambda text: f"--lease-duration={text}",
        DURATIONS,
    ),
    "maxStaleness": (
        "validator",
        lambda text: {"validator": {"maxStaleness": text}},
        lambda text: f"--max-staleness={text}",
        DURATIONS,
    ),
    "introspectionMaxAge": (
        "validator",
        lambda text: {"validator": {"introspectionMaxAge": text}},
        lambda text: f"--introspection-max-age={text}",
        DURATIONS,
    ),
    "trustedProxies": (
        "validator",
        lambda text: {"validator": {"trustedProxies": [text]}},
        lambda text: f"--trusted-proxy={text}",
        NETWORKS,
    ),
    "tls.names": (
        "operator",
        lambda text: {"tls": {"names": [text]}},
        lambda text: f"--certificate-name={text}",
        NAMES,
    ),
    "listenAddress": (
        "operator",
        lambda text: {"listenAddress": text},
        lambda text: f"--health-address={text}:9090",
        ADDRESSES,
    ),
    "watchNamespaces": (
        "operator",
        lambda text: {"watchNamespaces": [text]},
        lambda text: f"--watch-namespace={text}",
        ("a", "A", "a-", "a" * 63, "a" * 64, "a.b", "", "1"),
    ),
    "tokenPrefix": (
        "operator",
        lambda text: {"tokenPrefix": text},
        lambda text: f"--token-prefix={text}",
        ("svt", "s", "1a", "a" * 10, "a" * 11, "Svt", "a_b", ""),
    ),
}


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    """One version: both run the same templates, and tests/chart/test_values.py asks both."""
    assert (TOOLS / "helm4").exists(), "run `make tools`"
    return Helm("helm4", tmp_path)


def starts(component: str, flag: str) -> bool:
    """Say whether the process takes *flag*."""
    command, model = SETTINGS[component]
    tls = ["--tls-cert-file=a", "--tls-key-file=b"] if component == "validator" else []
    with command.make_context(component, [flag, *tls]) as context:
        try:
            build(model, context.params)
        except InvalidSettings:
            return False
    return True


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.timeout(600)
def test_the_chart_takes_what_the_process_takes(helm: Helm, tmp_path: Path, name: str) -> None:
    """And nothing else: a release that was accepted starts."""
    component, values, flag, texts = LIMITS[name]
    file = tmp_path / "values.yaml"
    differing = []
    for text in texts:
        file.write_text(yaml.safe_dump(values(text)))
        done = helm("template", CHART, "--kube-version", KUBERNETES, "--values", file, check=False)
        if (done.returncode == 0) is not starts(component, flag(text)):
            differing.append((text, done.returncode, done.stderr[-200:]))
    assert not differing


def test_the_chart_knows_the_flags_of_both_processes() -> None:
    """Additional arguments with any other flag would keep a pod from starting."""
    checks = (CHART / "templates" / "_checks.tpl").read_text()
    listed = re.search(r'dict "operator" "([^"]*)" "validator" "([^"]*)"', checks)
    assert listed is not None
    for (command, _), names in zip(SETTINGS.values(), listed.groups(), strict=True):
        flags = [name for option in command.params for name in (*option.opts, *option.secondary_opts)]
        assert names.split() == sorted(flags)


# Each of these needs another value; together with that the API server takes them.
TAKEN = (
    {"type": "NodePort", "nodePorts": {"forwardAuth": 30080, "extAuthz": 30081}},
    {"type": "LoadBalancer", "loadBalancerClass": "example.com/internal", "externalTrafficPolicy": "Local"},
    {"type": "NodePort", "externalTrafficPolicy": "Cluster"},
    {"clusterIP": "None"},
    {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]},
    {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]},
)
BOTH = {
    "extraEnv": [{"name": "A", "value": "5"}, {"name": "b.c-d", "value": ""}],
    "extraVolumes": [{"name": "x", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}],
    "podSecurityContext": {"runAsUser": 2147483647, "supplementalGroups": [0, 2147483647]},
    "podLabels": {"team": "a.b_C-1", "example.com/a": ""},
    "podAnnotations": {"example.com/a": "any thing"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "resources": {"requests": {"cpu": 0.5, "memory": 10000000}, "limits": {"cpu": "2", "memory": "1e8"}},
}


@pytest.fixture(scope="module")
def cluster(binaries: Path) -> Iterator[Cluster]:
    """An API server with the namespace of the release, and the ServiceAccounts that pods want to exist."""
    with Cluster(binaries=binaries) as cluster:
        cluster.kubectl("create", "namespace", "servicetokens")
        for name in ("operator", "validator", "smoke-test"):
            cluster.kubectl("create", "serviceaccount", f"servicetokens-{name}", "-n", "servicetokens")
        yield cluster


@pytest.mark.parametrize("service", TAKEN, ids=lambda one: "-".join(map(str, one.values())))
def test_the_api_server_takes_what_the_chart_takes(
    helm: Helm, tmp_path: Path, cluster: Cluster, service: dict[str, Any]
) -> None:
    """At the ends of what is allowed; a dry run on the server says so."""
    file = tmp_path / "values.yaml"
    policy = {"enabled": True, "apiServer": ["192.0.2.0/28", "2001:db8::/32"]}
    file.write_text(
        yaml.safe_dump(
            {
                "operator": BOTH,
                "validator": {**BOTH, "service": service},
                "listenAddress": "[::]",
                "networkPolicy": policy,
                "commonLabels": {"team": "a"},
                "crds": {"enabled": False},
                "extraObjects": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "metadata": {"name": "x", "labels": {"release": "12e4567"}},
                        "data": {"release": "{{ .Release.Name }}", "yes": "true"},
                    }
                ],
            }
        )
    )
    printed = helm(
        "template", "servicetokens", CHART, "--namespace", "servicetokens", "--values", file
    ).stdout
    cluster.kubectl("apply", "--dry-run=server", "-n", "servicetokens", "-f", "-", input=printed)
