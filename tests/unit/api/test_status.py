"""A status is read without ever failing, and written in the form in which it is read."""

import json
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, model_validator

from servicetokens.api.conditions import Condition, ConditionType
from servicetokens.api.meta import StatusModel
from servicetokens.api.reasons import Reason
from servicetokens.api.service_account import ServiceAccountStatus
from servicetokens.api.service_role import ServiceRoleStatus
from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.api.token_status import MAX_SERIAL

CREDENTIAL = {
    "serial": 4,
    "id": "0123456789AB",
    "mintTime": "2026-11-25T04:00:00Z",
    "expirationTime": "2026-12-25T04:00:00Z",
    "verifier": {"algorithm": "HMACSHA256", "keyID": "k1", "value": "72b6"},
}
CONDITION = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 2,
    "lastTransitionTime": "2026-11-25T04:00:00Z",
    "reason": "Minted",
    "message": "The token is in the Secret ci-prod.",
}
WIRE = {
    "observedGeneration": 2,
    "tokenID": "0123456789AB",
    "secretName": "ci-prod",
    "accountUID": "5d1c",
    "rotationID": "1",
    "serial": 4,
    "mintTime": "2026-11-25T04:00:00Z",
    "expirationTime": "2026-12-25T04:00:00Z",
    "nextRotationTime": "2026-12-15T04:00:00Z",
    "lastUsedTime": "2026-11-25T04:00:00Z",
    "revocationTime": "2026-11-25T04:00:00Z",
    "restorationTime": "2026-11-25T04:00:00Z",
    "credentials": [CREDENTIAL],
    "conditions": [CONDITION],
}
STATUS = ServiceTokenStatus(
    observed_generation=2,
    token_id="0123456789AB",
    secret_name="ci-prod",
    account_uid="5d1c",
    rotation_id="1",
    serial=4,
    mint_time=1_795_579_200,
    expiration_time=1_798_171_200,
    next_rotation_time=1_797_307_200,
    last_used_time=1_795_579_200,
    revocation_time=1_795_579_200,
    restoration_time=1_795_579_200,
    credentials=(
        Credential(
            serial=4,
            id="0123456789AB",
            mint_time=1_795_579_200,
            expiration_time=1_798_171_200,
            verifier=Verifier(algorithm="HMACSHA256", key_id="k1", value="72b6"),
        ),
    ),
    conditions=(
        Condition(
            type=ConditionType.READY,
            status="True",
            observed_generation=2,
            last_transition_time=1_795_579_200,
            reason=Reason.MINTED,
            message="The token is in the Secret ci-prod.",
        ),
    ),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_round_trip() -> None:
    """What is written is read back as it was, and is plain JSON."""
    assert STATUS.to_wire() == WIRE
    assert ServiceTokenStatus.read(json.loads(json.dumps(STATUS.to_wire()))) == STATUS


@pytest.mark.parametrize("raw", [None, {}, [], "text", 7])
def test_no_status(raw: Any) -> None:
    """An object without a status is one that no operator has seen."""
    assert ServiceTokenStatus.read(raw) == ServiceTokenStatus()


@pytest.mark.parametrize("kind", [ServiceTokenStatus, ServiceAccountStatus, ServiceRoleStatus])
def test_new_status_on_the_wire(kind: type[StatusModel]) -> None:
    """Nothing that is absent or empty is written: this is also the default in the CRDs."""
    assert kind().to_wire() == {"observedGeneration": -1}


@pytest.mark.parametrize("field", [name for name in WIRE if name not in {"credentials", "conditions"}])
@pytest.mark.parametrize("value", [None, {"a": 1}, ["x"], True, 1.5, "2026-02-30T00:00:00Z" * 20])
def test_an_unreadable_field_counts_as_absent(field: str, value: Any) -> None:
    """One field that cannot be read takes nothing else with it."""
    expected = {name: part for name, part in WIRE.items() if name != field}

    assert ServiceTokenStatus.read({**WIRE, field: value}) == ServiceTokenStatus.read(expected)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "x",
        {},
        {**CREDENTIAL, "serial": 0},
        {**CREDENTIAL, "serial": "4"},
        {**CREDENTIAL, "serial": 2**53},
        {**CREDENTIAL, "id": ""},
        {**CREDENTIAL, "mintTime": "yesterday"},
        {**CREDENTIAL, "expirationTime": "9999-12-31T23:59:59-14:00"},
        {**CREDENTIAL, "verifier": {"algorithm": "HMACSHA256"}},
        {**CREDENTIAL, "verifier": {**CREDENTIAL["verifier"], "value": "x" * 129}},  # type: ignore[dict-item]  # a dict
    ],
)
def test_an_unreadable_credential_is_dropped(broken: Any) -> None:
    """A credential that cannot be read is none, so it is rejected; the one next to it stays."""
    status = ServiceTokenStatus.read({**WIRE, "credentials": [broken, CREDENTIAL]})

    assert status == STATUS


def test_an_impossible_serial_is_absent_and_so_is_its_credential() -> None:
    """Such numbers are within the schema; the next mint could not count on from them."""
    most = {**CREDENTIAL, "serial": MAX_SERIAL}
    beyond = {**CREDENTIAL, "serial": MAX_SERIAL + 1}
    kept = ServiceTokenStatus.read({**WIRE, "serial": MAX_SERIAL, "credentials": [most]})
    assert (kept.serial, [one.serial for one in kept.credentials]) == (MAX_SERIAL, [MAX_SERIAL])
    dropped = ServiceTokenStatus.read({**WIRE, "serial": MAX_SERIAL + 1, "credentials": [beyond, CREDENTIAL]})
    assert dropped.serial is None
    assert dropped.credentials == STATUS.credentials


def test_an_unreadable_condition_is_dropped() -> None:
    """A condition that cannot be read is written again by the next pass."""
    status = ServiceTokenStatus.read({**WIRE, "conditions": [{"type": "Active"}, CONDITION, 3]})

    assert status == STATUS


def test_more_credentials_than_there_may_be() -> None:
    """A list that is longer than the schema allows is not ours, and none of it is trusted."""
    assert ServiceTokenStatus.read({**WIRE, "credentials": [CREDENTIAL] * 3}).credentials == ()


def test_fields_of_a_newer_operator_are_ignored() -> None:
    """An older operator reads what it knows."""
    assert ServiceTokenStatus.read({**WIRE, "colour": "blue"}) == STATUS


def test_a_complaint_about_the_whole() -> None:
    """A status that is rejected as a whole counts as absent as a whole."""

    class Even(StatusModel):
        """A status that minds more than its single fields."""

        @model_validator(mode="after")
        def _is_even(self) -> Self:
            assert self.observed_generation % 2 == 0 or self.observed_generation == -1
            return self

    assert Even.read({"observedGeneration": 2}).observed_generation == 2
    assert Even.read({"observedGeneration": 3}) == Even()


def test_faults_behind_faults() -> None:
    """A list that turns out too long only when its broken items are removed is dropped as well."""
    assert ServiceTokenStatus.read({**WIRE, "credentials": [3, 3, *[CREDENTIAL] * 3]}).credentials == ()


@given(raw=st.dictionaries(st.sampled_from([*WIRE, "x"]), JSON))
def test_reading_never_fails(raw: dict[str, Any]) -> None:
    """Whatever JSON is in a status, reading answers, and what it answers can be written."""
    status = ServiceTokenStatus.read(raw)

    assert ServiceTokenStatus.read(status.to_wire()) == status


@given(credential=st.fixed_dictionaries({}, optional=dict.fromkeys(CREDENTIAL, JSON)))
def test_reading_a_credential_never_fails(credential: dict[str, Any]) -> None:
    """Whatever was forged as a credential, reading answers."""
    assert len(ServiceTokenStatus.read({"credentials": [credential, CREDENTIAL]}).credentials) in {1, 2}


def test_a_long_message_is_cut() -> None:
    """A message beyond the bound of the CRD would cost the whole status write, so it is cut."""
    condition = Condition.model_validate({**CONDITION, "message": "x" * 40_000})

    assert len(condition.message) == 32_768
    assert condition.message.endswith("x…")


@pytest.mark.parametrize("time", [-1, 253_402_300_800, True, 1.0, None])
def test_our_own_times_are_checked(time: Any) -> None:
    """A number that no text can be made of is rejected when the status is built, not when it is written."""
    with pytest.raises(ValidationError):
        Condition(
            type="Ready",
            status="True",
            last_transition_time=time,
            reason="Minted",
            message="",
        )
