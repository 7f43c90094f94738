"""`config/policies/policies.yaml`: what passes, what is rejected, what is warned of."""

import base64
import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from common.builders.stored import store_keys
from common.drivers.world import GROUPS, OPERATOR, VALIDATOR, World
from common.repository import ROOT
from controlplane.client import Answer
from servicetokens.api import names, secret_template
from servicetokens.api.service_account import ServiceAccountSpec
from servicetokens.tokens.verifier import KEY_BYTES

POLICIES = [
    document
    for file in sorted((ROOT / "config" / "policies").glob("polic*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
]
NAMES = sorted({document["metadata"]["name"] for document in POLICIES})


@pytest.fixture
def editor(world: World, namespace: str) -> Callable[..., Answer]:
    """Requests of a user with the role `edit` in the namespace, as tenants have it."""
    user = f"editor-of-{namespace}"
    bind(world, namespace, "edit", user, cluster_role="edit")
    return world.cluster.client(user).request


def bind(world: World, namespace: str, name: str, user: str, *, cluster_role: str) -> None:
    """Bind a ClusterRole to *user* in *namespace*."""
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    world.ok("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", body)


def allow_use(world: World, namespace: str, roles: list[str], user: str) -> None:
    """Let *user* put *roles* into accounts of *namespace*."""
    rules = [{"apiGroups": ["servicetokens.dev"], "resources": ["serviceroles"], "verbs": ["use"]}]
    rules[0]["resourceNames"] = roles
    name = f"use-{namespace}"
    world.ok(
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        {"metadata": {"name": name}, "rules": rules},
    )
    bind(world, namespace, name, user, cluster_role=name)


def account(name: str, roles: list[str]) -> dict[str, Any]:
    """Return a ServiceAccount to be created."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND_ACCOUNT,
        "metadata": {"name": name},
        "spec": {"roles": roles},
    }


def test_the_server_finds_no_fault_with_the_types(world: World) -> None:
    """It checks every expression against the kinds it is for, and says so in the status."""
    assert len(NAMES) == 10
    for name in NAMES:
        path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{name}"

        def checked(path: str = path) -> Any:
            return world.ok("GET", path).body.get("status", {}).get("typeChecking")

        assert world.until(lambda: checked() is not None and [checked()], f"{name} to be checked") == [{}]


def test_there_is_one_question_for_each_role_an_account_may_have() -> None:
    """A seventeenth role would go unasked."""
    policy = next(
        document for document in POLICIES if document["metadata"]["name"] == "servicetokens-role-use"
    )
    asked = [re.findall(r"added\[(\d+)\]", one["expression"]) for one in policy["spec"]["validations"]]
    limit = next(
        m.max_length for m in ServiceAccountSpec.model_fields["roles"].metadata if hasattr(m, "max_length")
    )
    assert asked == [[str(number)] for number in range(limit)]


def test_adding_a_role_to_an_account_needs_permission_to_use_it(
    world: World, namespace: str, editor: Callable[..., Answer]
) -> None:
    """Only new roles are asked for: an edit of something else passes, and so does taking roles away."""
    roles = [f"role-{number}-{namespace}" for number in range(16)]
    allow_use(world, namespace, roles[:15], f"editor-of-{namespace}")
    path = world.path("serviceaccounts", namespace)
    refused = editor("POST", path, account("many", roles))
    assert refused.status == 403
    assert f"does not have permission to use the ServiceRole '{roles[15]}' in namespace {namespace}" in str(
        refused.body
    )
    world.until(lambda: editor("POST", path, account("some", roles[:15])).ok, "the right to be known")
    assert editor("PATCH", f"{path}/some", {"spec": {"roles": [roles[15]]}}).status == 403
    world.change(namespace, "some", "serviceaccounts", roles=roles)
    assert editor("PATCH", f"{path}/some", {"spec": {"displayName": "Some"}}).ok
    assert editor("PATCH", f"{path}/some", {"spec": {"roles": roles[:1]}}).ok
    assert editor("PATCH", f"{path}/some", {"spec": {"roles": roles}}).status == 403
    elsewhere = world.cluster.create_namespace()
    bind(world, elsewhere, "edit", f"editor-of-{namespace}", cluster_role="edit")
    answer = editor("POST", world.path("serviceaccounts", elsewhere), account("other", roles[:1]))
    assert answer.status == 403


def secret(name: str, *, kind: str = names.SECRET_TYPE, **metadata: Any) -> dict[str, Any]:
    """Return a Secret to be created."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, **metadata},
        "type": kind,
        "data": {"token": "eA=="},
    }


def test_the_operator_may_write_what_it_has_to(world: World, namespace: str) -> None:
    """The other half of the thefts: a token's Secret during its whole lifetime, and one that lost its owner."""
    operator = world.cluster.client(OPERATOR, GROUPS)
    world.token(namespace)
    owners = [world.owner(namespace)]
    path = f"/api/v1/namespaces/{namespace}/secrets"
    assert operator.request("POST", path, secret("mine", ownerReferences=owners)).ok
    assert operator.request("PATCH", f"{path}/mine", {"data": {"token": "eQ=="}}).ok
    marks = {names.ANNOTATION_TOKEN_NAME: "ci-prod"}
    dead = [{**owners[0], "uid": "dead"}]
    world.ok("POST", path, secret("restored", annotations=marks))
    world.ok("POST", f"{path}?dryRun=All", secret("restored-with-owner", ownerReferences=dead))
    assert operator.request("PATCH", f"{path}/restored", {"metadata": {"ownerReferences": owners}}).ok
    world.ok("POST", path, secret("ownerless", annotations=marks))
    for name in ("mine", "restored", "ownerless"):
        assert operator.request("DELETE", f"{path}/{name}").ok
    own = "/api/v1/namespaces/servicetokens/secrets"
    key = base64.b64encode(bytes(KEY_BYTES)).decode()
    for name, more in (
        ("servicetokens-validator-ca", {"more": "eA=="}),
        ("servicetokens-validator-tls", {"more": "eA=="}),
        (names.KEYS_SECRET, {"k2": key, "k999999999": key}),
    ):
        forget(world, name)
        assert operator.request("POST", own, secret(name, kind="Opaque")).ok
        assert operator.request("PATCH", f"{own}/{name}", {"data": more}).ok
        forget(world, name)


def test_the_keys_cannot_be_deleted_by_mistake(world: World) -> None:
    """Neither in a collection, which has no name, nor as garbage; only when the namespace goes."""
    own = "/api/v1/namespaces/servicetokens/secrets"
    forget(world, names.KEYS_SECRET)
    store_keys(world.client, "servicetokens")
    garbage_collector = world.cluster.client("system:serviceaccount:kube-system:generic-garbage-collector")
    for answer in (
        world.client.request("DELETE", f"{own}/{names.KEYS_SECRET}"),
        world.client.request("DELETE", f"{own}?fieldSelector=metadata.name%3D{names.KEYS_SECRET}"),
        garbage_collector.request("DELETE", f"{own}/{names.KEYS_SECRET}"),
    ):
        assert answer.status == 403
        assert "servicetokens.dev/allow-deletion=true" in str(answer.body)
    namespaces = world.cluster.client("system:serviceaccount:kube-system:namespace-controller")
    assert namespaces.request("DELETE", f"{own}/{names.KEYS_SECRET}?dryRun=All").ok
    forget(world, names.KEYS_SECRET)


def forget(world: World, name: str) -> None:
    """Delete a Secret of the operator, as an administrator does on purpose."""
    path = f"/api/v1/namespaces/servicetokens/secrets/{name}"
    if world.client.request("GET", path).ok:
        world.ok("PATCH", path, {"metadata": {"annotations": {"servicetokens.dev/allow-deletion": "true"}}})
        world.ok("DELETE", path)


def test_the_validator_may_write_the_time_of_use(world: World, namespace: str) -> None:
    """And its own Lease."""
    validator = world.cluster.client(VALIDATOR, GROUPS)
    world.token(namespace)
    path = world.path("servicetokens", namespace, "ci-prod") + "/status"
    used = {"status": {"lastUsedTime": "2026-11-25T00:00:00Z"}}
    assert validator.request("PATCH", path, used).ok
    leases = "/apis/coordination.k8s.io/v1/namespaces/servicetokens/leases"
    name = "servicetokens-validator-0a0b"
    lease = {"metadata": {"name": name, "labels": {"servicetokens.dev/component": "validator"}}, "spec": {}}
    assert validator.request("POST", leases, lease).ok
    assert validator.request("DELETE", f"{leases}/{name}").ok


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"expiresAfter": "never"}, "this token never expires"),
        ({"expiresAfter": "30m"}, "spec.expiresAfter: 30m means minutes"),
        (
            {"expiresAfter": "90d", "rotation": {"every": "45m", "overlap": "5m"}},
            "spec.rotation.every: 45m means minutes",
        ),
        (
            {"expirationTime": "2020-01-31T00:00:00Z"},
            "spec.expirationTime: 2020-01-31T00:00:00Z is in the past, so no token is minted",
        ),
        ({"expirationTime": "2020-01-31T00:00:00+14:00"}, "+14:00 is in the past, so no token is minted"),
        (
            {
                "expiresAfter": "90d",
                "import": {"secretRef": {"name": "old"}, "until": "2020-01-31T00:00:00Z"},
            },
            "spec.import.until: 2020-01-31T00:00:00Z is in the past, so the value is not imported",
        ),
        ({"expiresAfter": "90d"}, ""),
        ({"expirationTime": "2999-12-31T23:59:59Z"}, ""),
        ({"expiresAfter": "120m"}, ""),
    ],
)
def test_doubtful_lifetimes_are_accepted_with_a_warning(
    world: World, namespace: str, spec: dict[str, Any], words: str
) -> None:
    """Kubectl prints it; nothing is rejected."""
    manifest = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND_TOKEN,
        "metadata": {"name": "ci-prod", "namespace": namespace},
        "spec": {"accountRef": {"name": "ci"}, **spec},
    }
    done = world.cluster.kubectl("create", "-f", "-", input=yaml.safe_dump(manifest))
    assert ("Warning" in done.stderr) == bool(words)
    assert words in done.stderr


def test_the_operator_cannot_write_what_templates_cannot() -> None:
    """The lists are the same, so that a stolen operator cannot do what a tenant cannot."""
    (policy,) = (
        one
        for one in POLICIES
        if one["kind"] == "ValidatingAdmissionPolicy"
        and one["metadata"]["name"] == "servicetokens-operator-secrets"
    )
    lists = {
        one["name"]: re.findall(r"'([^']+)'", one["expression"])
        for one in policy["spec"]["variables"]
        if one["name"] in {"starts", "keys", "beginnings"}
    }
    assert lists["starts"] == list(secret_template.RESERVED_NAMES)
    assert lists["keys"] == list(secret_template.ACTED_UPON)
    assert set(lists["beginnings"]) >= set(secret_template.ACTED_UPON_BEGINNINGS)


def test_removing_a_restriction_is_accepted_with_a_warning(world: World, namespace: str) -> None:
    """Audiences and networks restrict; without the list there is no restriction, which is easily done in an editor."""
    world.token(namespace, audiences=["orders"], allowedCIDRs=["10.0.0.0/8"])
    patch = {"spec": {"audiences": None, "allowedCIDRs": None}}
    done = world.cluster.kubectl(
        *("patch", "svctok", "ci-prod", "-n", namespace, "--type=merge", f"--patch={json.dumps(patch)}")
    )
    assert "spec.audiences: without the list, any service may accept this token" in done.stderr
    assert "this token may be used from any network" in done.stderr
    done = world.cluster.kubectl("label", "svctok", "ci-prod", "-n", namespace, "team=a")
    assert "Warning" not in done.stderr


def test_an_end_that_is_moved_into_the_past_is_warned_of_once(world: World, namespace: str) -> None:
    """By the time of the request, whatever was written before; what changes something else is not warned of again."""
    world.token(namespace, expirationTime="2999-12-31T23:59:59Z")
    kubectl = world.cluster.kubectl

    def warned(path: str, value: str) -> str:
        patch = f'[{{"op": "add", "path": "{path}", "value": "{value}"}}]'
        return kubectl("-n", namespace, "patch", "svctok", "ci-prod", "--type=json", "-p", patch).stderr

    now = dt.datetime.now(dt.UTC)
    just, soon = (f"{now + dt.timedelta(seconds=by):%Y-%m-%dT%H:%M:%SZ}" for by in (-2, 3600))
    assert warned("/spec/expirationTime", soon) == ""
    assert f"{just} is in the past, so the token expires immediately" in warned("/spec/expirationTime", just)
    assert warned("/spec/description", "another") == ""
    assert warned("/spec/expirationTime", soon) == ""


def test_a_token_written_by_hand_is_warned_of_and_a_label_is_not(world: World, namespace: str) -> None:
    """A restore tool may; it must only know that the value is worth nothing."""
    done = world.cluster.kubectl("create", "-n", namespace, "-f", "-", input=yaml.safe_dump(secret("mine")))
    assert "a token that is written here manually is not valid" in done.stderr
    done = world.cluster.kubectl("label", "-n", namespace, "secret", "mine", "team=a")
    assert "Warning" not in done.stderr
