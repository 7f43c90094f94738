"""Whether an installed CRD keeps every field that we read or write, by the CRD or by what is published of it."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from servicetokens.api import names
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS
from servicetokens.kube import paths
from servicetokens.kube.crds import SchemaCheck, examine, find_mismatch, find_published_mismatch
from servicetokens.kube.errors import Forbidden, KubeError, NotFound
from servicetokens.runtime.readiness import Readiness

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
    assert find_mismatch(CURRENT[plural], plural) is None
    newer = edited(plural)
    newer["metadata"]["annotations"][names.ANNOTATION_SCHEMA_REVISION] = "99"
    schema_of(newer)["properties"]["spec"]["properties"]["novelty"] = {"type": "string"}
    assert find_mismatch(newer, plural) is None


@pytest.mark.parametrize("plural", CURRENT)
def test_no_field_may_be_missing(plural: str) -> None:
    """Each one that the models have, whatever the annotation says; the sentence names it and the remedy."""
    found = list(every_field(schema_of(CURRENT[plural])))
    assert {path for _, _, path in found} >= set(DECISIVE[plural])
    for number, (_, name, path) in enumerate(found):
        crd = edited(plural)
        holder, _, _ = list(every_field(schema_of(crd)))[number]
        del holder[name]
        sentence = find_mismatch(crd, plural)
        assert sentence is not None, path
        assert path in sentence
        assert "servicetokens crds | kubectl apply" in sentence


@pytest.mark.parametrize("plural", CURRENT)
def test_an_older_revision_does_not_fit(plural: str) -> None:
    """Nor one without content, or one that cannot be read."""
    for annotations in (
        {names.ANNOTATION_SCHEMA_REVISION: "1"},
        {names.ANNOTATION_SCHEMA_REVISION: "x"},
        {},
        None,
    ):
        crd = edited(plural)
        crd["metadata"]["annotations"] = annotations
        assert "schema revision" in (find_mismatch(crd, plural) or "")


@pytest.mark.parametrize("plural", CURRENT)
def test_a_schema_that_keeps_everything_drops_nothing(plural: str) -> None:
    """It does not mention our fields and stores them nevertheless."""
    crd = edited(plural)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema_of(crd)["properties"] |= {"spec": anything, "status": anything}
    assert find_mismatch(crd, plural) is None


@pytest.mark.parametrize("plural", CURRENT)
def test_a_status_has_to_take_every_word_that_is_written_there(plural: str) -> None:
    """What the API server rejects is not stored either. What people write is rejected with a message for them."""
    listed = [(path, holder[name]) for holder, name, path in every_field(schema_of(CURRENT[plural]))]
    listed = [(path, field) for path, field in listed if "enum" in field]
    assert "status.conditions.status" in {path for path, _ in listed}
    for path, field in listed:
        for word in field["enum"]:
            crd = edited(plural)
            holder, name = next(
                (holder, name) for holder, name, place in every_field(schema_of(crd)) if place == path
            )
            holder[name]["enum"].remove(word)
            sentence = find_mismatch(crd, plural)
            assert (sentence is None) is path.startswith("spec."), (path, word)
            assert sentence is None or f"lacks {path} '{word}', so it is an older one" in sentence


def test_our_version_has_to_be_served_with_its_subresource() -> None:
    """Without it `status` could be written by anyone who may write the spec."""
    plural = names.PLURAL_TOKENS
    crd = edited(plural)
    del crd["spec"]["versions"][0]["subresources"]
    assert "lacks status" in (find_mismatch(crd, plural) or "")
    for change in ({"served": False}, {"name": "v1alpha1"}):
        crd = edited(plural)
        crd["spec"]["versions"][0] |= change
        assert "lacks spec, status" in (find_mismatch(crd, plural) or "")


def test_of_many_missing_fields_a_few_are_named() -> None:
    """The remedy is the same for all of them."""
    crd = edited(names.PLURAL_TOKENS)
    schema_of(crd)["properties"]["spec"]["properties"] = {}
    sentence = find_mismatch(crd, names.PLURAL_TOKENS) or ""
    assert sentence.count("spec.") == 3
    assert "and others" in sentence


# Without the permission to read CRDs.


def published(crds: Mapping[str, Crd]) -> Crd:
    """Return what the API server publishes of *crds*: the same schemas, and the paths."""
    schemas: Crd = {}
    served: Crd = {}
    for kind in KINDS:
        version = crds[kind.plural]["spec"]["versions"][0]
        one = {
            "group": names.GROUP,
            "version": names.VERSION,
            "kind": crds[kind.plural]["spec"]["names"]["kind"],
        }
        schemas[f"dev.servicetokens.{one['kind']}"] = {
            **version["schema"]["openAPIV3Schema"],
            "x-kubernetes-group-version-kind": [one],
        }
        of_one = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{{namespace}}/{kind.plural}/{{name}}"
        served |= {of_one: {}} | {f"{of_one}/{part}": {} for part in version.get("subresources", {})}
    return {"openapi": "3.0.0", "paths": served, "components": {"schemas": schemas}}


class Server:
    """Answers by path; what it does not have is not found."""

    def __init__(self, answers: Mapping[str, Crd | KubeError]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    async def request(self, _method: str, path: str) -> bytes:
        """See `crds.Requests`."""
        self.asked.append(path)
        answer = self.answers.get(path, NotFound("the server could not find the requested resource"))
        if isinstance(answer, KubeError):
            raise answer
        return json.dumps(answer).encode()


def rejection(resource: str) -> Forbidden:
    """Return what the API server says of a permission that is missing."""
    return Forbidden(f'User "x" cannot get resource "{resource}" at the cluster scope')


def restricted(document: Crd | KubeError) -> Server:
    """Return a server that lets no client read CRDs, and publishes *document*."""
    rejected = {paths.definition(plural): rejection("customresourcedefinitions") for plural in CURRENT}
    return Server({**rejected, paths.PUBLISHED_SCHEMA: document})


@pytest.mark.parametrize("plural", CURRENT)
def test_no_field_may_be_missing_from_the_published_schema(plural: str) -> None:
    """Each one that the models have, as in the CRD; the sentence names it and the remedy."""
    assert find_published_mismatch(published(CURRENT), plural) is None
    for number, (_, name, path) in enumerate(every_field(schema_of(CURRENT[plural]))):
        crd = edited(plural)
        holder, _, _ = list(every_field(schema_of(crd)))[number]
        del holder[name]
        sentence = find_published_mismatch(published({**CURRENT, plural: crd}), plural)
        assert sentence is not None, path
        assert path in sentence
        assert "servicetokens crds | kubectl apply" in sentence


def test_what_is_not_published_as_we_know_it_does_not_fit() -> None:
    """Another version, no subresource, nothing, or what is no such document."""
    plural = names.PLURAL_TOKENS
    crd = edited(plural)
    del crd["spec"]["versions"][0]["subresources"]
    assert "lacks status" in (find_published_mismatch(published({**CURRENT, plural: crd}), plural) or "")
    document = published(CURRENT)
    for schema in document["components"]["schemas"].values():
        schema["x-kubernetes-group-version-kind"][0]["version"] = "v1"
    odd: tuple[Crd, ...] = (
        document,
        {},
        {"components": []},
        {"components": {"schemas": {"a": 1, "b": {}}}, "paths": 3},
    )
    for one in odd:
        assert "is not installed" in (find_published_mismatch(one, plural) or "")


async def test_without_the_permission_the_published_schema_is_checked_and_that_is_reported_once() -> None:
    """Two requests each time; once the permission is there, the CRDs are read again."""
    server, readiness = restricted(published(CURRENT)), Readiness()
    check = SchemaCheck(server, readiness)
    with capture_logs() as logs:
        for _ in range(3):
            assert await check.find_problem() == ""
        assert len(server.asked) == 6
        assert readiness.missing == []
        assert ["customresourcedefinitions" in sentence for sentence in readiness.degraded] == [True]
        server.answers |= {paths.definition(plural): CURRENT[plural] for plural in CURRENT}
        await check.until_fit()
    assert readiness.degraded == []
    assert [one["event"] for one in logs] == ["degraded", "recovered"]


async def test_an_older_schema_is_noticed_without_the_permission_too() -> None:
    """At start and while running, so that no restriction is dropped silently."""
    crd = edited(names.PLURAL_TOKENS)
    del schema_of(crd)["properties"]["spec"]["properties"]["allowedCIDRs"]
    older = published({**CURRENT, names.PLURAL_TOKENS: crd})
    assert "lacks spec.allowedCIDRs" in (await examine(restricted(older))).problem
    server = restricted(published(CURRENT))
    check = SchemaCheck(server, Readiness())
    await check.until_fit()
    server.answers[paths.PUBLISHED_SCHEMA] = older
    await check.until_unfit(0.01)
    assert "lacks spec.allowedCIDRs" in await check.find_problem()


async def test_a_user_that_may_read_neither_gets_both_names() -> None:
    """Nothing is concluded from a rejection, nor from silence."""
    problem = (await examine(restricted(rejection("openapi")))).problem
    assert "customresourcedefinitions" in problem
    assert "openapi" in problem
    gone = (await examine(restricted(NotFound("no such path")))).problem
    assert "is not installed" in gone
