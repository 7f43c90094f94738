"""What an attacker can do who has stolen the operator's or the validator's credentials: none of these."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from common.builders.stored import store_keys
from common.drivers.world import GROUP, GROUPS, HOME, OPERATOR, VALIDATOR, World
from servicetokens.api import names
from servicetokens.tokens.verifier import KEY_BYTES

RBAC = "/apis/rbac.authorization.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/servicetokens/leases"
CORE = "/api/v1/namespaces/{namespace}"
OURS = GROUP + "/namespaces/{namespace}"
AT_HOME = f"/api/v1/namespaces/{HOME}/secrets"
SECRETS = CORE + "/secrets"
TOKEN = OURS + "/servicetokens/victim"
A_TOKEN = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND_TOKEN,
    "name": "victim",
    "uid": "1",
    "controller": True,
}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1", "controller": True}


@dataclass(frozen=True)
class Attempt:
    """A request; `{namespace}` is where the victims are."""

    name: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.name


def of_secret(kind: str = names.SECRET_TYPE, name: str = "planted", **metadata: Any) -> dict[str, Any]:
    """Return the body of a Secret."""
    return {"metadata": {"name": name, **metadata}, "type": kind, "data": {"token": "eA=="}}


CLUSTER_ADMIN = {
    "metadata": {"name": "mine"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR}],
}
POD = {"metadata": {"name": "mine"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
NEW_TOKEN = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND_TOKEN,
    "metadata": {"name": "mine"},
    "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
}
NEW_ROLE = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND_ROLE,
    "metadata": {"name": "mine"},
    "spec": {"allowedNamespaces": ["*"]},
}
VALIDATORS_LEASE = {
    "metadata": {
        "name": "servicetokens-validator-00",
        "labels": {"servicetokens.dev/component": "validator"},
    },
    "spec": {},
}


# What both are rejected.
BOTH = (
    Attempt("grants itself everything", "POST", f"{RBAC}/clusterrolebindings", CLUSTER_ADMIN),
    Attempt("widens its own role", "PATCH", f"{RBAC}/clusterroles/servicetokens-operator", {"rules": []}),
    Attempt("runs a pod", "POST", CORE + "/pods", POD),
    Attempt(
        "gets a token of another identity",
        "POST",
        CORE + "/serviceaccounts/default/token",
        {},
    ),
    Attempt("creates a token", "POST", OURS + "/servicetokens", NEW_TOKEN),
    Attempt("restores a token", "PATCH", TOKEN, {"spec": {"state": "Active"}}),
    Attempt("deletes a token", "DELETE", TOKEN),
    Attempt("creates a role", "POST", f"{GROUP}/serviceroles", NEW_ROLE),
    Attempt(
        "widens an account",
        "PATCH",
        OURS + "/serviceaccounts/ci",
        {"spec": {"roles": ["x"]}},
    ),
    Attempt(
        "deletes a CRD",
        "DELETE",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/servicetokens.servicetokens.dev",
    ),
    Attempt(
        "deletes a policy",
        "DELETE",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/servicetokens-leases",
    ),
    Attempt("creates an Opaque Secret", "POST", SECRETS, of_secret("Opaque")),
    Attempt("creates a token's Secret without an owner", "POST", SECRETS, of_secret()),
    Attempt(
        "creates a token's Secret for something else", "POST", SECRETS, of_secret(ownerReferences=[OWNER])
    ),
    Attempt("writes a foreign Secret", "PATCH", f"{SECRETS}/foreign", {"data": {"password": "eA=="}}),
    Attempt("deletes a foreign Secret", "DELETE", f"{SECRETS}/foreign"),
    Attempt(
        "takes a token's Secret away from its owner",
        "PATCH",
        f"{SECRETS}/victim",
        {"metadata": {"ownerReferences": None}},
    ),
    Attempt("plants keys elsewhere", "POST", SECRETS, of_secret("Opaque", names.KEYS_SECRET)),
    Attempt(
        "writes another Secret at home",
        "POST",
        AT_HOME,
        of_secret("Opaque", "other"),
    ),
    Attempt("deletes the keys", "DELETE", f"{AT_HOME}/{names.KEYS_SECRET}"),
    Attempt(
        "deletes the keys as a collection",
        "DELETE",
        f"{AT_HOME}?fieldSelector=metadata.name={names.KEYS_SECRET}",
    ),
    Attempt(
        "allows the deletion of the keys",
        "PATCH",
        f"{AT_HOME}/{names.KEYS_SECRET}",
        {"metadata": {"annotations": {"servicetokens.dev/allow-deletion": "yes"}}},
    ),
    Attempt(
        "has the keys collected as garbage",
        "PATCH",
        f"{AT_HOME}/{names.KEYS_SECRET}",
        {"metadata": {"ownerReferences": [{**OWNER, "controller": False}]}},
    ),
    Attempt("freezes the keys", "PATCH", f"{AT_HOME}/{names.KEYS_SECRET}", {"immutable": True}),
    Attempt("empties the keys", "PATCH", f"{AT_HOME}/{names.KEYS_SECRET}", {"data": None}),
    Attempt("takes a key away", "PATCH", f"{AT_HOME}/{names.KEYS_SECRET}", {"data": {"k1": None}}),
    Attempt("changes a key", "PATCH", f"{AT_HOME}/{names.KEYS_SECRET}", {"data": {"k1": "eQ=="}}),
    Attempt(
        "adds a key that is too short", "PATCH", f"{AT_HOME}/{names.KEYS_SECRET}", {"data": {"k2": "eA=="}}
    ),
    Attempt(
        "adds a key that has no number",
        "PATCH",
        f"{AT_HOME}/{names.KEYS_SECRET}",
        {"data": {"x": base64.b64encode(bytes(KEY_BYTES)).decode()}},
    ),
    Attempt(
        "fills the Secret of the keys",
        "PATCH",
        f"{AT_HOME}/{names.KEYS_SECRET}",
        {"data": {"k2": base64.b64encode(bytes(700_000)).decode()}},
    ),
    Attempt(
        "has the keys never deleted",
        "PATCH",
        f"{AT_HOME}/{names.KEYS_SECRET}",
        {"metadata": {"finalizers": ["servicetokens.dev/x"]}},
    ),
    Attempt(
        "takes over a copy of a token's Secret",
        "PATCH",
        f"{SECRETS}/copy",
        {"metadata": {"ownerReferences": [A_TOKEN]}},
    ),
    Attempt(
        "takes over what a ConfigMap owns",
        "PATCH",
        f"{SECRETS}/synced",
        {"metadata": {"ownerReferences": [A_TOKEN]}},
    ),
    Attempt(
        "takes over the Secret of another token",
        "PATCH",
        f"{SECRETS}/victim",
        {"metadata": {"ownerReferences": [{**A_TOKEN, "name": "other"}]}},
    ),
    Attempt("deletes a copy of a token's Secret", "DELETE", f"{SECRETS}/copy"),
    Attempt("deletes what a ConfigMap owns", "DELETE", f"{SECRETS}/synced"),
)
OF_OPERATOR = (
    *BOTH,
    Attempt(
        "forges a release of Helm",
        "POST",
        SECRETS,
        of_secret(name="sh.helm.release.v1.app.v2", ownerReferences=[A_TOKEN]),
    ),
    Attempt(
        "forges a release of Helm by its labels",
        "POST",
        SECRETS,
        of_secret(ownerReferences=[A_TOKEN], labels={"owner": "helm", "name": "app", "version": "2"}),
    ),
    Attempt(
        "connects a cluster to Argo CD",
        "POST",
        SECRETS,
        of_secret(ownerReferences=[A_TOKEN], labels={"argocd.argoproj.io/secret-type": "cluster"}),
    ),
    Attempt(
        "makes a token's Secret a data source of Grafana",
        "PATCH",
        f"{SECRETS}/victim",
        {"metadata": {"labels": {"grafana_datasource": "1"}}},
    ),
    Attempt(
        "forges the state of Terraform",
        "POST",
        SECRETS,
        of_secret(name="tfstate-default-network", ownerReferences=[A_TOKEN]),
    ),
    Attempt("pretends to have applied a revocation", "POST", LEASES, VALIDATORS_LEASE),
    Attempt("deletes a foreign Lease", "DELETE", f"{LEASES}/foreign"),
    Attempt("reads a ConfigMap", "GET", CORE + "/configmaps/kube-root-ca.crt"),
    Attempt("reads Events", "GET", "/apis/events.k8s.io/v1/namespaces/{namespace}/events"),
)
OF_VALIDATOR = (
    *BOTH,
    Attempt("reads a token", "GET", f"{SECRETS}/victim"),
    Attempt("lists Secrets", "GET", SECRETS),
    Attempt("lists the Secrets beside the keys", "GET", AT_HOME),
    Attempt("replaces the keys", "PATCH", f"{AT_HOME}/{names.KEYS_SECRET}", {"data": {}}),
    Attempt("plants a verifier", "PATCH", f"{TOKEN}/status", {"status": {"credentials": []}}),
    Attempt(
        "claims that a revocation is enforced", "PATCH", f"{TOKEN}/status", {"status": {"conditions": []}}
    ),
    Attempt(
        "writes an account's status",
        "PATCH",
        OURS + "/serviceaccounts/ci/status",
        {"status": {}},
    ),
    Attempt(
        "takes the operator's Lease",
        "PATCH",
        f"{LEASES}/{names.OPERATOR_LEASE}",
        {"spec": {"holderIdentity": "me"}},
    ),
    Attempt("deletes the operator's Lease", "DELETE", f"{LEASES}/{names.OPERATOR_LEASE}"),
    Attempt(
        "is waited for for years",
        "POST",
        LEASES,
        {**VALIDATORS_LEASE, "spec": {"leaseDurationSeconds": 2**31 - 1}},
    ),
    Attempt(
        "creates the operator's Lease",
        "POST",
        LEASES,
        {"metadata": {"name": "servicetokens-operator-2"}, "spec": {}},
    ),
)


@pytest.fixture(scope="module")
def victims(world: World) -> Iterator[str]:
    """A namespace with things to steal and to break. Nothing of it is left for an operator that starts later."""
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    world.token(namespace, "victim")
    owner = world.owner(namespace, "victim")
    found = world.get(namespace, "victim")
    status = {**found.get("status", {}), "tokenID": "a" * 16}
    path = TOKEN.format(namespace=namespace) + "/status"
    writer = world.cluster.client(OPERATOR, GROUPS)
    assert writer.request("PUT", path, {**found, "status": status}).ok
    world.create_secret(namespace, of_secret(name="victim", ownerReferences=[owner]))
    world.create_secret(namespace, of_secret("Opaque", "foreign"))
    world.create_secret(namespace, of_secret(name="copy"))
    config = world.ok(
        "POST", CORE.format(namespace=namespace) + "/configmaps", {"metadata": {"name": "sync"}}
    )
    synced = {"apiVersion": "v1", "kind": "ConfigMap", "name": "sync", "uid": config.body["metadata"]["uid"]}
    world.create_secret(namespace, of_secret(name="synced", ownerReferences=[synced]))
    made = [f"/api/v1/namespaces/{namespace}"]
    if world.secret(HOME, names.KEYS_SECRET) is None:
        store_keys(world.client, HOME)
        allowed = {"metadata": {"annotations": {"servicetokens.dev/allow-deletion": "true"}}}
        world.ok("PATCH", f"{AT_HOME}/{names.KEYS_SECRET}", allowed)
        made.append(f"{AT_HOME}/{names.KEYS_SECRET}")
    for name in ("foreign", names.OPERATOR_LEASE):
        if not world.client.request("GET", f"{LEASES}/{name}").ok:
            world.ok("POST", LEASES, {"metadata": {"name": name}, "spec": {}})
            made.append(f"{LEASES}/{name}")
    yield namespace
    for path in made:
        world.ok("DELETE", path)


@pytest.mark.parametrize("attempt", OF_OPERATOR, ids=str)
def test_a_stolen_operator_may_not(world: World, victims: str, attempt: Attempt) -> None:
    """403, by RBAC or by a policy."""
    refuse(world, victims, OPERATOR, attempt)


@pytest.mark.parametrize("attempt", OF_VALIDATOR, ids=str)
def test_a_stolen_validator_may_not(world: World, victims: str, attempt: Attempt) -> None:
    """403, by RBAC or by a policy."""
    refuse(world, victims, VALIDATOR, attempt)


def refuse(world: World, namespace: str, user: str, attempt: Attempt) -> None:
    """Try, and find the object as it was."""
    path = attempt.path.format(namespace=namespace)
    before = world.client.request("GET", path)
    thief = world.cluster.client(user, GROUPS)
    answer = thief.request(attempt.method, path, attempt.body)
    assert answer.status == 403, answer
    after = world.client.request("GET", path)
    assert (after.status, version(after.body)) == (before.status, version(before.body))


def version(body: Any) -> Any:
    """Return what changes when an object does; nothing for a list."""
    metadata = body.get("metadata") or {}
    return metadata.get("resourceVersion") if metadata.get("uid") else None
