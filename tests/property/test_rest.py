"""Where a token comes to rest does not depend on the order in which the world changed, nor on the passes in between."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.builders.facts import NOW, a_role, a_snapshot, a_token, an_account, carried_out
from common.builders.planning import plan
from property.odd import secrets, statuses
from property.test_odd_status import PASSES, with_stored
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.lifecycle.content import Subject, desired_content
from servicetokens.lifecycle.snapshot import AccountFacts, RoleFacts, Snapshot

SPECS: tuple[dict[str, Any], ...] = (
    {},
    {"expiresAfter": "60d", "rotation": {"every": "10d", "overlap": "1h"}},
    {"expirationTime": "2999-12-31T23:59:59Z", "roles": ["reader"]},
    {"rotation": {"id": "a"}, "description": "for people"},
    {"rotation": {"id": "b", "overlap": "0s"}, "roles": ["writer"]},
    {"state": "Revoked", "revocationReason": "Superseded"},
    {"secret": {"template": {"labels": {"team": "a"}, "data": {"header": "Bearer {token}"}}}},
)
ACCOUNTS: tuple[AccountFacts | None, ...] = (
    None,
    an_account(roles=["reader"]),
    an_account(state="Suspended"),
    an_account(uid="a-2", roles=["reader", "writer"]),
    an_account(tokenPolicy={"maxLifetime": "20d"}),
)
ROLES: tuple[RoleFacts | None, ...] = (
    None,
    a_role("reader"),
    a_role("reader", allowedNamespaces=["team-b"]),
    a_role("reader", maxLifetime="10d"),
)
#: What history keeps, see docs/conditions.md.
KEPT = (
    "serial",
    "mint_time",
    "token_id",
    "rotation_id",
    "revocation_time",
    "restoration_time",
    "credentials",
)
# A live token goes on where a first one waits; then the reasons are the same.
OF_WAITING = {"Ready", "RolesAccepted", "Reconciling", "Stalled"}


def came_to_rest(snapshot: Snapshot) -> Snapshot:
    """Return *snapshot* after as many passes as are allowed."""
    for _ in range(PASSES):
        wanted = plan(snapshot, NOW)
        if wanted.status is None and wanted.deliver is None:
            return snapshot
        snapshot = carried_out(snapshot, wanted)
    pytest.fail("it does not come to rest")


def seen(snapshot: Snapshot) -> tuple[Any, ...]:
    """Return what does not depend on history: status, the live credential's end, and what the Secret has to have."""
    token, status = snapshot.token, snapshot.token.status
    left = {name: getattr(status, name) for name in ServiceTokenStatus.model_fields if name not in KEPT}
    left["conditions"] = sorted(
        (one.type, one.status, one.reason, one.message) for one in status.conditions if one.type != "Enforced"
    )
    current = token.current
    held = snapshot.secret is not None and current is not None and snapshot.secret.holds(current)
    subject = Subject(token_id="", serial=0, mint_time=0, end=current.expiration_time if current else None)
    return left, current is not None, held, desired_content(token, subject)


def reasons(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Return what is said about waiting."""
    found = snapshot.token.status.conditions
    return sorted((one.type, one.status, one.reason) for one in found if one.type in OF_WAITING)


def changed(snapshot: Snapshot, change: tuple[str, Any]) -> Snapshot:
    """Return *snapshot* after one event."""
    what, value = change
    if what == "spec":
        token = snapshot.token
        made = a_token(status=token.status, generation=token.generation + 1, **value)
        return replace(snapshot, token=made)
    if what == "account":
        return replace(snapshot, account=value)
    if what == "secret":
        return replace(snapshot, secret=None)
    return replace(snapshot, roles={**snapshot.roles, "reader": value, "writer": a_role("writer")})


@given(
    first=st.tuples(st.sampled_from(SPECS), st.sampled_from(ACCOUNTS), st.sampled_from(ROLES)),
    then=st.tuples(st.sampled_from(SPECS), st.sampled_from(ACCOUNTS), st.sampled_from(ROLES)),
    loses_secret=st.booleans(),
    pauses=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_the_order_of_events_makes_no_difference(
    first: Sequence[Any], then: Sequence[Any], loses_secret: bool, pauses: list[bool]
) -> None:
    """Spec, account and role change, and the Secret goes, in every order, with and without a look in between."""
    names = ("spec", "account", "role")
    begun = a_snapshot(a_token(), None)
    for change in zip(names, first, strict=True):
        begun = changed(begun, change)
    begun = came_to_rest(begun)
    events = [*zip(names, then, strict=True), *([("secret", None)] if loses_secret else [])]
    ends = []
    for order in permutations(events):
        snapshot = begun
        for change, pause in zip(order, pauses, strict=False):
            snapshot = changed(snapshot, change)
            snapshot = came_to_rest(snapshot) if pause else snapshot
        ends.append(came_to_rest(snapshot))
    assert_alike(ends)


@given(status=statuses, secret=secrets, spec=st.sampled_from(SPECS), account=st.sampled_from(ACCOUNTS[1:2]))
def test_rest_is_final_from_any_status_and_secret(
    status: dict[str, Any], secret: Any, spec: dict[str, Any], account: AccountFacts
) -> None:
    """From any status and Secret a token comes to rest, and one more pass changes nothing."""
    hostile = replace(with_stored(status, spec, {}), secret=secret, account=account)
    hostile = replace(hostile, roles={"reader": a_role("reader")})
    rested = came_to_rest(hostile)
    assert came_to_rest(rested) == rested


def assert_alike(ends: list[Snapshot]) -> None:
    """Assert that all are as if it had begun there, except what history keeps.

    Where no first token would be minted, a live one goes on as it was, its end included.
    """
    token = replace(ends[0].token, status=ServiceTokenStatus())
    scratch = came_to_rest(replace(ends[0], token=token, secret=None))
    for one in ends:
        assert reasons(one) == reasons(scratch)
        assert scratch.token.current is None or seen(one) == seen(scratch)
