"""What the API server takes and rejects as a status. The operator's writes go through exactly this."""

from typing import Any

import pytest

from admission.server import Server, complaints
from admission.table import Manifest
from servicetokens.api import names
from servicetokens.api.conditions import Condition, ConditionType
from servicetokens.api.meta import StatusModel
from servicetokens.api.reasons import Reason
from servicetokens.api.service_account import ServiceAccountStatus
from servicetokens.api.service_role import ServiceRoleStatus
from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.api.token_status import MAX_SERIAL

READY = Condition(
    type=ConditionType.READY,
    status="True",
    observed_generation=1,
    last_transition_time=1_795_579_200,
    reason=Reason.MINTED,
    message="x" * 40_000,
)
CREDENTIAL = Credential(
    serial=1,
    id="0123456789AB",
    mint_time=1_795_579_200,
    expiration_time=253_402_300_799,
    verifier=Verifier(algorithm="HMACSHA256", key_id="k1", value="f" * 64),
)
FULL = [
    (
        names.KIND_TOKEN,
        {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
        ServiceTokenStatus(
            observed_generation=1,
            token_id="0123456789AB",
            secret_name="ci-prod",
            account_uid="5d1c2e1a-0000-0000-0000-000000000000",
            rotation_id="1",
            serial=2,
            mint_time=1_795_579_200,
            expiration_time=253_402_300_799,
            next_rotation_time=1_795_579_200,
            last_used_time=0,
            revocation_time=1_795_579_200,
            restoration_time=1_795_579_200,
            unused_since_time=1_795_579_200,
            suspension_time=1_795_579_200,
            credentials=(CREDENTIAL, CREDENTIAL.model_copy(update={"serial": MAX_SERIAL})),
            conditions=(READY,),
        ),
    ),
    (names.KIND_ACCOUNT, {}, ServiceAccountStatus(observed_generation=1, token_count=3, conditions=(READY,))),
    (
        names.KIND_ROLE,
        {"allowedNamespaces": ["*"]},
        ServiceRoleStatus(observed_generation=1, conditions=(READY,)),
    ),
]
CREDENTIAL_ON_THE_WIRE = CREDENTIAL.model_dump(mode="json", by_alias=True)
READY_ON_THE_WIRE = {**READY.model_dump(mode="json", by_alias=True), "message": ""}

# (what is written, the field that is blamed, a part of what is said)
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a field that the CRD does not know": ({"verifier": "x"}, "status.verifier", "unknown field"),
    "a generation below minus one": (
        {"observedGeneration": -2},
        "status.observedGeneration",
        "should be greater than or equal to -1",
    ),
    "a third credential": (
        {"credentials": [{**CREDENTIAL_ON_THE_WIRE, "serial": serial} for serial in (1, 2, 3)]},
        "status.credentials",
        "must have at most 2 items",
    ),
    "two credentials of one serial": (
        {"credentials": [CREDENTIAL_ON_THE_WIRE] * 2},
        "status.credentials[1]",
        "Duplicate value",
    ),
    "a serial of zero": (
        {"credentials": [{**CREDENTIAL_ON_THE_WIRE, "serial": 0}]},
        "status.credentials[0].serial",
        "should be greater than or equal to 1",
    ),
    "a serial that a double cannot hold": (
        {"credentials": [{**CREDENTIAL_ON_THE_WIRE, "serial": 2**53}]},
        "status.credentials[0].serial",
        "should be less than or equal to 9007199254740991",
    ),
    "a credential without a verifier": (
        {"credentials": [{"serial": 1, "id": "a", "mintTime": "2026-11-25T04:00:00Z"}]},
        "status.credentials[0].verifier",
        "Required value",
    ),
    "a verifier that is too long": (
        {
            "credentials": [
                {**CREDENTIAL_ON_THE_WIRE, "verifier": {"algorithm": "a", "keyID": "k", "value": "f" * 129}},
            ],
        },
        "status.credentials[0].verifier.value",
        "may not be more than 128",
    ),
    "a time without a zone": (
        {"mintTime": "2026-11-25 04:00:00"},
        "status.mintTime",
        "must be of type date-time",
    ),
    "a token id that is a whole token": (
        {"tokenID": "svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"},
        "status.tokenID",
        "may not be more than 32",
    ),
    "a reason with a space": (
        {"conditions": [{**READY_ON_THE_WIRE, "reason": "not ready"}]},
        "status.conditions[0].reason",
        "must be one word of letters",
    ),
    "a condition that is a boolean": (
        {"conditions": [{**READY_ON_THE_WIRE, "status": True}]},
        "status.conditions[0].status",
        'must be of type string: "boolean"',
    ),
    "a condition in small letters": (
        {"conditions": [{**READY_ON_THE_WIRE, "status": "true"}]},
        "status.conditions[0].status",
        'supported values: "True", "False", "Unknown"',
    ),
    "a message that is too long": (
        {"conditions": [{**READY_ON_THE_WIRE, "message": "x" * 32_769}]},
        "status.conditions[0].message",
        "may not be more than 32768",
    ),
    "the same condition twice": (
        {"conditions": [READY_ON_THE_WIRE] * 2},
        "status.conditions[1]",
        "Duplicate value",
    ),
    "a condition without a reason": (
        {"conditions": [{key: value for key, value in READY_ON_THE_WIRE.items() if key != "reason"}]},
        "status.conditions[0].reason",
        "Required value",
    ),
}


@pytest.fixture
def stored(server: Server, request: pytest.FixtureRequest) -> Manifest:
    """A new ServiceToken, as the API server has stored it."""
    return create(server, request, names.KIND_TOKEN, {"accountRef": {"name": "ci"}, "expiresAfter": "30d"})


def create(server: Server, request: pytest.FixtureRequest, kind: str, spec: dict[str, Any]) -> Manifest:
    """Create an object that goes away with the test."""
    manifest = {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"name": "status-test"},
        "spec": spec,
        "status": {"observedGeneration": 7, "conditions": [READY_ON_THE_WIRE]},
    }
    request.addfinalizer(lambda: server.delete(kind, "status-test"))
    answer = server.create(manifest)
    assert answer.ok, answer.body
    body: Manifest = answer.body
    return body


@pytest.mark.parametrize(("kind", "spec", "status"), FULL, ids=[kind for kind, _, _ in FULL])
def test_new_status(
    server: Server,
    request: pytest.FixtureRequest,
    kind: str,
    spec: dict[str, Any],
    status: StatusModel,
) -> None:
    """A status in a manifest is ignored; the object says, for kstatus, that no operator has seen it."""
    assert create(server, request, kind, spec)["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(("kind", "spec", "status"), FULL, ids=[kind for kind, _, _ in FULL])
def test_the_fullest_status(
    server: Server,
    request: pytest.FixtureRequest,
    kind: str,
    spec: dict[str, Any],
    status: StatusModel,
) -> None:
    """Whatever our models write, with every field at its bound, is taken and comes back unchanged."""
    stored = create(server, request, kind, spec)

    answer = server.put_status(stored, status.to_wire())

    assert answer.ok, answer.body
    assert type(status).read(answer.body["status"]) == status
    assert answer.body["metadata"]["generation"] == stored["metadata"]["generation"]


@pytest.mark.parametrize(("status", "field", "says"), REFUSED.values(), ids=REFUSED)
def test_rejected(server: Server, stored: Manifest, status: dict[str, Any], field: str, says: str) -> None:
    """A status out of bounds is rejected as a whole, instead of losing a part of it on the way."""
    answer = server.put_status(stored, {"observedGeneration": 1, **status})

    assert answer.status in {400, 422}, answer.body
    assert any(blamed == field and says in text for blamed, text in complaints(answer)), complaints(answer)


def test_a_status_write_changes_nothing_else(server: Server, stored: Manifest) -> None:
    """Who may write status can change neither the spec nor labels with it."""
    stored["spec"]["expiresAfter"] = "never"
    stored["metadata"]["labels"] = {"planted": "true"}

    answer = server.put_status(stored, {"observedGeneration": 1})

    assert answer.ok, answer.body
    assert answer.body["spec"]["expiresAfter"] == "30d"
    assert "labels" not in answer.body["metadata"]


def test_a_spec_write_changes_no_status(server: Server, stored: Manifest) -> None:
    """Who may write the spec cannot plant a credential with it."""
    stored["status"] = {"credentials": [CREDENTIAL_ON_THE_WIRE]}

    answer = server.replace(stored, version=stored["metadata"]["resourceVersion"])

    assert answer.ok, answer.body
    assert answer.body["status"] == {"observedGeneration": -1}
