"""Who may write the status of our kinds: operator and validators, and no others."""

import pytest

from common.drivers.world import GROUPS, OPERATOR, VALIDATOR, World
from common.repository import ROOT

BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
PLURALS = ("servicetokens", "serviceaccounts", "serviceroles")


@pytest.fixture
def paths(world: World, namespace: str) -> dict[str, str]:
    """One object of each kind, by its plural."""
    world.token(namespace)
    world.role(f"role-{namespace}")
    return {
        "servicetokens": world.path("servicetokens", namespace, "ci-prod"),
        "serviceaccounts": world.path("serviceaccounts", namespace, "ci"),
        "serviceroles": world.path("serviceroles", "", f"role-{namespace}"),
    }


@pytest.mark.parametrize("plural", PLURALS)
def test_an_administrator_is_rejected_with_the_way_to_proceed(
    world: World, paths: dict[str, str], plural: str
) -> None:
    """By PATCH and by PUT, whatever the field; the operator may."""
    found = world.ok("GET", paths[plural]).body
    path = f"{paths[plural]}/status"
    changed = {**found, "status": {"observedGeneration": 1}}
    for answer in (
        world.client.request("PATCH", path, {"status": {"observedGeneration": 7}}),
        world.client.request("PUT", path, changed),
    ):
        assert answer.status == 403
        assert f"does not have permission to write the status of {plural}" in str(answer.body)
        assert "deletes the ValidatingAdmissionPolicyBinding" in str(answer.body)
    assert world.cluster.client(OPERATOR, GROUPS).request("PUT", path, changed).ok


@pytest.mark.parametrize("plural", PLURALS)
def test_a_status_cannot_be_brought_along_by_a_new_object(
    world: World, namespace: str, plural: str, paths: dict[str, str]
) -> None:
    """It is a subresource: what a creation says there is dropped."""
    found = world.ok("GET", paths[plural]).body
    place = paths[plural].rpartition("/")[0]
    made = world.ok(
        "POST",
        place,
        {**found, "metadata": {"name": f"new-{namespace}"}, "status": {"observedGeneration": 7}},
    )
    assert made.body["status"]["observedGeneration"] == -1


def test_a_validator_writes_the_time_of_use_and_no_other_status(world: World, paths: dict[str, str]) -> None:
    """Nor that of another kind, even if RBAC let it."""
    send = world.cluster.client(VALIDATOR, GROUPS).request
    used = {"status": {"lastUsedTime": "2026-11-25T00:00:00Z"}}
    assert send("PATCH", f"{paths['servicetokens']}/status", used).ok
    assert send("PATCH", f"{paths['servicetokens']}/status", {"status": {"serial": 1}}).status == 403
    assert send("PATCH", f"{paths['serviceaccounts']}/status", {"status": {"tokenCount": 1}}).status == 403


def test_in_an_emergency_the_binding_is_removed(world: World, paths: dict[str, str]) -> None:
    """As the policy's rejection and its file say; applied again, it holds again."""
    path = f"{paths['servicetokens']}/status"

    def may_write() -> bool:
        return world.client.request("PATCH", f"{path}?dryRun=All", {"status": {"observedGeneration": 7}}).ok

    assert not may_write()
    world.cluster.kubectl("delete", "validatingadmissionpolicybinding", "servicetokens-status")
    try:
        world.until(may_write, "the policy to be off", timeout=60)
    finally:
        world.cluster.kubectl("apply", "-f", ROOT / "config" / "policies" / "policy-status.yaml")
    world.until(lambda: not may_write(), "the policy to be on again", timeout=60)
