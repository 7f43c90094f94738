"""What `verify` explains is what a validator does, for every state that can be stored."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.fakes.clock import FakeClock
from property.stored_objects import (
    ACCOUNTS,
    DAY,
    NOW,
    PRESENTED,
    REQUESTS,
    ROLES,
    TOKENS,
    UID,
    Raw,
    credential,
    decide,
    stored,
)
from servicetokens.api.reasons import REJECTIONS
from servicetokens.api.values import format_time
from servicetokens.authn.decision import Accepted, Rejected
from servicetokens.cli import verifying
from servicetokens.cli.findings import Level
from servicetokens.cli.simulation import Objects, Request, simulate
from servicetokens.cli.verifying import Known
from servicetokens.cli.views import TokenView

# Valid in every respect: few of the states that are drawn are.
_VALID: Raw = {
    "meta": {},
    "spec": {"expiresAfter": "30d"},
    "status": {
        "accountUID": "a-1",
        "serial": 1,
        "tokenID": PRESENTED.id,
        "credentials": [
            credential(PRESENTED, 1, format_time(NOW - DAY), format_time(NOW + DAY), "k1"),
        ],
    },
}


@settings(max_examples=600)
@example(token=_VALID, account={"meta": {}, "spec": {}}, roles=[], request=Request())
@given(
    token=TOKENS,
    account=ACCOUNTS,
    roles=st.lists(ROLES, max_size=3, unique_by=lambda one: str(one["name"])),
    request=REQUESTS,
)
def test_the_decision_is_that_of_the_validator(
    token: Raw, account: Raw | None, roles: list[Raw], request: Request
) -> None:
    """Accepted and rejected for the same reason; and no check that is shown says otherwise."""
    raw = stored(token, "ci-prod", UID)
    raw["spec"]["accountRef"] = {"name": "ci"}
    objects = Objects(
        raw,
        None if account is None else stored(account, "ci", "a-1"),
        [stored(role, role["name"], f"r-{role['name']}") for role in roles],
    )
    decision = decide(objects, request)
    found = simulate(objects, PRESENTED, request, FakeClock())
    assert found.is_accepted == isinstance(decision, Accepted), (decision, found.decision)
    if isinstance(decision, Rejected):
        assert isinstance(found.decision, Rejected)
        assert found.decision.reason == decision.reason
        assert decision.reason in REJECTIONS
    shown = list(verifying.of_object(TokenView(raw), found, request, NOW))
    assert any(one.level is Level.BAD for one in shown) != found.is_accepted, shown
    conclusion = verifying.conclusion(Known(found, complete=True, compared=True))
    assert (conclusion.level is Level.OK) == found.is_accepted
    # Anyone who has seen the public id can write a text that has it.
    uncompared = verifying.conclusion(Known(found, complete=True))
    assert uncompared.level is (Level.UNKNOWN if found.is_accepted else Level.BAD)
