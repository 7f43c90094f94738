"""values.yaml, its schema and the table in the chart's README say the same."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from common.drivers.helm import CHART, KUBERNETES, Helm
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


SERVICE = "validator.service"
POD = "operator.podSecurityContext"
VOLUME = "operator.extraVolumes[0].name=x"
POLICY = "networkPolicy.enabled=true"
MOUNT = "operator.extraVolumeMounts[0].name=x,operator.extraVolumeMounts[0].mountPath=/x"
# What `--set` takes, and what is said of it.
WRONG = [
    ("operator.replica=2", "operator"),
    ("operator.replicas=0", "replicas"),
    ("tls.source=vault", "source"),
    ("networkPolicy.dnsPorts={}", "dnsPorts"),
    (
        f"{SERVICE}.type=NodePort,{SERVICE}.nodePorts.forward=30080",
        "nodePorts: there is no listener 'forward'",
    ),
    (f"{SERVICE}.nodePorts.forwardAuth=99999", "nodePorts"),
    (f"{SERVICE}.ipFamilies={{IPv4,IPv4}}", "ipFamilies"),
    # Said by the chart itself, in sentences.
    ("image.digest=latest", "image.digest: 'latest' must be 'sha256:' and 64 digits from 0 to f"),
    ("image.repository=registry.example/a:1", "must be a repository without scheme, tag and digest"),
    ("image.repository=https://registry.example/a", "must be a repository without scheme, tag and digest"),
    ("image.tag=a b", "image.tag: 'a b' must be"),
    ("tokenPrefix=SVT", "tokenPrefix: 'SVT' must be two to ten lower-case letters and digits"),
    ("watchNamespaces={Team}", "watchNamespaces: 'Team' must be the name of a namespace"),
    ("commonLabels.team=a b", "commonLabels.team: 'a b' must be at most 63 letters"),
    ("commonLabels.a/b/c=x", "commonLabels: the key 'a/b/c' must be"),
    ("operator.podLabels.team=-x", "operator.podLabels.team: '-x' must be"),
    ("validator.nodeSelector.disk=a b", "validator.nodeSelector.disk: 'a b' must be"),
    ("validator.service.annotations.a b=x", "validator.service.annotations: the key 'a b' must be"),
    ("listenAddress=example.com", "listenAddress: 'example.com' must be an IP address without a port"),
    ("listenAddress=999.1.1.1", "listenAddress: '999.1.1.1' must be an IP address"),
    ("listenAddress=::", "an IPv6 one in brackets"),
    ("listenAddress=127.0.0.1", "listenAddress: '127.0.0.1' is reached by the pod itself only"),
    ("listenAddress=[::1]", "listenAddress: '[::1]' is reached by the pod itself only"),
    (
        "operator.extraEnv[0].name=HTTPS_PROXY,operator.extraEnv[1].name=HTTPS_PROXY",
        "operator.extraEnv: there are two variables 'HTTPS_PROXY'",
    ),
    (
        "validator.serviceAccountName=mine,validator.serviceAccountAnnotations.owner=me",
        "validator.serviceAccountAnnotations: has no effect on an existing ServiceAccount: annotate 'mine'",
    ),
    ("operator.tolerations[0].operator=exists", "operator.tolerations: the operator 'exists' must be Equal"),
    ("validator.tolerations[0].effect=noSchedule", "the effect 'noSchedule' must be NoSchedule, PreferNo"),
    (
        "operator.tolerations[0].operator=Exists,operator.tolerations[0].value=x",
        "with the operator Exists there is no value: remove 'x'",
    ),
    (
        "tls.source=certManager,tls.issuerRef.name=acme,tls.issuerRef.kind=clusterissuer",
        "tls.issuerRef.kind: 'clusterissuer' must be Issuer or ClusterIssuer",
    ),
    ("operator.leaseDuration=1s", "operator.leaseDuration: '1s' must be from 5s to 3600s"),
    ("operator.leaseDuration=2h", "operator.leaseDuration: '2h' must be from 5s to 3600s"),
    ("validator.maxStaleness=1s", "validator.maxStaleness: '1s' must be from 5s to 3600s"),
    ("validator.maxStaleness=1d", "must be one whole number and one unit out of s, m and h, as in 15s"),
    ("monitoring.serviceMonitor.interval=0s", "monitoring.serviceMonitor.interval: '0s' must be"),
    ("operator.maxUnavailable=0%", "operator.maxUnavailable: '0%' must be a number from 1 on"),
    ("operator.extraArgs={debug}", "operator.extraArgs: 'debug' must be one flag, with its value"),
    ("operator.serviceAccountName=A", "operator.serviceAccountName: 'A' must be the name of an object"),
    (
        "operator.extraEnv[0].name=A,operator.extraEnv[0].value=5",
        "the value of A must be text: put 5 in quotes",
    ),
    ("operator.extraEnv[0].name=1A", "operator.extraEnv: the name: '1A' must be"),
    (MOUNT, "there is no volume 'x': declare it in operator.extraVolumes"),
    (f"{VOLUME},operator.extraVolumes[1].name=x", "there are two volumes 'x'"),
    ("validator.extraVolumes[0].name=tls", "there are two volumes 'tls'"),
    (f"{VOLUME},{MOUNT.replace('=/x', '=/tls')}", "something else is mounted at /tls"),
    (f"{VOLUME},operator.extraVolumeMounts[0].name=x", "'x' has no mountPath"),
    (f"{POD}.runAsUser=3000000000", f"{POD}.runAsUser: 3000000000 must be a number from 0 to 2147483647"),
    (f"{POD}.supplementalGroups={{1,-1}}", f"{POD}.supplementalGroups: -1 must be a number"),
    ("validator.securityContext.runAsGroup=nobody", "validator.securityContext.runAsGroup: nobody must be"),
    (
        "operator.resources.limits.memory=512mb",
        "operator.resources.limits.memory: '512mb' must be a quantity",
    ),
    ("operator.serviceAccountName=a,validator.serviceAccountName=a", "both processes would run as 'a'"),
    ("operator.serviceAccountName=servicetokens-validator", "each would have the permissions of the other"),
    ("operator.extraArgs={--log-level debug}", "must be one flag, with its value behind '='"),
    ("operator.extraArgs={--loglevel=debug}", "'servicetokens operator' has no flag --loglevel; it has --"),
    ("validator.extraArgs={--lease-duration=5s}", "'servicetokens validator' has no flag --lease-duration"),
    ("operator.priorityClassName=High_Prio", "operator.priorityClassName: 'High_Prio' must be the name"),
    ("imagePullSecrets[0].name=Registry", "imagePullSecrets: 'Registry' must be the name of an object"),
    ("validator.clientAuthentication.secretName=A_B", "clientAuthentication.secretName: 'A_B' must be"),
    ("tls.source=secret,tls.secretName=A_B", "tls.secretName: 'A_B' must be the name of an object"),
    (f"{POD}.fsGroup=65532.5", f"{POD}.fsGroup: 65532.5 must be a number from 0"),
    ("operator.extraVolumes[0].emptyDir.medium=Memory", "operator.extraVolumes: a volume has no name"),
    (f"{POLICY},networkPolicy.proxies[0].cidr=10.0.0.0/8", "networkPolicy.proxies: 'cidr' is not part of"),
    ("extraObjects[0].kind=ConfigMap", "extraObjects: an object needs apiVersion, kind and metadata.name"),
    ("operator.resources.request.cpu=1", "operator.resources: there are no 'request', only requests, limits"),
    ("operator.resources.requests.memory=1Gi", "requests.memory: 1Gi is more than the limit 512Mi"),
    ("tls.source=secret", "name it in tls.secretName"),
    ("tls.source=certManager", "say who signs in tls.issuerRef"),
    ("tls.secretName=mine", "tls.secretName: has no effect while tls.source is 'self'"),
    ("tls.issuerRef.name=acme", "tls.issuerRef: has no effect while tls.source is 'self'"),
    ("tls.source=secret,tls.secretName=a,tls.names={a.example}", "tls.names: has no effect"),
    (
        "tls.source=certManager,tls.issuerRef.name=acme,tls.serviceNames=false",
        "name at least one DNS name in tls.names",
    ),
    (
        "tls.names={https://tokens.example}",
        "'https://tokens.example' is neither a DNS name in lower-case letters nor",
    ),
    ("tls.names={tokens.example:8443}", "leave out scheme, port and path"),
    ("tls.names={999.1.1.1}", "tls.names: '999.1.1.1' is neither"),
    ("validator.autoscaling.enabled=true,validator.autoscaling.minReplicas=9", "minReplicas"),
    (
        "validator.autoscaling.enabled=true,validator.resources.requests.cpu=null",
        "targetCPU is a share of validator.resources.requests.cpu, which is not set",
    ),
    (
        "validator.trustedProxies={10.0.0.1/8}",
        "'10.0.0.1/8' has bits set behind its prefix; its network is 10.0.0.0/8",
    ),
    ("validator.trustedProxies={172.16.5.0/20}", "its network is 172.16.0.0/20"),
    ("validator.trustedProxies={fd00::1/8}", "its network is fd00:0:0:0:0:0:0:0/8"),
    ("validator.trustedProxies={10.0.0.0/33}", "its prefix must have from 0 to 32 bits"),
    ("validator.trustedProxies={fd00::/129}", "its prefix must have from 0 to 128 bits"),
    (
        "validator.trustedProxies={10.300.0.0/16}",
        "'10.300.0.0/16' is no network, as in 10.0.0.0/8 or fd00::/8",
    ),
    (
        "validator.clientAuthentication.names={api}",
        "needs secretName: without a CA no client shows a certificate",
    ),
    (
        "validator.clientAuthentication.secretName=ca,validator.listeners.tokenReview=false",
        "is of the TokenReview listener, which is off",
    ),
    (f"{SERVICE}.nodePorts.forwardAuth=30080", "nodePorts: needs type NodePort or LoadBalancer"),
    (
        f"{SERVICE}.type=NodePort,{SERVICE}.nodePorts.forwardAuth=30080,{SERVICE}.nodePorts.extAuthz=30080",
        "two listeners have port 30080",
    ),
    (
        f"{SERVICE}.type=NodePort,{SERVICE}.nodePorts.extAuthzGrpc=30080",
        "nodePorts.extAuthzGrpc: that listener is off",
    ),
    (f"{SERVICE}.externalTrafficPolicy=Local", "externalTrafficPolicy: needs type NodePort or LoadBalancer"),
    (f"{SERVICE}.type=NodePort,{SERVICE}.loadBalancerClass=x", "loadBalancerClass: needs type LoadBalancer"),
    (f"{SERVICE}.type=LoadBalancer,{SERVICE}.clusterIP=None", "clusterIP: None needs type ClusterIP"),
    (f"{SERVICE}.clusterIP=10.0.0", "clusterIP: '10.0.0' must be an IP address, or None"),
    (
        f"{SERVICE}.ipFamilyPolicy=SingleStack,{SERVICE}.ipFamilies={{IPv4,IPv6}}",
        "two families need ipFamilyPolicy",
    ),
    (
        f"{POLICY},networkPolicy.apiServer={{10.0.0.1/8}}",
        "networkPolicy.apiServer: '10.0.0.1/8' has bits set",
    ),
    (f"{POLICY},networkPolicy.apiServer={{10.0.0.1}}", "networkPolicy.apiServer: '10.0.0.1' is no network"),
    (
        f"{POLICY},networkPolicy.proxies[0].ipBlock.cidr=10.0.0.1/8",
        "networkPolicy.proxies: '10.0.0.1/8' has bits set",
    ),
    ("networkPolicy.apiServer={10.0.0.0/8}", "apiServer: has no effect while networkPolicy.enabled is false"),
    ("networkPolicy.dnsPorts={5353}", "networkPolicy.dnsPorts: has no effect while networkPolicy.enabled is"),
    ("networkPolicy.extraEgress[0].ports[0].port=1", "networkPolicy.extraEgress: has no effect while"),
    (
        f"{POLICY},operator.hostNetwork=true,validator.hostNetwork=true",
        "networkPolicy.enabled: has no effect, since operator.hostNetwork and validator.hostNetwork",
    ),
    (f"{SERVICE}.ipFamilies={{IPv6}}", "listenAddress '0.0.0.0' is IPv4 only: set listenAddress to \"[::]\""),
    (f"{SERVICE}.ipFamilyPolicy=RequireDualStack", "clients would be sent to IPv6 addresses"),
    (
        f"listenAddress=[fd00::7],{SERVICE}.ipFamilies={{IPv4}}",
        "clients would be sent to IPv4 addresses, and listenAddress '[fd00::7]' is IPv6 only",
    ),
    ("operator.maxUnavailable=2", "operator.maxUnavailable: '2' of 2 replicas is all of them"),
    ("validator.maxUnavailable=51%", "validator.maxUnavailable: '51%' of 2 replicas is all of them"),
    (
        "validator.autoscaling.enabled=true,validator.autoscaling.minReplicas=3,validator.maxUnavailable=3",
        "validator.maxUnavailable: '3' of 3 replicas is all of them",
    ),
]


@pytest.mark.parametrize(("value", "words"), WRONG)
def test_a_wrong_value_is_named(helm: Helm, value: str, words: str) -> None:
    """Before anything is sent to a cluster."""
    done = helm("template", CHART, "--kube-version", KUBERNETES, "--set", value, check=False)
    assert done.returncode != 0
    assert words in done.stderr


def test_switching_everything_off_is_rejected(helm: Helm) -> None:
    """Nothing would answer."""
    silent = CHART.parents[1] / "tests" / "chart" / "silent-values.yaml"
    done = helm("template", CHART, "--kube-version", KUBERNETES, "--values", silent, check=False)
    assert done.returncode != 0
    assert "all are off" in done.stderr


def test_the_schema_reports_no_regular_expression() -> None:
    """Helm would show it to people as it is; the templates say the same in sentences."""
    assert '"pattern' not in json.dumps(SCHEMA)


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
