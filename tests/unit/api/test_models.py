"""The models as Python sees them: names, types, immutability, and what they do with the unexpected."""

import pytest
from pydantic import ValidationError

from servicetokens.api.conditions import ConditionType
from servicetokens.api.meta import ObjectMeta, wire_name
from servicetokens.api.reasons import Reason
from servicetokens.api.service_account import ServiceAccountSpec
from servicetokens.api.service_role import HttpRule, ServiceRoleSpec
from servicetokens.api.service_token import (
    NEVER,
    AccountRef,
    Rotation,
    SecretSpec,
    SecretTemplate,
    ServiceToken,
    ServiceTokenSpec,
    ServiceTokenStatus,
)

FULL_SPEC = {
    "accountRef": {"name": "ci"},
    "description": "release job",
    "state": "Revoked",
    "revocationReason": "Superseded",
    "expiresAfter": "30d",
    "roles": ["orders-reader"],
    "audiences": ["orders"],
    "allowedCIDRs": ["10.0.0.0/8"],
    "rotation": {"every": "20d", "overlap": "0s", "id": "1"},
    "secret": {
        "name": "s",
        "template": {"labels": {"a": "b"}, "annotations": {"c": "d"}, "data": {"e": "{id}"}},
    },
}


@pytest.mark.parametrize(
    ("attribute", "wire"),
    [
        ("account_ref", "accountRef"),
        ("token_id", "tokenID"),
        ("account_uid", "accountUID"),
        ("rotation_id", "rotationID"),
        ("key_id", "keyID"),
        ("allowed_cidrs", "allowedCIDRs"),
        ("tokens_not_before_time", "tokensNotBeforeTime"),
        ("id", "id"),
        ("uid", "uid"),
        ("http", "http"),
    ],
)
def test_wire_names(attribute: str, wire: str) -> None:
    """Attributes are in snake case, the wire in camel case with acronyms in upper case."""
    assert wire_name(attribute) == wire


def test_token_spec() -> None:
    """Every field of a ServiceToken arrives under its Python name: durations in seconds, lists as tuples."""
    assert ServiceTokenSpec.model_validate(FULL_SPEC) == ServiceTokenSpec.model_construct(
        account_ref=AccountRef(name="ci"),
        description="release job",
        state="Revoked",
        revocation_reason="Superseded",
        expires_after=2_592_000,
        expiration_time=None,
        roles=("orders-reader",),
        audiences=("orders",),
        allowed_cidrs=("10.0.0.0/8",),
        rotation=Rotation.model_construct(every=1_728_000, overlap=0, id="1"),
        secret=SecretSpec(
            name="s",
            template=SecretTemplate(labels={"a": "b"}, annotations={"c": "d"}, data={"e": "{id}"}),
        ),
    )


def test_left_out_is_not_empty() -> None:
    """What the spec leaves out is None, and differs from what it sets; nothing is filled in."""
    spec = ServiceTokenSpec.model_validate({"accountRef": {"name": "ci"}, "expiresAfter": "never"})

    assert spec.expires_after == NEVER
    assert {name for name, value in spec if value is None} == set(ServiceTokenSpec.model_fields) - {
        "account_ref",
        "expires_after",
    }


def test_account_spec() -> None:
    """A kill switch counts from the next whole second; roles that are left out are none."""
    spec = ServiceAccountSpec.model_validate(
        {"tokensNotBeforeTime": "2026-11-25T04:00:00.1Z", "tokenPolicy": {"maxLifetime": "90d"}},
    )

    assert spec.tokens_not_before_time == 1_795_579_201
    assert spec.token_policy is not None
    assert spec.token_policy.max_lifetime == 7_776_000
    assert spec.roles == ()


def test_role_spec() -> None:
    """A role's HTTP rules tell a condition that is absent from one that is set."""
    spec = ServiceRoleSpec.model_validate({"allowedNamespaces": ["*"], "http": [{"methods": ["GET"]}]})

    assert spec.http == (HttpRule(methods=("GET",)),)
    assert spec.http[0].paths is None
    assert spec.permissions == ()


def test_models_are_immutable() -> None:
    """A spec or status can be shared between tasks, since it is immutable."""
    spec = ServiceTokenSpec.model_validate(FULL_SPEC)

    with pytest.raises(ValidationError, match="frozen"):
        spec.state = "Active"  # type: ignore[misc]  # that is the point


def test_unknown_fields_are_ignored() -> None:
    """A field of a newer CRD does not stop an older operator."""
    spec = ServiceTokenSpec.model_validate(
        {**FULL_SPEC, "colour": "blue", "rotation": {"every": "20d", "x": 1}}
    )

    assert spec.rotation == Rotation.model_validate({"every": "20d"})


def test_a_whole_object() -> None:
    """An object is read as the API server sends it; an absent status is that of a new object."""
    token = ServiceToken.model_validate(
        {
            "apiVersion": "servicetokens.dev/v1beta1",
            "kind": "ServiceToken",
            "metadata": {
                "name": "ci-prod",
                "namespace": "team-a",
                "uid": "u",
                "resourceVersion": "7",
                "generation": 2,
                "creationTimestamp": "2026-11-25T04:00:00Z",
                "deletionTimestamp": "2026-11-25T04:00:00Z",
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "K", "name": "n", "uid": "o", "controller": True}
                ],
                "managedFields": [{"manager": "kubectl"}],
            },
            "spec": FULL_SPEC,
        },
    )

    assert token.metadata.resource_version == "7"
    assert token.metadata.deletion_timestamp == 1_795_579_200
    assert token.metadata.owner_references[0].controller
    assert token.status == ServiceTokenStatus()
    assert token.status.observed_generation == -1


def test_metadata_of_an_unborn_object() -> None:
    """What the API server has not filled in yet has an empty value."""
    assert ObjectMeta.model_validate({"name": "a"}) == ObjectMeta(name="a", namespace="", labels={})


def test_conditions_have_words_of_their_own() -> None:
    """Types and reasons are single words in camel case, as the API conventions want, and none is twice."""
    for words in (ConditionType, Reason):
        values = [word.value for word in words]
        assert all(value.isascii() and value.isalnum() and value[0].isupper() for value in values)
        assert len(words.__members__) == len(values)
