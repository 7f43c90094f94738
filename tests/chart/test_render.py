"""What the chart renders, without a cluster."""

import json
import re
from pathlib import Path

import pytest
import yaml

from common.drivers.helm import CASES, CHART, KUBERNETES, Helm, Rendered, places, pods, values
from common.repository import ROOT

STANDARD_LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}


@pytest.mark.parametrize("case", CASES)
def test_every_case_passes_lint_and_renders(helm: Helm, case: str) -> None:
    """Strictly: a warning fails. No object has the name of another one, and each has the labels."""
    helm("lint", "--strict", CHART, "--kube-version", KUBERNETES, "--values", values(case))
    for item in places(helm.template("--values", values(case))).values():
        if not item["metadata"]["name"].startswith("beside"):
            assert set(item["metadata"]["labels"]) >= STANDARD_LABELS, item["metadata"]["name"]


@pytest.mark.parametrize("case", CASES)
def test_both_versions_of_helm_render_the_same(tmp_path: Path, case: str) -> None:
    """So there is one chart to be tested elsewhere."""
    third, fourth = (
        Helm(version, tmp_path).template("--values", values(case)) for version in ("helm3", "helm4")
    )
    assert places(third) == places(fourth)


def test_rendering_twice_gives_the_same(helm: Helm) -> None:
    """Nothing random, nothing looked up: GitOps renders without a cluster, and compares."""
    assert helm.template() == helm.template()
    text = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    assert not re.search(
        r"\b(lookup|rand\w+|genCA|genSignedCert|uuidv4|now)\b", re.sub(r"{{/\*.*?\*/}}", "", text)
    )


def test_artifact_hub_lists_our_kinds() -> None:
    """Each of the three, in the version that is served, and an example that is one of ours."""
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    told = {
        (one["name"], one["kind"], one["version"])
        for one in yaml.safe_load(annotations["artifacthub.io/crds"])
    }
    ours = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert told == {
        (crd["metadata"]["name"], crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["name"])
        for crd in ours
    }
    (example,) = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    assert example["kind"] in {kind for _, kind, _ in told}


def stripped(item: Rendered) -> Rendered:
    """Return an object without what only a release adds."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in {"labels", "namespace"}}
    aggregated = {
        key: value
        for key, value in item["metadata"].get("labels", {}).items()
        if key.startswith("rbac.authorization.k8s.io/")
    }
    return {**item, "metadata": {**metadata, "labels": aggregated}}


def test_the_default_release_grants_what_config_grants(helm: Helm) -> None:
    """Rights and policies under the same names, word for word."""
    rendered = places(helm.template())
    files = (
        "rbac/rbac",
        "rbac/rbac-cluster",
        "policies/policies",
        "policies/policy-keys",
        "policies/policy-status",
    )
    for file in files:
        for item in yaml.safe_load_all((ROOT / "config" / f"{file}.yaml").read_text()):
            place = (f"{item['apiVersion']} {item['kind']}", "", item["metadata"]["name"])
            assert stripped(rendered[place]) == stripped(item)


def test_the_crds_are_ours_and_are_kept(helm: Helm) -> None:
    """Every number and every rule as generated, and an annotation more."""
    rendered = {item["metadata"]["name"]: item for item in helm.template()}
    for path in (ROOT / "crds").glob("*.yaml"):
        ours = yaml.safe_load(path.read_text())
        found = rendered[ours["metadata"]["name"]]
        assert found["spec"] == ours["spec"]
        ours["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep"
        assert found["metadata"]["annotations"] == ours["metadata"]["annotations"]
    dropped = helm.template("--set", "crds.keep=false")
    assert not any("helm.sh/resource-policy" in str(item["metadata"]) for item in dropped)


def test_another_release_in_another_namespace_shares_no_name(helm: Helm) -> None:
    """Two installations for different teams, in one cluster; identities and policies follow the namespace."""
    flags = ("--values", values("namespaced"))
    first = places(helm.template(*flags))
    again = helm.template(*flags, "--set", "crds.enabled=false", release="blue", namespace="tokens-blue")
    second = places(again)
    cluster_wide = {
        place for place in second if place[0].split()[1].startswith(("Cluster", "ValidatingAdmissionPolicy"))
    }
    assert cluster_wide
    assert not cluster_wide & set(first)
    text = yaml.safe_dump_all(again)
    assert "system:serviceaccount:servicetokens:" not in text
    assert "request.namespace == 'servicetokens'" not in text
    assert "system:serviceaccount:tokens-blue:servicetokens-operator" in text
    subjects = [subject for item in again for subject in item.get("subjects") or ()]
    assert {subject["namespace"] for subject in subjects if subject["kind"] == "ServiceAccount"} == {
        "tokens-blue"
    }
    roles = {item["metadata"]["name"] for item in again if item["kind"].endswith("Role")}
    assert {item["roleRef"]["name"] for item in again if "roleRef" in item} <= roles
    policies = {item["metadata"]["name"] for item in again if item["kind"] == "ValidatingAdmissionPolicy"}
    assert {
        item["spec"]["policyName"] for item in again if item["kind"].endswith("PolicyBinding")
    } == policies


def policy_of(objects: list[Rendered], name: str) -> Rendered:
    """Return the spec of a ValidatingAdmissionPolicy."""
    (found,) = [
        item["spec"]
        for item in objects
        if item["kind"] == "ValidatingAdmissionPolicy" and item["metadata"]["name"] == name
    ]
    return dict(found)


def test_the_platform_names_the_domains_that_templates_may_use(helm: Helm) -> None:
    """None by default; what is no domain is rejected by the schema of the values."""
    for prefixes in ([], ["example.com", "reloader.stakater.com"]):
        flags = ("--set-json", f"templates.allowedPrefixes={json.dumps(prefixes)}")
        policy = policy_of(helm.template(*flags), "servicetokens-secret-template")
        (variable,) = [one for one in policy["variables"] if one["name"] == "allowedPrefixes"]
        assert json.loads(variable["expression"]) == prefixes
    for wrong in ("example.com/", "Example.com", "*", "a'b", ""):
        with pytest.raises(AssertionError, match="allowedPrefixes"):
            helm.template("--set-json", f"templates.allowedPrefixes={json.dumps([wrong])}")


def test_a_namespaced_release_checks_its_own_namespaces_only(helm: Helm) -> None:
    """Another installation's operator writes the status in the others, and that of roles, which are in none."""
    for name in ("servicetokens-status", "servicetokens-secret-template"):
        served = policy_of(helm.template("--values", values("namespaced")), name)["matchConditions"][0]
        ours = 'request.?namespace.orValue(\'\') in ["team-a","team-b"]'
        roles = (
            " || (request.resource.resource == 'serviceroles' && !request.userInfo.username.matches("
            "'^system:serviceaccount:[^:]+:servicetokens-operator$'))"
        )
        assert served["expression"] == ours + (roles if name == "servicetokens-status" else "")
        everywhere = policy_of(helm.template(), name)["matchConditions"][0]
        assert everywhere == {"name": "is-served", "expression": "true"}


def test_the_status_is_readable_only_when_configured(helm: Helm) -> None:
    """For those who want to edit it by hand."""
    opened = helm.template("--set", "policies.protectStatus=false")
    assert not any(item["metadata"]["name"] == "servicetokens-status" for item in opened)


def test_a_namespaced_release_has_rights_in_its_namespaces_only(helm: Helm) -> None:
    """And without --watch-secrets nothing grants permission to list Secrets."""
    rendered = helm.template("--values", values("namespaced"))
    bindings = [
        (item["kind"], item["metadata"].get("namespace", ""), item["roleRef"]["name"])
        for item in rendered
        if item["kind"].endswith("Binding") and "roleRef" in item
    ]
    served = {
        (namespace, f"servicetokens-{process}")
        for namespace in ("team-a", "team-b")
        for process in ("operator", "validator")
    }
    assert {(namespace, role) for _, namespace, role in bindings if namespace.startswith("team-")} >= served
    assert not any(role.endswith("-watch-secrets") for _, _, role in bindings)
    everywhere = {role for kind, _, role in bindings if kind == "ClusterRoleBinding"}
    assert everywhere == {
        "servicetokens-catalogue-view",
        "servicetokens-common",
        "servicetokens-operator-catalogue",
    }
    for process in ("operator", "validator"):
        arguments = container(rendered, process)["args"]
        assert "--watch-namespace=team-a" in arguments
        assert "--watch-namespace=team-b" in arguments
    assert "--no-watch-secrets" in container(rendered, "operator")["args"]


def container(objects: list[Rendered], component: str) -> Rendered:
    """Return the container of the operator or of the validator."""
    (found,) = dict(pods(objects))[f"servicetokens-{component}"]["containers"]
    return dict(found)


@pytest.mark.parametrize("case", CASES)
def test_no_pod_has_a_token_but_the_one_it_mounts(helm: Helm, case: str) -> None:
    """Projected, bound to the pod, an hour old at most; and the file system cannot be written."""
    found = list(pods(helm.template("--values", values(case))))
    assert found
    for name, spec in found:
        assert spec["automountServiceAccountToken"] is False, name
        (projected,) = [volume["projected"] for volume in spec["volumes"] if "projected" in volume]
        (token,) = [
            source["serviceAccountToken"]
            for source in projected["sources"]
            if "serviceAccountToken" in source
        ]
        assert token["expirationSeconds"] <= 3600
        for one in spec["containers"]:
            assert one["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert set(one["resources"]) == {"requests", "limits"}


def test_a_digest_wins_over_a_tag(helm: Helm) -> None:
    """For every container, the test's too."""
    digest = "sha256:" + "0" * 64
    rendered = helm.template("--values", values("namespaced"), "--set", "image.tag=1.2.3")
    images = {one["image"] for _, spec in pods(rendered) for one in spec["containers"]}
    assert images == {f"servicetokens@{digest}"}


def test_the_processes_understand_their_arguments(helm: Helm) -> None:
    """Every flag that a case renders is one of the command's."""
    from servicetokens.controllers.main import command as operator  # noqa: PLC0415 - only this test needs them
    from servicetokens.validator.main import command as validator  # noqa: PLC0415

    for case in CASES:
        rendered = helm.template("--values", values(case))
        for name, command in (("operator", operator), ("validator", validator)):
            called, *arguments = container(rendered, name)["args"]
            assert called == name
            with command.make_context(name, list(arguments)):
                pass


def test_tokens_without_roles_pass_only_when_configured(helm: Helm) -> None:
    """By a flag of the validator, which does not exist by default."""
    for flags, rendered in (((), False), (("--set", "validator.allowWithoutRoles=true"), True)):
        arguments = container(helm.template(*flags), "validator")["args"]
        assert ("--allow-without-roles" in arguments) is rendered


def test_network_policies_allow_named_clients(helm: Helm) -> None:
    """Proxies, Prometheus, and kube-apiserver, which no selector names; out goes DNS and the API server."""
    rendered = places(helm.template("--values", values("production")))
    policy = rendered["networking.k8s.io/v1 NetworkPolicy", "", "servicetokens-validator"]["spec"]
    peers = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["ingress"]}
    assert peers["https-review"] is None
    smoke_test = {
        "app.kubernetes.io/name": "servicetokens",
        "app.kubernetes.io/instance": "servicetokens",
        "app.kubernetes.io/component": "smoke-test",
    }
    assert peers["http"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}},
        {"podSelector": {"matchLabels": smoke_test}},
    ]
    assert peers["health"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    assert policy["egress"][1]["to"] == [{"ipBlock": {"cidr": "192.0.2.0/28"}}]
    ports = {one["name"] for one in container(list(rendered.values()), "validator")["ports"]}
    assert set(peers) == ports


def test_what_is_off_is_not_rendered(helm: Helm) -> None:
    """Listeners, budgets, and the test, which would have no validator to ask."""
    minimal = helm.template("--values", values("minimal"))
    assert not any(item["kind"] == "PodDisruptionBudget" for item in minimal)
    own = helm.template("--values", values("own-certificate"))
    kinds = {item["kind"] for item in own}
    assert not kinds & {"CustomResourceDefinition", "ClusterRole", "ValidatingAdmissionPolicy", "Pod"}
    arguments = container(own, "validator")["args"]
    assert "--forward-auth-address=" in arguments
    (service,) = [item for item in own if item["kind"] == "Service"]
    assert [port["port"] for port in service["spec"]["ports"]] == [8443, 8444]
