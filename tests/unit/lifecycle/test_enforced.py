"""The condition Enforced: which objects have it, and what it reports to users who wait."""

from dataclasses import replace
from typing import Any

import pytest

from common.builders.facts import NOW, a_snapshot, a_token, an_account
from common.builders.planning import plan
from servicetokens.api.conditions import Condition
from servicetokens.lifecycle.account import account_status
from servicetokens.lifecycle.snapshot import Enforcement, Snapshot


def condition(snapshot: Snapshot, enforcement: Enforcement) -> Condition | None:
    """Return the condition that the plan for *snapshot* would write."""
    status = plan(replace(snapshot, enforcement=enforcement), NOW).status
    found = status.conditions if status else snapshot.token.status.conditions
    return next((one for one in found if one.type == "Enforced"), None)


def revoked(**spec: Any) -> Snapshot:
    """A token that is revoked, and was just seen so."""
    return a_snapshot(token=a_token(state="Revoked", **spec))


def test_a_token_that_was_never_revoked_does_not_have_it() -> None:
    """A mint stays two writes."""
    assert condition(a_snapshot(), Enforcement()) is None
    assert condition(a_snapshot(), Enforcement(passed=True, validators=3)) is None


@pytest.mark.parametrize(
    ("enforcement", "status", "reason", "words"),
    [
        (Enforcement(), "False", "Waiting", "Waiting for all validators"),
        (Enforcement(validators=3), "False", "Waiting", "Waiting for all validators"),
        (Enforcement(validators=0), "False", "NoValidators", "--namespace"),
        (
            Enforcement(validators=3, awaited=("pod-a",)),
            "False",
            "Waiting",
            "Waiting for 'pod-a', of 3 validators,",
        ),
        (
            Enforcement(validators=9, awaited=tuple("abcdefg")),
            "False",
            "Waiting",
            "'a', 'b', 'c' and 4 others",
        ),
        (Enforcement(passed=True, validators=3), "True", "AllValidators", "Every validator"),
    ],
)
def test_it_says_who_is_awaited(enforcement: Enforcement, status: str, reason: str, words: str) -> None:
    """A few names, not hundreds; and what to do when there is no validator."""
    found = condition(revoked(), enforcement)
    assert found is not None
    assert (found.status, found.reason) == (status, reason)
    assert words in found.message


def test_it_stays_when_the_token_is_restored_and_starts_again() -> None:
    """A restoration is waited for, too; what was true of the last generation is not true of this one."""
    first = plan(replace(revoked(), enforcement=Enforcement(passed=True, validators=1)), NOW).status
    assert first is not None
    token = replace(a_token(), status=first, generation=2)
    restored = condition(a_snapshot(token=token), Enforcement())
    assert restored is not None
    assert (restored.status, restored.reason, restored.observed_generation) == ("False", "Waiting", 2)
    done = condition(a_snapshot(token=token), Enforcement(passed=True, validators=1))
    assert done is not None
    assert done.status == "True"


def test_an_account_has_it_once_it_was_suspended() -> None:
    """And keeps it when it is active again."""
    suspended = an_account(state="Suspended")
    status = account_status(suspended, {}, 0, Enforcement(passed=True, validators=2), NOW)
    assert status is not None
    assert {one.type: one.status for one in status.conditions}["Enforced"] == "True"
    resumed = account_status(replace(an_account(), status=status, generation=2), {}, 0, Enforcement(), NOW)
    assert resumed is not None
    assert {one.type: one.status for one in resumed.conditions}["Enforced"] == "False"
    never = account_status(an_account(), {}, 0, Enforcement(), NOW)
    assert never is not None
    assert "Enforced" not in {one.type for one in never.conditions}


@pytest.mark.parametrize(
    "told",
    [
        Enforcement(passed=True, validators=3),
        Enforcement(validators=0),
        Enforcement(validators=3, awaited=("pod-a",)),
        Enforcement(validators=3),
    ],
)
@pytest.mark.parametrize("undecided", [Enforcement(), Enforcement(validators=2)])
def test_after_a_restart_it_says_what_it_said_until_something_is_found_out(
    told: Enforcement, undecided: Enforcement
) -> None:
    """So a restart writes nothing; only what was said of this generation counts, and in our words."""
    status = plan(replace(revoked(), enforcement=told), NOW).status
    assert status is not None
    before = next(one for one in status.conditions if one.type == "Enforced")
    again = a_snapshot(token=replace(a_token(state="Revoked"), status=status))
    assert condition(again, undecided) == before
    newer = a_snapshot(token=replace(a_token(state="Revoked"), status=status, generation=2))
    found = condition(newer, undecided)
    assert found is not None
    assert (found.status, found.reason) == ("False", "Waiting")
    edited = tuple(
        one.model_copy(update={"reason": "Anything"}) if one.type == "Enforced" else one
        for one in status.conditions
    )
    forged = replace(a_token(state="Revoked"), status=status.model_copy(update={"conditions": edited}))
    repaired = condition(a_snapshot(token=forged), undecided)
    assert repaired is not None
    assert repaired.reason == "Waiting"
