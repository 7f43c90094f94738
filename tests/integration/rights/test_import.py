"""Who may import a value: users who may `import` for the account and read the Secret, and no others."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.drivers.world import World
from controlplane.client import Answer
from servicetokens.api import names
from servicetokens.api.values import format_time
from servicetokens.tokens.imported import MAX_SECONDS

RBAC = "/apis/rbac.authorization.k8s.io/v1"
DAY = 86400
NO_IMPORT: dict[str, Any] = {"import": None}


def grant(world: World, namespace: str, user: str, *rules: dict[str, Any]) -> None:
    """Give *user* a Role with *rules* in *namespace*, in addition to existing permissions."""
    name = f"more-{time.monotonic_ns()}"
    world.ok(
        "POST", f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": name}, "rules": list(rules)}
    )
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    world.ok("POST", f"{RBAC}/namespaces/{namespace}/rolebindings", body)


def rule(resource: str, verb: str, *, group: str = "servicetokens.dev", name: str = "") -> dict[str, Any]:
    """Return one rule of RBAC."""
    only = {"resourceNames": [name]} if name else {}
    return {"apiGroups": [group], "resources": [resource], "verbs": [verb], **only}


IMPORTS = rule("serviceaccounts", "import", name="ci")
READS = rule("secrets", "get", group="", name="legacy")


def token(name: str = "ci-prod", *, seconds: int = 10 * DAY, **spec: Any) -> dict[str, Any]:
    """Return a ServiceToken that asks for an import, to be created."""
    asked = {"secretRef": {"name": "legacy"}, "until": format_time(int(time.time()) + seconds)}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND_TOKEN,
        "metadata": {"name": name},
        "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "1y", "import": asked, **spec},
    }


@pytest.fixture
def user(world: World, namespace: str) -> str:
    """A person who may write ServiceTokens in the namespace, and no more."""
    name = f"writer-of-{namespace}"
    verbs = [rule("servicetokens", verb) for verb in ("create", "update", "patch")]
    grant(world, namespace, name, *verbs)
    return name


@pytest.fixture
def send(world: World, user: str) -> Callable[..., Answer]:
    """Requests of that person."""
    return world.cluster.client(user).request


def test_an_import_needs_the_verb_and_the_secret(
    world: World, namespace: str, user: str, send: Callable[..., Answer]
) -> None:
    """One is not enough, and each rejection names the missing one. Without `spec.import` none is checked."""
    path = world.path("servicetokens", namespace)
    world.until(
        lambda: send("POST", path, token("plain", **NO_IMPORT)).status == 201, "the right to be known"
    )
    refused = send("POST", path, token())
    assert refused.status == 403
    assert (
        f"{user} does not have permission to import for the ServiceAccount 'ci' in namespace {namespace}"
        in str(refused.body)
    )
    grant(world, namespace, user, IMPORTS)
    world.until(
        lambda: "does not have permission to read the Secret" in str(send("POST", path, token()).body),
        "the first right",
    )
    refused = send("POST", path, token())
    assert refused.status == 403
    assert f"{user} does not have permission to read the Secret 'legacy' in namespace {namespace}" in str(
        refused.body
    )
    grant(world, namespace, user, READS)
    world.until(lambda: send("POST", path, token()).ok, "the second right")


def test_reading_the_secret_is_not_enough(
    world: World, namespace: str, user: str, send: Callable[..., Answer]
) -> None:
    """Nor the verb for another account, nor what the role `edit` gives to tenants."""
    grant(world, namespace, user, READS, rule("serviceaccounts", "import", name="other"))
    for number, cluster_role in enumerate(("edit", "admin")):
        body = {
            "metadata": {"name": f"bound-{number}"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        world.ok("POST", f"{RBAC}/namespaces/{namespace}/rolebindings", body)
    path = world.path("servicetokens", namespace)
    secret = f"/api/v1/namespaces/{namespace}/secrets/legacy"
    world.until(lambda: send("GET", secret).status == 404, "the right to be known")
    assert "does not have permission to import for the ServiceAccount 'ci'" in str(
        send("POST", path, token()).body
    )


def test_changing_an_import_needs_permission_and_removing_it_does_not(
    world: World, namespace: str, user: str, send: Callable[..., Answer]
) -> None:
    """Another cut-over is another act. What stays as it is is not asked for, so others may edit the rest."""
    world.ok("POST", world.path("servicetokens", namespace), token())
    path = world.path("servicetokens", namespace, "ci-prod")
    world.until(lambda: send("PATCH", path, {"spec": {"description": "mine"}}).ok, "the right to be known")
    later = {"spec": {"import": {"until": format_time(int(time.time()) + 20 * DAY)}}}
    assert send("PATCH", path, later).status == 403
    grant(world, namespace, user, IMPORTS, READS)
    world.until(lambda: send("PATCH", path, later).ok, "the rights")
    stranger = f"stranger-to-{namespace}"
    grant(world, namespace, stranger, rule("servicetokens", "patch"))
    away = world.cluster.client(stranger).request
    world.until(lambda: away("PATCH", path, {"spec": NO_IMPORT}).ok, "the import to be taken away")
    assert "import" not in world.get(namespace)["spec"]


def test_a_permission_that_is_withdrawn_later_does_not_stop_the_import(
    world: World, namespace: str, user: str, send: Callable[..., Answer], tmp_path: Path
) -> None:
    """It was checked when the import was written; the Secret comes later, and nothing is checked again."""
    grant(world, namespace, user, IMPORTS, READS)
    path = world.path("servicetokens", namespace)
    world.until(lambda: send("POST", f"{path}?dryRun=All", token()).ok, "the rights")
    assert send("POST", path, token()).ok
    roles = f"{RBAC}/namespaces/{namespace}/rolebindings"
    for binding in world.ok("GET", roles).body["items"]:
        world.ok("DELETE", f"{roles}/{binding['metadata']['name']}")
    world.until(lambda: send("PATCH", f"{path}/ci-prod", {"spec": {}}).status == 403, "the rights to be gone")
    with world.operator(tmp_path / "operator.log"):
        world.until_reason(namespace, "Ready", "ImportSecretMissing")
        world.create_secret(
            namespace, {"metadata": {"name": "legacy"}, "stringData": {"token": "glpat-0123456789abcdef"}}
        )
        world.until(
            lambda: len(world.status(namespace).get("credentials") or ()) == 2, "the import", timeout=90
        )
    assert world.status(namespace)["credentials"][0]["id"].startswith("imp-")


def test_a_cut_over_is_at_most_ninety_days_away(world: World, namespace: str) -> None:
    """From the creation on, since admission has no clock; also when it is moved, and for an administrator."""
    path = world.path("servicetokens", namespace)
    refused = world.client.request("POST", path, token(seconds=MAX_SECONDS + 60))
    assert refused.status == 422
    assert "no more than 90 days" in str(refused.body)
    assert world.client.request("POST", path, token(seconds=MAX_SECONDS - 60)).ok
    far = {"spec": {"import": {"until": format_time(int(time.time()) + MAX_SECONDS + 60)}}}
    assert world.client.request("PATCH", f"{path}/ci-prod", far).status == 422
