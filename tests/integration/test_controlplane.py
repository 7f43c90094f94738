"""The control plane under the other integration tests is real: security, controllers and audit log work.

What starts, stops and breaks a control plane is in test_controlplane_instances.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controlplane.audit import Write
from controlplane.build import Versions
from controlplane.cluster import Cluster
from controlplane.crds import install_crds
from controlplane.kubectl import Kubectl, KubectlFailed
from controlplane.waiting import wait_until

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def create(cluster: Cluster, collection: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create an object as the administrator and return it."""
    answer = cluster.client().request("POST", collection, body)
    assert answer.status == 201, answer
    return dict(answer.body)


def exists(cluster: Cluster, path: str) -> bool:
    """Whether the API server has an object there."""
    return cluster.client().request("GET", path).ok


def config_map(name: str, **metadata: object) -> dict[str, Any]:
    """The smallest object there is."""
    return {"metadata": {"name": name, **metadata}}


def test_it_is_the_version_that_go_mod_pins(cluster: Cluster) -> None:
    """The server calls itself what go.mod asks for, in full and in parts."""
    version = cluster.client().request("GET", "/version").body
    pinned = Versions.read().kubernetes
    assert version["gitVersion"] == pinned
    assert f"v{version['major']}.{version['minor']}." in pinned


def test_an_unknown_user_has_no_permissions(cluster: Cluster, namespace: str) -> None:
    """RBAC is on: a user without roles is rejected, by name."""
    answer = cluster.client("alice", ("guests",)).request("GET", f"/api/v1/namespaces/{namespace}/secrets")
    assert answer.status == 403
    assert 'User "alice" cannot list resource "secrets"' in answer.body["message"]


@pytest.mark.parametrize(("kind", "name"), [("User", "bob"), ("Group", "readers")])
def test_rights_come_from_roles(cluster: Cluster, namespace: str, kind: str, name: str) -> None:
    """What a role binding gives to a user or to a group is allowed, and no more."""
    collection = f"{RBAC}/namespaces/{namespace}"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    create(cluster, f"{collection}/roles", {"metadata": {"name": "reader"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}],
    }
    create(cluster, f"{collection}/rolebindings", binding)
    bob = cluster.client("bob", ("readers",))
    path = f"/api/v1/namespaces/{namespace}"
    wait_until(lambda: bob.request("GET", f"{path}/configmaps").ok, what="the role to be known")
    assert bob.request("GET", f"{path}/secrets").status == 403
    assert bob.request("DELETE", f"{path}/configmaps/kube-root-ca.crt").status == 403


def test_a_kubeconfig_makes_its_user(cluster: Cluster, kubectl: Kubectl) -> None:
    """A kubectl with a user's kubeconfig is that user, with all groups."""
    said = kubectl("auth", "whoami", "-o", "json", kubeconfig=cluster.user("eve", ("one", "two")))
    user = json.loads(said.stdout)["status"]["userInfo"]
    assert user["username"] == "eve"
    assert user["groups"] == ["one", "two", "system:authenticated"]


def test_owned_objects_are_garbage_collected(cluster: Cluster, namespace: str) -> None:
    """When the owner is deleted its dependent goes, and nothing else does."""
    collection = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = create(cluster, collection, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    create(cluster, collection, config_map("owned", ownerReferences=[reference]))
    create(cluster, collection, config_map("free"))
    cluster.client().request("DELETE", f"{collection}/owner")
    wait_until(lambda: not exists(cluster, f"{collection}/owned"), what="the dependent to be collected")
    assert exists(cluster, f"{collection}/free")


def test_a_namespace_is_equipped(cluster: Cluster, namespace: str) -> None:
    """A new namespace gets a service account, and the certificate of the authority to trust."""
    path = f"/api/v1/namespaces/{namespace}"
    wait_until(lambda: exists(cluster, f"{path}/serviceaccounts/default"), what="the service account")
    wait_until(lambda: exists(cluster, f"{path}/configmaps/kube-root-ca.crt"), what="the certificate")
    published = cluster.client().request("GET", f"{path}/configmaps/kube-root-ca.crt").body["data"]["ca.crt"]
    assert published == cluster.files.authority.certificate.read_text()


def test_a_deleted_namespace_goes_away(cluster: Cluster, namespace: str) -> None:
    """Its objects are deleted, then the namespace itself."""
    create(cluster, f"/api/v1/namespaces/{namespace}/configmaps", config_map("content"))
    assert cluster.client().request("DELETE", f"/api/v1/namespaces/{namespace}").ok
    wait_until(
        lambda: not exists(cluster, f"/api/v1/namespaces/{namespace}"), what="the namespace to go", timeout=30
    )


def test_service_accounts_get_tokens_that_work(cluster: Cluster, namespace: str, kubectl: Kubectl) -> None:
    """A requested token and one in a Secret of the old kind both authenticate their service account."""
    create(cluster, f"/api/v1/namespaces/{namespace}/serviceaccounts", config_map("robot"))
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    metadata = {"name": "robot", "annotations": {"kubernetes.io/service-account.name": "robot"}}
    create(cluster, secrets, {"metadata": metadata, "type": "kubernetes.io/service-account-token"})
    data = wait_until(
        lambda: cluster.client().request("GET", f"{secrets}/robot").body.get("data"),
        what="the token's Secret",
    )
    requested = kubectl("create", "token", "robot", "-n", namespace).stdout.strip()
    for token in (requested, base64.b64decode(data["token"]).decode()):
        said = kubectl("auth", "whoami", "-o", "json", kubeconfig=cluster.bearer(token))
        user = json.loads(said.stdout)["status"]["userInfo"]["username"]
        assert user == f"system:serviceaccount:{namespace}:robot"


def test_cluster_roles_are_aggregated(cluster: Cluster) -> None:
    """A role with the right label adds its rules to the built-in role `view`."""
    rule = {"apiGroups": ["example.test"], "resources": ["aggregated"], "verbs": ["get"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    create(
        cluster,
        f"{RBAC}/clusterroles",
        {"metadata": {"name": "test-aggregated", "labels": labels}, "rules": [rule]},
    )
    view = f"{RBAC}/clusterroles/view"
    wait_until(
        lambda: rule in cluster.client().request("GET", view).body["rules"], what="the rule to be aggregated"
    )
    cluster.client().request("DELETE", f"{RBAC}/clusterroles/test-aggregated")


def test_admission_policies_are_checked_and_enforced(cluster: Cluster, namespace: str) -> None:
    """A ValidatingAdmissionPolicy is type-checked by its controller, and rejects what it says."""
    name = f"no-bad-names.{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    validation = {"expression": "!object.metadata.name.startsWith('bad')", "message": "bad names are bad"}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    create(cluster, f"{ADMISSION}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": policy})
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": selector},
    }
    bindings = f"{ADMISSION}/validatingadmissionpolicybindings"
    create(cluster, bindings, {"metadata": {"name": name}, "spec": binding})
    path = f"{ADMISSION}/validatingadmissionpolicies/{name}"
    wait_until(
        lambda: "typeChecking" in cluster.client().request("GET", path).body.get("status", {}),
        what="the policy to be type-checked",
    )
    collection = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"
    refused = wait_until(
        lambda: _unless_ok(cluster, collection, config_map("bad-one")), what="the policy to be enforced"
    )
    assert "bad names are bad" in refused["message"]
    assert cluster.client().request("POST", collection, config_map("good")).ok


def test_the_audit_log_counts_writes(cluster: Cluster, namespace: str) -> None:
    """A write counts once under its user, verb and resource, rejected or not; reads and dry runs do not."""
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    scribe = cluster.client("scribe", ("system:masters",))
    before = cluster.audit.mark()
    for name in ("one", "two", "three"):
        scribe.request("POST", secrets, config_map(name))
    patch = {"metadata": {"labels": {"a": "b"}}}
    scribe.request("PATCH", f"{secrets}/one", patch)
    scribe.request("DELETE", f"{secrets}/two")
    scribe.request("GET", secrets)
    scribe.request("POST", f"{secrets}?dryRun=All", config_map("four"))
    scribe.request("POST", secrets.replace("secrets", "configmaps"), config_map("one"))
    assert cluster.client("mallory").request("POST", secrets, config_map("five")).status == 403
    assert cluster.audit.writes(before, user="scribe", resource="secrets") == {
        Write("scribe", "create", "secrets"): 3,
        Write("scribe", "patch", "secrets"): 1,
        Write("scribe", "delete", "secrets"): 1,
    }
    assert cluster.audit.writes(before, user="scribe").total() == 6
    assert cluster.audit.writes(before, user="mallory") == {Write("mallory", "create", "secrets"): 1}
    after = cluster.audit.mark()
    assert cluster.audit.writes(after, user="scribe").total() == 0


def test_the_audit_log_tells_requests_apart(cluster: Cluster, namespace: str) -> None:
    """A record says who did what to which object or subresource, with what program, and how it went."""
    before = cluster.audit.mark()
    status = f"/api/v1/namespaces/{namespace}/status"
    patch = {"metadata": {"labels": {"a": "b"}}}
    cluster.client().request("PATCH", status, patch)
    cluster.client().request("GET", f"{RBAC}/namespaces/{namespace}/roles/none")
    mine = [record for record in cluster.audit.records(before) if record.user_agent == "servicetokens-tests"]
    assert [(record.verb, record.group, record.resource, record.status) for record in mine] == [
        ("patch", "", "namespaces/status", 200),
        ("get", "rbac.authorization.k8s.io", "roles", 404),
    ]
    assert [(record.user, record.namespace, record.name) for record in mine] == [
        ("servicetokens-tests", namespace, namespace),
        ("servicetokens-tests", namespace, "none"),
    ]


def test_the_audit_log_holds_no_content(cluster: Cluster, namespace: str) -> None:
    """What is in a Secret never gets into the log."""
    body = {"metadata": {"name": "hidden"}, "stringData": {"password": "correct horse battery staple"}}
    create(cluster, f"/api/v1/namespaces/{namespace}/secrets", body)
    cluster.audit.mark()
    log = cluster.audit.path.read_text()
    assert f"/api/v1/namespaces/{namespace}/secrets" in log
    for spelling in ("correct horse", base64.b64encode(b"correct horse battery staple").decode()):
        assert spelling not in log


def test_kubectl_reports_failure(kubectl: Kubectl, namespace: str) -> None:
    """A rejection is an exception with what kubectl said, or an exit status for those who expect it."""
    with pytest.raises(KubectlFailed, match=r'get configmap none .*\n.*configmaps "none" not found'):
        kubectl("get", "configmap", "none", "-n", namespace)
    done = kubectl("get", "configmap", "none", "-n", namespace, check=False)
    assert done.returncode == 1
    assert "not found" in done.stderr


def test_kubectl_takes_manifests_and_no_foreign_settings(
    kubectl: Kubectl, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manifests go in as text; the user's own kubeconfig plays no part."""
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    manifest = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", **config_map("typed")})
    assert kubectl("apply", "-n", namespace, "-f", "-", input=manifest).stdout == "configmap/typed created\n"


@pytest.fixture
def widgets(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """A custom resource, installed as ours are; its API group."""
    group = "example.test"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    (tmp_path / "widgets.json").write_text(json.dumps(definition))
    install_crds(cluster, tmp_path)
    yield group
    cluster.kubectl("delete", "crd", f"widgets.{group}", "--wait=false")


def test_installed_kinds_work_immediately(
    cluster: Cluster, namespace: str, kubectl: Kubectl, widgets: str
) -> None:
    """Once a CRD is installed, kubectl knows the kind and the garbage collector follows its objects."""
    manifest = {"apiVersion": f"{widgets}/v1", "kind": "Widget", "metadata": {"name": "owner"}}
    kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(manifest))
    path = f"/apis/{widgets}/v1/namespaces/{namespace}/widgets/owner"
    uid = cluster.client().request("GET", path).body["metadata"]["uid"]
    reference = {"apiVersion": f"{widgets}/v1", "kind": "Widget", "name": "owner", "uid": uid}
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    create(cluster, secrets, config_map("owned", ownerReferences=[reference]))
    kubectl("delete", f"widgets.{widgets}", "owner", "-n", namespace)
    wait_until(lambda: not exists(cluster, f"{secrets}/owned"), what="the dependent to be collected")


def _unless_ok(cluster: Cluster, collection: str, body: dict[str, Any]) -> dict[str, Any] | None:
    answer = cluster.client().request("POST", collection, body)
    return None if answer.ok else answer.body
