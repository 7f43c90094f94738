"""What a tenant may have the operator write on a Secret: keys that no other software acts on."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from common.drivers.world import World
from controlplane.client import Answer
from servicetokens.api import names

POLICY = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/servicetokens-secret-template"
RELOADER = {"reloader.stakater.com/match": "true"}


@pytest.fixture
def tenant(world: World, namespace: str) -> Callable[..., Answer]:
    """Requests of a user who has the role `edit` of our kinds in the namespace, and may not write Secrets."""
    user = f"tenant-of-{namespace}"
    body = {
        "metadata": {"name": "tenant"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "servicetokens-edit",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    world.ok("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", body)
    send = world.cluster.client(user).request
    world.until(
        lambda: send("POST", world.path("servicetokens", namespace) + "?dryRun=All", token()).ok, "the right"
    )
    return send


def token(**secret: Any) -> dict[str, Any]:
    """Return a ServiceToken to be created."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND_TOKEN,
        "metadata": {"name": "ci-prod"},
        "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d", "secret": secret},
    }


@contextlib.contextmanager
def allowing(world: World, *prefixes: str) -> Iterator[None]:
    """Allow prefixes for a while, as an administrator does in the policy or by the chart."""
    probe = world.cluster.create_namespace()

    def accepts() -> bool:
        path = world.path("servicetokens", probe) + "?dryRun=All"
        made = token(template={"labels": {f"{prefixes[0]}/probe": "x"}})
        return world.client.request("POST", path, made).ok

    def allow(expression: str) -> None:
        found = world.ok("GET", POLICY).body
        next(one for one in found["spec"]["variables"] if one["name"] == "allowedPrefixes")["expression"] = (
            expression
        )
        world.ok("PUT", POLICY, found)

    allow(json.dumps(prefixes))
    try:
        world.until(accepts, "the prefixes to be allowed", timeout=60)
        yield
    finally:
        allow("[]")
        world.until(lambda: not accepts(), "the prefixes to be refused again", timeout=60)


@pytest.mark.parametrize(
    "secret",
    [
        {
            "name": "sh.helm.release.v1.app.v2",
            "template": {"labels": {"name": "app", "status": "deployed"}, "data": {"release": "H4sI"}},
        },
        {"template": {"labels": {"owner": "helm", "name": "app", "status": "deployed", "version": "2"}}},
        {"name": "tfstate-default-network", "template": {"data": {"tfstate": "H4sI"}}},
        {"template": {"labels": {"tfstate": "true", "tfstateWorkspace": "default"}}},
        {"template": {"labels": {"applyset.kubernetes.io/part-of": "x"}}},
        {"template": {"labels": {"app.kubernetes.io/instance": "orders"}}},
        {"template": {"labels": {"cluster.x-k8s.io/cluster-name": "x"}}},
        {"template": {"labels": {"x.servicetokens.dev/y": "z"}}},
        {"template": {"labels": {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"}}},
        {"template": {"labels": {"istio/multiCluster": "true"}}},
        {"template": {"annotations": {"replicator.v1.mittwald.de/replicate-to": "*"}}},
        {"template": {"annotations": {"reflector.v1.k8s.emberstack.com/reflection-auto-enabled": "true"}}},
        {"template": {"annotations": {"argocd.argoproj.io/sync-wave": "2"}}},
        {"template": {"annotations": RELOADER}},
        {"template": {"labels": {"team": "a"}, "annotations": {"a": "b", "example.com/c": "d"}}},
    ],
    ids=str,
)
def test_metadata_that_other_software_acts_on_is_rejected(
    world: World, namespace: str, tenant: Callable[..., Answer], secret: dict[str, Any]
) -> None:
    """By the schema for everyone, by the policy unless an administrator has allowed the domain."""
    path = world.path("servicetokens", namespace)
    answer = tenant("POST", path, token(**secret))
    assert answer.status in {403, 422}, answer
    assert "spec.secret" in str(answer.body)
    assert tenant("POST", path, token()).ok
    changed = tenant("PATCH", f"{path}/ci-prod", {"spec": {"secret": secret}})
    assert changed.status in {403, 422}, changed


def test_plain_keys_and_annotations_of_argo_cd_need_no_permission(
    world: World, namespace: str, tenant: Callable[..., Answer]
) -> None:
    """What the operator writes on its own may be written otherwise."""
    template = {
        "labels": {"team": "orders", "tier": "1"},
        "annotations": {"contact": "orders", **dict.fromkeys(names.ARGO_ANNOTATIONS, "x")},
    }
    assert tenant("POST", world.path("servicetokens", namespace), token(template=template)).ok


def test_an_administrator_allows_a_domain_and_only_that(
    world: World, namespace: str, tenant: Callable[..., Answer]
) -> None:
    """Not one above or below it, and never what the schema rejects."""
    path = world.path("servicetokens", namespace)
    with allowing(world, "reloader.stakater.com", "example.com", "kubernetes.io"):
        made = token(template={"annotations": RELOADER, "labels": {"example.com/team": "a"}})
        assert tenant("POST", f"{path}?dryRun=All", made).ok
        for key in ("stakater.com/a", "a.example.com/a", "example.com.org/a", "kubernetes.io/a"):
            refused = tenant("POST", f"{path}?dryRun=All", token(template={"labels": {key: "a"}}))
            assert refused.status in {403, 422}, key
            assert "spec.secret.template.labels" in str(refused.body)


def test_a_token_from_before_can_still_be_revoked(
    world: World, namespace: str, tenant: Callable[..., Answer]
) -> None:
    """What was there before the domain was forbidden is not asked for; what changes is."""
    path = world.path("servicetokens", namespace)
    with allowing(world, "example.com"):
        template = {"labels": {"example.com/team": "a"}, "annotations": {"example.com/team": "a"}}
        assert tenant("POST", path, token(template=template)).ok
    assert tenant("PATCH", f"{path}/ci-prod", {"spec": {"state": "Revoked"}}).ok
    for part in ("labels", "annotations"):
        for key, value in (("example.com/team", "b"), ("example.com/other", "a")):
            changed = {"spec": {"secret": {"template": {part: {key: value}}}}}
            assert tenant("PATCH", f"{path}/ci-prod", changed).status == 403
    assert tenant("PATCH", f"{path}/ci-prod", {"spec": {"secret": {"template": {"labels": None}}}}).ok
