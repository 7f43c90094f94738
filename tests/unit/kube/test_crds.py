"""Whether an installed CRD keeps every field that we read or write."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from servicetokens.api import names
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS
from servicetokens.kube.crds import judge

Crd = dict[str, Any]
CURRENT: Mapping[str, Crd] = {kind.plural: custom_resource_definition(kind) for kind in KINDS}
# What restricts a token or a role, and what the validator decides by.
DECISIVE = {
    names.PLURAL_TOKENS: (
        "spec.allowedCIDRs",
        "spec.audiences",
        "spec.roles",
        "spec.state",
        "spec.import.until",
        "spec.rotation.overlap",
        "status.credentials.verifier.keyID",
        "status.credentials.serial",
        "status.suspensionTime",
        "status.conditions.observedGeneration",
    ),
    names.PLURAL_ACCOUNTS: (
        "spec.tokensNotBeforeTime",
        "spec.tokenPolicy.suspendUnusedAfter",
        "status.tokenCount",
    ),
    names.PLURAL_ROLES: ("spec.http.paths", "spec.maxLifetime", "status.conditions.reason"),
}


def schema_of(crd: Crd) -> Crd:
    """Return the schema of its only version."""
    found: Crd = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def every_field(schema: Crd, path: str = "") -> Iterator[tuple[Crd, str, str]]:
    """Give for each field in spec and status the map that it is in, its name, and its path."""
    holder = schema.get("items", schema).get("properties", {})
    for name, field in holder.items():
        if path or name in {"spec", "status"}:
            yield holder, name, f"{path}.{name}".lstrip(".")
            yield from every_field(field, f"{path}.{name}")


def edited(plural: str) -> Crd:
    """Return a copy that may be spoilt."""
    return copy.deepcopy(CURRENT[plural])


@pytest.mark.parametrize("plural", CURRENT)
def test_the_crds_of_this_release_fit(plural: str) -> None:
    """Also with fields that only a newer release knows."""
    assert judge(CURRENT[plural], plural) is None
    newer = edited(plural)
    newer["metadata"]["annotations"][names.ANNOTATION_SCHEMA_REVISION] = "99"
    schema_of(newer)["properties"]["spec"]["properties"]["novelty"] = {"type": "string"}
    assert judge(newer, plural) is None


@pytest.mark.parametrize("plural", CURRENT)
def test_no_field_may_be_missing(plural: str) -> None:
    """Each one that the models have, whatever the annotation says; the sentence names it and the remedy."""
    found = list(every_field(schema_of(CURRENT[plural])))
    assert {path for _, _, path in found} >= set(DECISIVE[plural])
    for number, (_, name, path) in enumerate(found):
        crd = edited(plural)
        holder, _, _ = list(every_field(schema_of(crd)))[number]
        del holder[name]
        sentence = judge(crd, plural)
        assert sentence is not None, path
        assert path in sentence
        assert "servicetokens crds | kubectl apply" in sentence


@pytest.mark.parametrize("plural", CURRENT)
def test_an_older_revision_does_not_fit(plural: str) -> None:
    """Nor one that says nothing, or nothing that can be read."""
    for annotations in (
        {names.ANNOTATION_SCHEMA_REVISION: "1"},
        {names.ANNOTATION_SCHEMA_REVISION: "x"},
        {},
        None,
    ):
        crd = edited(plural)
        crd["metadata"]["annotations"] = annotations
        assert "schema revision" in (judge(crd, plural) or "")


@pytest.mark.parametrize("plural", CURRENT)
def test_a_schema_that_keeps_everything_drops_nothing(plural: str) -> None:
    """It says nothing of our fields and stores them all the same."""
    crd = edited(plural)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema_of(crd)["properties"] |= {"spec": anything, "status": anything}
    assert judge(crd, plural) is None


def test_our_version_has_to_be_served_with_its_subresource() -> None:
    """Without it `status` could be written by whoever may write the spec."""
    plural = names.PLURAL_TOKENS
    crd = edited(plural)
    del crd["spec"]["versions"][0]["subresources"]
    assert "lacks status" in (judge(crd, plural) or "")
    for change in ({"served": False}, {"name": "v1alpha1"}):
        crd = edited(plural)
        crd["spec"]["versions"][0] |= change
        assert "lacks spec, status" in (judge(crd, plural) or "")


def test_of_many_missing_fields_a_few_are_named() -> None:
    """The remedy is the same for all of them."""
    crd = edited(names.PLURAL_TOKENS)
    schema_of(crd)["properties"]["spec"]["properties"] = {}
    sentence = judge(crd, names.PLURAL_TOKENS) or ""
    assert sentence.count("spec.") == 3
    assert "and others" in sentence
