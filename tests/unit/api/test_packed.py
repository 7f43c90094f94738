"""Models at rest come back as they were."""

from typing import Any

import pytest

from common.builders.facts import a_token, settled
from servicetokens.api.conditions import Condition, ConditionType
from servicetokens.api.packed import pack, unpack
from servicetokens.api.service_token import ServiceTokenSpec, ServiceTokenStatus

FULL: dict[str, Any] = {
    "accountRef": {"name": "ci"},
    "description": "für die Öffentlichkeit 🗝",
    "state": "Revoked",
    "revocationReason": "KeyCompromise",
    "inUseTime": "2999-12-31T23:59:59Z",
    "expiresAfter": "never",
    "roles": ["reader", "writer"],
    "audiences": ["https://orders.example.com"],
    "allowedCIDRs": ["10.0.0.0/8", "2001:db8::/32"],
    "rotation": {"id": "one", "overlap": "0s"},
    "secret": {"name": "other", "template": {"data": {"url": "https://x"}, "labels": {"team": "a"}}},
}


@pytest.mark.parametrize("spec", [FULL, {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}])
def test_a_spec_comes_back_as_it_was(spec: dict[str, Any]) -> None:
    """With nested models, lists, mappings, the absent and the word `never`."""
    model = ServiceTokenSpec.model_validate(spec)
    (found,) = unpack(pack(model))
    assert type(found) is ServiceTokenSpec
    assert found == model
    assert found.model_dump(by_alias=True) == model.model_dump(by_alias=True)
    assert type(found.account_ref) is type(model.account_ref)


def test_a_status_comes_back_and_can_be_copied_and_written() -> None:
    """The next pass makes its status from a copy of this one, and compares the two."""
    status = settled().token.status
    (found,) = unpack(pack(status))
    assert found == status
    assert found.to_wire() == status.to_wire()
    changed = found.model_copy(update={"serial": 7})
    assert (changed.serial, found.serial) == (7, status.serial)
    assert not found.model_fields_set
    assert changed.model_copy(update={"serial": status.serial}) == status


def test_values_next_to_the_models_are_restored_too() -> None:
    """Texts that no encoding allows included: an odd object must not harm the operator."""
    values = ("u-1", 3, True, None, "\ud800", -(10**30), ServiceTokenStatus(), None)
    assert unpack(pack(*values)) == values


def test_a_member_of_an_enumeration_comes_back_as_its_text() -> None:
    """Conditions that were planned here have members; those that are read have texts, and both are equal."""
    condition = Condition(
        type=ConditionType.READY, status="True", last_transition_time=1, reason="Minted", message=""
    )
    (found,) = unpack(pack(condition))
    assert found == condition
    assert type(found.type) is str


def test_packed_models_are_frozen_like_others() -> None:
    """Facts are immutable."""
    (spec,) = unpack(pack(a_token().spec))
    with pytest.raises(ValueError, match="frozen"):
        spec.state = "Active"
