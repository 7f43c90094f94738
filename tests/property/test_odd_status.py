"""Whatever stands in a stored status or Secret: it is repaired within a few passes, and never a defect."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.builders.facts import NOW, a_role, a_snapshot, a_token, an_account, carried_out
from common.builders.planning import plan
from property.odd import ACCOUNTS, INTEGERS, SPECS, secrets, statuses
from servicetokens.api.fields import MAX_INTEGER
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.controllers.cache import facts
from servicetokens.lifecycle.account import account_status
from servicetokens.lifecycle.role import role_status
from servicetokens.lifecycle.snapshot import Enforcement, SecretFacts, Snapshot

# The most that a repair takes: what was forged goes, another token is minted and delivered, and once more for a serial
# that was just believable.
PASSES = 6


def with_stored(status: dict[str, Any], spec: dict[str, Any], account: dict[str, Any]) -> Snapshot:
    """Return a token as it is read from the API server with *status*."""
    read = facts.token_facts({"metadata": {}, "status": status}).status
    return a_snapshot(a_token(status=read, **spec), an_account(**account))


def on_the_wire(status: ServiceTokenStatus) -> ServiceTokenStatus:
    """Return *status* after it was written and read; fails when the API server would reject a number or a time."""
    wire = status.to_wire()
    assert wire.get("serial", 1) in range(1, MAX_INTEGER + 1)
    for credential in wire.get("credentials", ()):
        assert credential["serial"] in range(1, MAX_INTEGER + 1)
    return facts.token_facts({"metadata": {}, "status": wire}).status


def said(kind: str, since: str) -> dict[str, Any]:
    """Return a condition that is true since then."""
    fixed = {"status": "True", "observedGeneration": 1, "reason": "Odd", "message": ""}
    return {"type": kind, "lastTransitionTime": since, **fixed}


FLAGGED_IN_THE_FUTURE = {
    "unusedSinceTime": "2027-01-01T00:00:00Z",
    "conditions": [said("Active", "1970-01-01T00:00:00Z"), said("Unused", "9999-12-31T23:59:59Z")],
}


@given(status=statuses, spec=st.sampled_from(SPECS), account=st.sampled_from(ACCOUNTS), secret=secrets)
@example(status=FLAGGED_IN_THE_FUTURE, spec={}, account=ACCOUNTS[1], secret=None)
@example(status={"serial": MAX_INTEGER}, spec={}, account={}, secret=None)
@example(status={"serial": 2**52}, spec={}, account={}, secret=None)
def test_a_token_comes_to_rest(
    status: dict[str, Any], spec: dict[str, Any], account: dict[str, Any], secret: SecretFacts | None
) -> None:
    """Every plan can be written, and after a few of them nothing is left to do at this second."""
    snapshot = replace(with_stored(status, spec, account), secret=secret)
    for _ in range(PASSES):
        wanted = plan(snapshot, NOW)
        if wanted.status is not None:
            on_the_wire(wanted.status)
        if wanted.status is None and wanted.deliver is None:
            return
        snapshot = carried_out(snapshot, wanted)
        snapshot = _read_again(snapshot)
    pytest.fail("it does not come to rest")


def _read_again(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, token=replace(snapshot.token, status=on_the_wire(snapshot.token.status)))


@pytest.mark.parametrize("serial", INTEGERS)
def test_a_token_with_any_serial_rotates(serial: int) -> None:
    """Also when the stored number cannot be counted up from: the next one can be written, and is believed."""
    snapshot = with_stored({"serial": serial}, {}, {})
    for _ in range(PASSES):
        wanted = plan(snapshot, NOW)
        if wanted.status is None and wanted.deliver is None:
            break
        snapshot = _read_again(carried_out(snapshot, wanted))
    for number in range(3):
        spec = a_token(rotation={"id": str(number)}, status=snapshot.token.status)
        wanted = plan(a_snapshot(spec, secret=snapshot.secret), NOW)
        assert wanted.mint is not None
        snapshot = _read_again(carried_out(a_snapshot(spec, secret=snapshot.secret), wanted))
        assert snapshot.token.current is not None
        assert snapshot.token.current.serial == wanted.mint.serial


@given(status=statuses)
def test_an_account_and_a_role_come_to_rest(status: dict[str, Any]) -> None:
    """In one pass."""
    account = facts.account_facts({"metadata": {"generation": 1}, "spec": {}, "status": status})
    first = account_status(account, {}, 3, Enforcement(), NOW)
    if first is not None:
        again = {"metadata": {"generation": 1}, "spec": {}, "status": first.to_wire()}
        assert account_status(facts.account_facts(again), {}, 3, Enforcement(), NOW) is None
    raw = {"metadata": {"name": "r", "generation": 1}, "spec": {"allowedNamespaces": ["*"]}, "status": status}
    written = role_status(facts.role_facts(raw), NOW)
    if written is not None:
        assert role_status(facts.role_facts({**raw, "status": written.to_wire()}), NOW) is None
    assert a_role("r").grants("x")
