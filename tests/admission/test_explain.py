"""`kubectl explain` is the manual that everyone has at hand."""

import pytest

from controlplane.cluster import Cluster
from controlplane.kubectl import Kubectl
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS
from servicetokens.crdgen.structural import Schema

PATHS = [
    "svctok",
    "svctok.spec",
    "svctok.spec.accountRef",
    "svctok.spec.rotation",
    "svctok.spec.secret",
    "svctok.spec.secret.template",
    "svctok.status",
    "svctok.status.credentials",
    "svctok.status.credentials.verifier",
    "svctok.status.conditions",
    "svcacct",
    "svcacct.spec",
    "svcacct.spec.tokenPolicy",
    "svcacct.status",
    "svcrole",
    "svcrole.spec",
    "svcrole.spec.http",
    "svcrole.status",
]
# The API server has texts of its own for these.
FOREIGN = {"apiVersion", "kind", "metadata"}


def node(path: str) -> Schema:
    """Return the schema behind a path as kubectl writes it."""
    short_name, *parts = path.split(".")
    kind = next(kind for kind in KINDS if kind.short_name == short_name)
    found: Schema = custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in parts:
        found = found["properties"][part]
        found = {**found, **found.get("items", {}), "description": found["description"]}
    return found


def flat(text: str) -> str:
    """Return *text* without line breaks and indentation."""
    return " ".join(text.split())


@pytest.mark.parametrize("path", PATHS)
def test_explain(kubectl: Kubectl, installed: Cluster, path: str) -> None:
    """A path is explained with its own sentences and those of every field below it."""
    explained = flat(kubectl("explain", path).stdout)

    expected = node(path)
    assert flat(expected["description"]) in explained
    for name, field in expected["properties"].items():
        if name not in FOREIGN:
            assert f" {name} <" in explained
            assert flat(field["description"]) in explained


def test_required_fields_and_choices_are_shown(kubectl: Kubectl, installed: Cluster) -> None:
    """One sees which field has to be there, and which words may be written."""
    explained = flat(kubectl("explain", "svctok.spec").stdout)

    assert "accountRef <Object> -required-" in explained
    assert "state <string> enum: Active, Revoked" in explained
