"""What people set in their values: each comes out as they mean it, and nothing appears twice."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.drivers.helm import CHART, RELEASE, Helm, Rendered


class Strict(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a key that appears twice is an error, and `12e4567` is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Reject duplicates."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key appears twice: {sorted(map(str, keys))}"
        return super().construct_mapping(node, deep)


def render(
    helm: Helm, tmp_path: Path, values: str, *, release: str = RELEASE, namespace: str = RELEASE
) -> dict[tuple[str, str], Rendered]:
    """Return the objects for *values*, by kind and name, without telling Helm a version of Kubernetes."""
    file = tmp_path / "values.yaml"
    file.write_text(values)
    printed = helm("template", release, CHART, "--namespace", namespace, "--values", file).stdout
    objects = [item for item in yaml.load_all(printed, Strict) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def pod(objects: dict[tuple[str, str], Rendered], component: str) -> Rendered:
    """Return the pod template of a Deployment."""
    template: Rendered = objects["Deployment", f"servicetokens-{component}"]["spec"]["template"]
    return template


@pytest.mark.parametrize(
    "values",
    [
        "enabled: true",
        *(
            f"{block}: null"
            for block in ("image", "logs", "crds", "rbac", "policies", "operator", "validator", "tls")
        ),
        "monitoring: null\nnetworkPolicy: null\ncommonLabels: null\nextraObjects: null",
        "validator: {listeners: null, service: null, autoscaling: null, clientAuthentication: null}",
        "monitoring: {serviceMonitor: null, prometheusRule: null, dashboard: null}",
        "operator: {replicas: null, maxUnavailable: null, podLabels: null, affinity: null}",
        "watchNamespaces: null\nimagePullSecrets: null\ntls: {issuerRef: null, names: null}",
        "validator: {service: {ipFamilies: null}, trustedProxies: null, extraEnv: null}",
        "networkPolicy: {proxies: null, apiServer: null, apiServerPorts: null, dnsPorts: null, extraEgress: null}",
    ],
)
def test_null_means_the_default(helm: Helm, tmp_path: Path, values: str) -> None:
    """For a whole block as for a single value: what is rendered is what is rendered without it."""
    assert render(helm, tmp_path, values) == render(helm, tmp_path, "{}")


def test_null_takes_resources_and_spreading_away(helm: Helm, tmp_path: Path) -> None:
    """Kubernetes has defaults of its own for these: null removes ours."""
    objects = render(
        helm,
        tmp_path,
        "validator: {resources: null, topologySpreadConstraints: null, podSecurityContext: null}",
    )
    spec = pod(objects, "validator")["spec"]
    assert "topologySpreadConstraints" not in spec
    assert "securityContext" not in spec
    assert "resources" not in spec["containers"][0]


def test_large_numbers_stay_integers(helm: Helm, tmp_path: Path) -> None:
    """Helm reads numbers as floating-point ones, and `1e+07` is no integer for Kubernetes."""
    objects = render(
        helm,
        tmp_path,
        "operator:\n"
        "  podSecurityContext: {runAsUser: 1000660000, fsGroup: 1000660000}\n"
        "  tolerations: [{key: a, operator: Exists, tolerationSeconds: 10000000}]\n"
        "  extraVolumes: [{name: big, emptyDir: {sizeLimit: 10000000}}]\n",
    )
    spec = pod(objects, "operator")["spec"]
    assert spec["securityContext"]["runAsUser"] == 1000660000
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["tolerations"][0]["tolerationSeconds"] == 10000000
    assert type(spec["volumes"][-1]["emptyDir"]["sizeLimit"]) is int


@pytest.mark.parametrize("name", ["20261129", "1e3", "true", "0x1f", "12e4567", "null", "1_000"])
def test_a_name_that_looks_like_a_number_stays_text(helm: Helm, tmp_path: Path, name: str) -> None:
    """As the release's name (where Helm allows it), as the namespace, and as a label."""
    release = name if "_" not in name else RELEASE
    objects = render(
        helm,
        tmp_path,
        f'commonLabels: {{team: "{name}"}}',
        release=release,
        namespace=name.replace("_", "-"),
    )
    assert objects
    for item in objects.values():
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == release
        assert labels["team"] == name
        for subject in item.get("subjects") or ():
            assert isinstance(subject.get("namespace", ""), str)
        assert isinstance(item["metadata"].get("namespace", ""), str)


def test_labels_from_several_values_are_merged(helm: Helm, tmp_path: Path) -> None:
    """The nearer one wins; what selectors rely on cannot be changed."""
    objects = render(
        helm,
        tmp_path,
        "commonLabels: {team: a, app.kubernetes.io/part-of: platform, app.kubernetes.io/name: other}\n"
        "validator: {podLabels: {team: b, app.kubernetes.io/component: other, extra: x}}\n"
        "monitoring:\n"
        "  serviceMonitor: {enabled: true, labels: {team: c, app.kubernetes.io/instance: other}}\n"
        "  prometheusRule: {enabled: true, labels: {team: d}}\n"
        "  dashboard: {enabled: true, labels: {team: e}}\n",
    )
    template = pod(objects, "validator")
    selector = objects["Deployment", "servicetokens-validator"]["spec"]["selector"]["matchLabels"]
    assert template["metadata"]["labels"].items() >= {**selector, "team": "b", "extra": "x"}.items()
    assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "platform"
    assert objects["ServiceMonitor", "servicetokens-validator"]["metadata"]["labels"]["team"] == "c"
    assert objects["PrometheusRule", "servicetokens"]["metadata"]["labels"]["team"] == "d"
    assert objects["ConfigMap", "servicetokens-dashboard"]["metadata"]["labels"]["team"] == "e"
    for item in objects.values():
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "servicetokens"
        assert labels["app.kubernetes.io/instance"] == RELEASE


def test_wildcard_names_and_names_without_the_service(helm: Helm, tmp_path: Path) -> None:
    """A public issuer rejects names that only the cluster knows."""
    values = (
        "tls: {source: certManager, issuerRef: {kind: ClusterIssuer, name: acme}, "
        "names: ['*.tokens.example', 10.0.0.9]"
    )
    spec = render(helm, tmp_path, values + "}")["Certificate", "servicetokens-validator"]["spec"]
    assert "servicetokens-validator.servicetokens.svc" in spec["dnsNames"]
    spec = render(helm, tmp_path, values + ", serviceNames: false}")[
        "Certificate", "servicetokens-validator"
    ]["spec"]
    assert spec["dnsNames"] == ["*.tokens.example"]
    assert spec["ipAddresses"] == ["10.0.0.9"]


def test_an_existing_service_account_is_used_everywhere(helm: Helm, tmp_path: Path) -> None:
    """In the pod, in the bindings and in the policies; none is created for that component."""
    objects = render(helm, tmp_path, "operator: {serviceAccountName: mine}")
    assert ("ServiceAccount", "servicetokens-operator") not in objects
    assert ("ServiceAccount", "servicetokens-validator") in objects
    assert pod(objects, "operator")["spec"]["serviceAccountName"] == "mine"
    text = yaml.safe_dump_all(objects.values(), width=10_000)
    assert "system:serviceaccount:servicetokens:mine" in text
    assert "system:serviceaccount:servicetokens:servicetokens-operator" not in text
    subjects = [one["name"] for item in objects.values() for one in item.get("subjects") or ()]
    assert "mine" in subjects
    assert "servicetokens-operator" not in subjects


def test_the_pods_take_volumes_annotations_and_the_network_of_the_node(helm: Helm, tmp_path: Path) -> None:
    """For both components."""
    for component in ("operator", "validator"):
        objects = render(
            helm,
            tmp_path,
            f"{component}:\n"
            "  annotations: {reloader.stakater.com/auto: 'true'}\n"
            "  revisionHistoryLimit: 0\n"
            "  hostNetwork: true\n"
            "  extraVolumes: [{name: ca, configMap: {name: corporate-ca}}]\n"
            "  extraVolumeMounts: [{name: ca, mountPath: /ca, readOnly: true}]\n",
        )
        deployment = objects["Deployment", f"servicetokens-{component}"]
        assert deployment["metadata"]["annotations"] == {"reloader.stakater.com/auto": "true"}
        assert deployment["spec"]["revisionHistoryLimit"] == 0
        spec = pod(objects, component)["spec"]
        assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
        assert spec["volumes"][-1] == {"name": "ca", "configMap": {"name": "corporate-ca"}}
        assert spec["containers"][0]["volumeMounts"][-1]["mountPath"] == "/ca"


def test_the_service_takes_families_classes_and_ports(helm: Helm, tmp_path: Path) -> None:
    """A fixed node port belongs to one listener."""
    objects = render(
        helm,
        tmp_path,
        "listenAddress: '[::]'\n"
        "validator:\n"
        "  service:\n"
        "    type: LoadBalancer\n"
        "    ipFamilyPolicy: PreferDualStack\n"
        "    ipFamilies: [IPv6, IPv4]\n"
        "    externalTrafficPolicy: Local\n"
        "    loadBalancerClass: example.com/internal\n"
        "    nodePorts: {forwardAuth: 30080}\n",
    )
    spec = objects["Service", "servicetokens-validator"]["spec"]
    assert spec["ipFamilyPolicy"] == "PreferDualStack"
    assert spec["ipFamilies"] == ["IPv6", "IPv4"]
    assert spec["externalTrafficPolicy"] == "Local"
    assert spec["loadBalancerClass"] == "example.com/internal"
    assert [(port["name"], port["nodePort"]) for port in spec["ports"] if "nodePort" in port] == [
        ("http", 30080)
    ]


def test_network_policies_take_ports_and_rules_and_let_the_smoke_test_in(helm: Helm, tmp_path: Path) -> None:
    """With proxies named, `helm test` would otherwise be rejected by the network."""
    objects = render(
        helm,
        tmp_path,
        "networkPolicy:\n"
        "  enabled: true\n"
        "  proxies: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]\n"
        "  apiServerPorts: [16443]\n"
        "  dnsPorts: [5353]\n"
        "  extraIngress: [{ports: [{port: 9999}]}]\n"
        "  extraEgress: [{ports: [{port: 4317}]}]\n",
    )
    spec = objects["NetworkPolicy", "servicetokens-validator"]["spec"]
    smoke = objects["Pod", "servicetokens-smoke-test"]["metadata"]["labels"]
    peers = [peer for rule in spec["ingress"] for peer in rule.get("from", ())]
    assert any(
        smoke.items() >= peer["podSelector"]["matchLabels"].items() for peer in peers if "podSelector" in peer
    )
    assert any("namespaceSelector" in peer for peer in peers)
    assert {"ports": [{"port": 9999}]} in spec["ingress"]
    assert [port["port"] for rule in spec["egress"] for port in rule["ports"]] == [5353, 5353, 16443, 4317]


def test_a_pod_in_the_network_of_its_node_has_no_policy(helm: Helm, tmp_path: Path) -> None:
    """Policies hold there in no cluster; the other component keeps its own. The notes warn (`test_install.py`)."""
    values = "networkPolicy: {enabled: true}\nvalidator: {hostNetwork: true}\n"
    policies = [name for kind, name in render(helm, tmp_path, values) if kind == "NetworkPolicy"]
    assert policies == ["servicetokens-operator"]


def test_the_smoke_test_runs_where_a_validator_runs(helm: Helm, tmp_path: Path) -> None:
    """Taints, node labels and security contexts are those of the validator."""
    objects = render(
        helm,
        tmp_path,
        "validator:\n"
        "  nodeSelector: {pool: infra}\n"
        "  tolerations: [{key: infra, operator: Exists}]\n"
        "  podSecurityContext: {runAsUser: null}\n",
    )
    spec = objects["Pod", "servicetokens-smoke-test"]["spec"]
    template = pod(objects, "validator")["spec"]
    for field in ("nodeSelector", "tolerations", "securityContext"):
        assert spec[field] == template[field]


def test_a_parent_chart_switches_it_off(helm: Helm, tmp_path: Path) -> None:
    """As a dependency with the condition `servicetokens.enabled`."""
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "servicetokens").symlink_to(CHART)
    (parent / "Chart.yaml").write_text(
        "apiVersion: v2\nname: parent\nversion: 0.0.1\n"
        "dependencies: [{name: servicetokens, version: '*', condition: servicetokens.enabled}]\n"
    )
    assert "kind: Deployment" in helm("template", parent, "--set", "servicetokens.enabled=true").stdout
    assert "kind:" not in helm("template", parent, "--set", "servicetokens.enabled=false").stdout


@pytest.mark.parametrize("component", ["operator", "validator"])
def test_the_processes_know_their_pod_alongside_variables_from_values(
    helm: Helm, tmp_path: Path, component: str
) -> None:
    """Also on the network of the node, where the host is not called like the pod; nothing is set twice."""
    own = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    zone, named = {"name": "TZ", "value": "UTC"}, {"name": "POD_NAME", "value": "mine"}
    for more, expected in (
        ("[]", [own]),
        ("null", [own]),
        ([zone], [own, zone]),
        ([named, zone], [named, zone]),
    ):
        text = more if isinstance(more, str) else yaml.safe_dump(more, default_flow_style=True).strip()
        objects = render(helm, tmp_path, f"{component}: {{hostNetwork: true, extraEnv: {text}}}")
        (container,) = pod(objects, component)["spec"]["containers"]
        assert container["env"] == expected


def test_texts_of_additional_objects_stay_texts(helm: Helm, tmp_path: Path) -> None:
    """Whatever they look like, and whatever a template puts there; lists and numbers are kept."""
    objects = render(
        helm,
        tmp_path,
        "extraObjects:\n"
        "- apiVersion: v1\n"
        "  kind: ConfigMap\n"
        "  metadata: {name: more, labels: {number: '12e4567', release: '{{ .Release.Name }}'}}\n"
        "  data: {'yes': 'true', quoted: '{{ print \"a: b\" }}', digits: '007', '{{ .Release.Name }}': x}\n"
        "- apiVersion: example.com/v1\n"
        "  kind: Other\n"
        "  metadata: {name: other}\n"
        "  spec: {ports: [1, '2', {of: '{{ .Release.Namespace }}'}], count: 10000000, works: true, none: null}\n",
        release="20261129",
    )
    more = objects["ConfigMap", "more"]
    assert more["metadata"]["labels"] == {"number": "12e4567", "release": "20261129"}
    assert more["data"] == {"yes": "true", "quoted": "a: b", "digits": "007", "20261129": "x"}
    spec = objects["Other", "other"]["spec"]
    assert spec["ports"] == [1, "2", {"of": "servicetokens"}]
    assert (spec["count"], spec["works"]) == (10000000, True)
