"""Squeezing objects: whatever they look like, a fact comes out and no exception."""

import base64
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicetokens.api import names
from servicetokens.controllers.cache import facts
from servicetokens.tokens.format import assemble
from servicetokens.tokens.verifier import KeyRing

UID = "11111111-2222-3333-4444-555555555555"
RING = KeyRing({"k1": bytes(range(0x20, 0x40))})
TOKEN = assemble("svt", "0123456789AB", bytes(range(32)))
# The vector of the token format: key, uid, serial 1 and token as above.
VERIFIER = "72b686aa1b114b9581e1a2bea78dd971a464a4f9c36f3a1559bd303772ec09ae"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def encoded(text: str) -> str:
    """Return *text* as the API shows it in a Secret."""
    return base64.b64encode(text.encode()).decode()


def a_secret(**changes: Any) -> dict[str, Any]:
    """Return the Secret of the vector."""
    return {
        "type": names.SECRET_TYPE,
        "metadata": {
            "name": "ci-prod",
            "namespace": "team-a",
            "uid": "s-1",
            "resourceVersion": "7",
            "labels": {names.LABEL_TOKEN_SECRET: "true"},
            "annotations": {names.ANNOTATION_SERIAL: "1", names.ANNOTATION_MINT_TIME: "2026-11-25T04:00:00Z"},
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": "ServiceToken",
                    "name": "ci-prod",
                    "uid": UID,
                    "controller": True,
                }
            ],
            "managedFields": [
                {"manager": "servicetokens", "time": "2026-11-25T04:00:00Z"},
                {"manager": "kubectl-edit", "time": "2026-11-25T05:00:00Z"},
            ],
        },
        "data": {"token": encoded(TOKEN.reveal())},
        **changes,
    }


def test_a_secret_is_squeezed_to_the_verifier_of_its_value() -> None:
    """The value itself is dropped; what it hashes to, its owner and who wrote last stay."""
    found = facts.secret_facts(a_secret(), RING)
    assert found.verifiers == {"k1": VERIFIER}
    assert (found.serial, found.mint_time, found.changed_by) == (1, 1795579200, "kubectl-edit")
    assert found.controller is not None
    assert found.controller.uid == UID
    assert TOKEN.reveal() not in repr(found)


def test_a_secret_of_another_type_is_not_looked_into() -> None:
    """Nothing of a foreign Secret is read but its owner."""
    found = facts.secret_facts(a_secret(type="Opaque"), RING)
    assert found.verifiers == {}
    assert found.fingerprint == ""
    assert found.type == "Opaque"


def test_values_that_cannot_be_tokens_hash_to_nothing() -> None:
    """Not base64, no text, far too long, or missing: there is no verifier, so nothing will match."""
    for data in ({}, {"token": "§"}, {"token": encoded("x" * 200)}, {"token": 5}, {"token": "//79"}, None):
        assert facts.secret_facts(a_secret(data=data), RING).verifiers == {}
    assert facts.secret_facts(a_secret(), None).verifiers == {}


def test_a_garbled_serial_or_time_counts_as_none() -> None:
    """Annotations are any user's to edit."""
    secret = a_secret()
    secret["metadata"]["annotations"] = {names.ANNOTATION_SERIAL: "1e3", names.ANNOTATION_MINT_TIME: "soon"}
    found = facts.secret_facts(secret, RING)
    assert (found.serial, found.mint_time) == (0, None)


def test_a_spec_that_breaks_the_rules_is_a_fact_with_a_sentence() -> None:
    """The sentence names the field; the object is otherwise known."""
    found = facts.token_facts(
        {
            "metadata": {"name": "odd", "namespace": "team-a", "uid": "u", "generation": 3},
            "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "90 days"},
        }
    )
    assert found.spec is None
    assert "spec.expiresAfter" in found.spec_error
    assert (found.name, found.generation, found.account_name) == ("odd", 3, "")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "type", "data", "immutable"]), JSON))
def test_no_object_is_odd_enough_to_raise(raw: dict[str, Any]) -> None:
    """One tenant's object is one object's problem."""
    facts.token_facts(raw)
    facts.account_facts(raw)
    facts.role_facts(raw)
    facts.secret_facts(raw, RING)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "metadata": st.fixed_dictionaries(
                {
                    "labels": JSON,
                    "annotations": st.dictionaries(
                        st.sampled_from(
                            [names.ANNOTATION_TEMPLATE, names.ANNOTATION_SERIAL, names.ANNOTATION_MINT_TIME]
                        ),
                        JSON,
                    ),
                    "ownerReferences": JSON,
                    "managedFields": JSON,
                }
            ),
            "type": st.just(names.SECRET_TYPE),
            "data": JSON,
        }
    )
)
def test_no_secret_of_our_type_is_odd_enough_to_raise(raw: dict[str, Any]) -> None:
    """Also where its parts have the right names and the wrong content."""
    facts.secret_facts(raw, RING)


def an_owner(kind: str, name: str, *, controls: bool) -> dict[str, Any]:
    """Return an owner reference."""
    return {"apiVersion": "v1", "kind": kind, "name": name, "uid": name, "controller": controls}


def test_all_owners_of_a_secret_are_seen() -> None:
    """Also those that are no controllers, and of a Secret of another type."""
    owners = [an_owner("ConfigMap", "one", controls=False), an_owner("Deployment", "two", controls=True)]
    for kind in (names.SECRET_TYPE, "Opaque"):
        found = facts.secret_facts({"type": kind, "metadata": {"ownerReferences": owners}}, RING)
        assert [owner.name for owner in found.owners] == ["two", "one"]
        assert found.controller is not None
        assert found.controller.kind == "Deployment"


def test_the_marks_of_a_secret_without_owners_are_read() -> None:
    """They name its owner; with owner references they are not needed."""
    marks = {names.ANNOTATION_TOKEN_NAME: "ci-prod", names.ANNOTATION_TOKEN_ID: "ID1"}
    restored = facts.secret_facts({"type": names.SECRET_TYPE, "metadata": {"annotations": marks}}, RING)
    assert (restored.marked_for, restored.token_id) == ("ci-prod", "ID1")
    owners = [an_owner("ConfigMap", "one", controls=False)]
    owned = facts.secret_facts(
        {"type": names.SECRET_TYPE, "metadata": {"annotations": marks, "ownerReferences": owners}}, RING
    )
    assert (owned.marked_for, owned.token_id) == ("", "")
