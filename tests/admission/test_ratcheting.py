"""Rules that are added later: an object that is older than a rule stays usable until its spec is changed.

The operator counts on it: its status writes must never be rejected for a spec that it did not write.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.client import ApiClient
from controlplane.cluster import Cluster
from controlplane.waiting import wait_until
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import SERVICE_TOKEN

GROUP = "ratcheting.example.com"
CRD = f"servicetokens.{GROUP}"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

RULES = {"x-kubernetes-validations"}

# Fields that break rules of their own (values, letters), and two that break a rule of the whole spec.
OLD_SPEC = {
    "accountRef": {"name": "ci"},
    "expiresAfter": "30d",
    "allowedCIDRs": ["10.0.0.1/8"],
    "audiences": ["two words"],
    "inUseTime": "2027-01-31",
    "rotation": {"every": "30d", "overlap": "1d"},
}

BROKEN = ("allowedCIDRs", "audiences", "inUseTime")


def definition(*, strict: bool) -> dict[str, Any]:
    """Return the CRD of ServiceTokens in a group of its own; not strict: as before there were rules."""
    crd = copy.deepcopy(custom_resource_definition(SERVICE_TOKEN))
    crd["metadata"] = {"name": CRD}
    crd["spec"]["group"] = GROUP
    crd["spec"]["names"] |= {"categories": [], "shortNames": []}
    if not strict:
        version = crd["spec"]["versions"][0]
        version["schema"] = _without_rules(version["schema"])
    return crd


def _without_rules(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_rules(item) for item in schema]
    if isinstance(schema, dict):
        return {keyword: _without_rules(value) for keyword, value in schema.items() if keyword not in RULES}
    return schema


class Stale:
    """The API server with an object that is older than the rules."""

    def __init__(self, client: ApiClient, path: str) -> None:
        self._client, self._path = client, path

    def patch(self, patch: Any, subresource: str = "") -> tuple[int, dict[str, Any]]:
        """Send a merge patch as a dry run, so that the object stays the one that it was."""
        answer = self._client.request("PATCH", f"{self._path}{subresource}?dryRun=All", patch)
        return answer.status, answer.body


@pytest.fixture(scope="module")
def stale(cluster: Cluster) -> Iterator[Stale]:
    """An object that was stored before there were rules, under the rules of today."""
    client = cluster.client()
    namespace = cluster.create_namespace()
    collection = f"/apis/{GROUP}/v1beta1/namespaces/{namespace}/servicetokens"
    old = {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "ServiceToken",
        "metadata": {"name": "old"},
        "spec": OLD_SPEC,
    }
    try:
        created = client.request("POST", CRDS, definition(strict=False))
        assert created.ok, created.body
        wait_until(lambda: client.request("POST", collection, old).ok, what="the CRD without rules")
        current = client.request("GET", f"{CRDS}/{CRD}").body
        updated = client.request("PUT", f"{CRDS}/{CRD}", {**current, "spec": definition(strict=True)["spec"]})
        assert updated.ok, updated.body
        new = {**old, "metadata": {"name": "new"}}
        wait_until(
            lambda: client.request("POST", f"{collection}?dryRun=All", new).status == 422,
            what="the rules of today to be in force",
        )
        yield Stale(client, f"{collection}/old")
    finally:
        client.request("DELETE", f"{CRDS}/{CRD}")
        client.request("DELETE", f"/api/v1/namespaces/{namespace}")


def test_status_is_still_written(stale: Stale) -> None:
    """The operator can say, in the object's own status, that its spec breaks the rules."""
    status, body = stale.patch({"status": {"observedGeneration": 1, "tokenID": "0123456789AB"}}, "/status")

    assert status == 200, body
    assert body["status"]["tokenID"] == "0123456789AB"


def test_metadata_is_still_written(stale: Stale) -> None:
    """A label can be put on it."""
    status, body = stale.patch({"metadata": {"labels": {"team": "a"}}})

    assert status == 200, body


def test_a_rule_of_the_spec_bites_with_the_next_change_of_the_spec(stale: Stale) -> None:
    """Whatever is changed in the spec, it is rejected until the rule across its fields is obeyed."""
    status, body = stale.patch({"spec": {"description": "new"}})

    assert status == 422, body
    assert [cause["field"] for cause in body["details"]["causes"]] == ["spec.rotation.every"]


def test_a_rule_of_a_field_bites_with_the_next_change_of_the_field(stale: Stale) -> None:
    """A field that was invalid before and is unchanged lets others be corrected; a new invalid value is rejected."""
    status, body = stale.patch({"spec": {"allowedCIDRs": ["10.0.0.2/8"], "rotation": None}})

    assert status == 422, body
    assert [cause["field"] for cause in body["details"]["causes"]] == ["spec.allowedCIDRs[0]"]

    status, body = stale.patch({"spec": {"rotation": {"every": "20d"}}})

    assert status == 200, body
    assert {field: body["spec"][field] for field in BROKEN} == {field: OLD_SPEC[field] for field in BROKEN}
