"""What the API server says of a bad value is a sentence for people, in every field: never a regular expression."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from admission.server import Server, complaints
from admission.table import Case, Manifest, Rejection, refused, title
from admission.test_table import MODELS
from controlplane.client import Answer
from servicetokens.api import names
from servicetokens.api.conditions import ConditionType
from servicetokens.api.rules import RULES_KEYWORD
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS

# Every text that has rules rejects one of these: for its letters and its shape, for being empty, for its braces.
BAD = ("é é", "", "{x}")
# Only regular expressions look so. A bad value that is repeated must not.
REGULAR_EXPRESSION = re.compile(r"should match|\^|\[[^\]]+-[^\]]+\]|\)[*+?$]|\\[.dsw]|\$['\"]")
TIME = "2027-01-31T00:00:00Z"
CONDITION = {
    "type": ConditionType.READY.value,
    "status": "True",
    "reason": "Minted",
    "message": "It is.",
    "lastTransitionTime": TIME,
}
# Every text that each kind can have. Two that exclude each other are in it: what is said of the rest is the same.
FULL: dict[str, Manifest] = {
    names.KIND_TOKEN: {
        "spec": {
            "accountRef": {"name": "ci"},
            "description": "x",
            "state": "Revoked",
            "revocationReason": "Superseded",
            "inUseTime": TIME,
            "expiresAfter": "30d",
            "expirationTime": TIME,
            "roles": ["reader"],
            "audiences": ["orders"],
            "allowedCIDRs": ["10.0.0.0/8"],
            "rotation": {"every": "20d", "overlap": "1d", "id": "1"},
            "secret": {
                "name": "ci-prod",
                "template": {"labels": {"team": "a"}, "annotations": {"team": "a"}, "data": {"x": "y"}},
            },
            "import": {"secretRef": {"name": "legacy", "key": "token"}, "until": TIME},
        },
        "status": {
            "tokenID": "0123456789AB",
            "secretName": "ci-prod",
            "accountUID": "x",
            "rotationID": "1",
            "mintTime": TIME,
            "expirationTime": TIME,
            "nextRotationTime": TIME,
            "lastUsedTime": TIME,
            "revocationTime": TIME,
            "restorationTime": TIME,
            "unusedSinceTime": TIME,
            "suspensionTime": TIME,
            "credentials": [
                {
                    "serial": 1,
                    "id": "0123456789AB",
                    "mintTime": TIME,
                    "expirationTime": TIME,
                    "verifier": {"algorithm": "HMACSHA256", "keyID": "k1", "value": "f"},
                    "delivery": "Delivered",
                }
            ],
            "conditions": [CONDITION],
        },
    },
    names.KIND_ACCOUNT: {
        "spec": {
            "displayName": "CI",
            "description": "x",
            "state": "Active",
            "roles": ["reader"],
            "tokensNotBeforeTime": TIME,
            "tokenPolicy": {"maxLifetime": "90d", "unusedFor": "90d", "suspendUnusedAfter": "90d"},
        },
        "status": {"conditions": [CONDITION]},
    },
    names.KIND_ROLE: {
        "spec": {
            "description": "x",
            "permissions": ["orders:read"],
            "allowedNamespaces": ["team-a"],
            "maxLifetime": "90d",
            "http": [{"hosts": ["orders.example.com"], "methods": ["GET"], "paths": ["/orders"]}],
        },
        "status": {"conditions": [CONDITION]},
    },
}
Place = tuple[str | int, ...]


def texts_of(schema: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Give every text of a schema: where it is (the first of a list, any key of a map), and its own schema."""
    if schema.get("type") == "string":
        yield place, schema
    for name, field in schema.get("properties", {}).items():
        yield from texts_of(field, (*place, name))
    if "items" in schema:
        yield from texts_of(schema["items"], (*place, 0))
    if "additionalProperties" in schema:
        yield from texts_of(schema["additionalProperties"], (*place, "*"))


def fields() -> list[tuple[str, Place, bool]]:
    """Return every text of every kind, and whether rules of its own look at it."""
    found = []
    for kind in KINDS:
        schema = custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for place, one in texts_of(schema):
            # The API server knows apiVersion and kind before it looks at the schema.
            if place[0] in {"spec", "status", "metadata"}:
                found.append((kind.kind, place, bool(one.keys() & {RULES_KEYWORD, "enum", "format"})))
    return found


def with_value(kind: str, place: Place, value: str) -> Manifest:
    """Return the full manifest of *kind* with *value* at *place*; fails if there is nothing at *place*."""
    manifest = copy.deepcopy(
        {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": "sentences"},
            **FULL[kind],
        }
    )
    inner: Any = manifest
    for part in place[:-1]:
        inner = inner[part]
    last = next(iter(inner)) if place[-1] == "*" else place[-1]
    assert isinstance(inner[last], str)
    inner[last] = value
    return manifest


def sentences() -> list[tuple[Rejection, str]]:
    """Return the rows that our models reject by a rule, each with the sentence that they have for it."""
    found = []
    for case in refused():
        try:
            MODELS[case.manifest["kind"]].model_validate(case.manifest)
        except ValidationError as error:
            said = [line["msg"] for line in error.errors() if case.says in line["msg"]]
            found += [(case, sentence) for sentence in said]
    assert len(found) > len(refused()) / 2
    return found


@pytest.mark.parametrize(
    ("kind", "place", "is_looked_at"),
    fields(),
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_no_field_answers_with_a_regular_expression(
    server: Server, request: pytest.FixtureRequest, kind: str, place: Place, is_looked_at: bool
) -> None:
    """A bad value is rejected where rules look at it, and what is said can be read by people."""
    submit = _submitter(server, request, kind, is_status=place[0] == "status")
    answers = [submit(with_value(kind, place, value)) for value in BAD]

    found = [
        text
        for answer in answers
        if not answer.ok
        for field, text in complaints(answer)
        # Kubernetes itself says more of the names of all objects, in words of its own.
        if _is_about(field, place) and "RFC 1123" not in text
    ]
    assert bool(found) or not is_looked_at, answers
    assert [text for text in found if REGULAR_EXPRESSION.search(text)] == []


@pytest.mark.parametrize("case", refused(), ids=title)
def test_no_rejection_of_the_tables_shows_a_regular_expression(server: Server, case: Rejection) -> None:
    """Whatever else is wrong with a manifest, the sentences stay sentences."""
    written = str(case.manifest)
    said = [
        text
        for field, text in complaints(server.submit(case))
        if "metadata" not in field or "1123" not in text
    ]

    # A value that looks like a regular expression itself is repeated.
    shown = (
        [text.rpartition('": ')[2] or text for text in said] if REGULAR_EXPRESSION.search(written) else said
    )
    assert [text for text in shown if REGULAR_EXPRESSION.search(text)] == []


@pytest.mark.parametrize(
    ("case", "sentence"), sentences(), ids=lambda one: title(one) if isinstance(one, Case) else ""
)
def test_our_own_processes_use_the_words_of_the_api_server(
    server: Server, case: Rejection, sentence: str
) -> None:
    """What a rule says at admission is what a condition says of an object that is older than the rule."""
    assert sentence in " ".join(text for _, text in complaints(server.submit(case)))


def _submitter(
    server: Server, request: pytest.FixtureRequest, kind: str, *, is_status: bool
) -> Callable[[Manifest], Answer]:
    """Return what submits a manifest: as a new object, or the status of an object that is made for it."""
    if not is_status:
        return lambda manifest: server.create(manifest, dry_run=True)
    good = {"kind": kind, "metadata": {"name": "sentences"}, "apiVersion": names.API_VERSION}
    spec = {key: value for key, value in FULL[kind]["spec"].items() if key != "expirationTime"}
    request.addfinalizer(lambda: server.delete(kind, "sentences"))
    created = server.create({**good, "spec": spec})
    assert created.ok, created.body
    return lambda manifest: server.put_status(server.get(kind, "sentences"), manifest["status"])


def _is_about(field: str, place: Place) -> bool:
    parts = [part for part in re.split(r"[.\[\]]+", field) if part]
    return len(parts) >= len(place) and all(
        str(wanted) in {"*", part} for wanted, part in zip(place, parts, strict=False)
    )
