"""When a rotation or a mint is done: checked by its id and by the Secret, and by nothing else."""

from typing import Any

import pytest

from servicetokens.cli.exits import Failure
from servicetokens.cli.rotate import _story, acted_upon
from servicetokens.cli.views import TokenView
from servicetokens.cli.waiting import delivered, unconfirmed


def token(*conditions: tuple[str, str, str], asked: str = "b", done: str = "b", seen: int = 1) -> TokenView:
    """Return a token whose rotation *asked* is wanted and *done* is the last; conditions are type, status, reason."""
    found: list[dict[str, Any]] = [
        {"type": kind, "status": status, "reason": reason, "message": f"about {reason}"}
        for kind, status, reason in conditions
    ]
    status = {
        "observedGeneration": seen,
        "rotationID": done,
        "credentials": [{"id": "x", "serial": 1}],
        "conditions": found,
    }
    meta = {"name": "t", "namespace": "n", "generation": 1}
    return TokenView({"metadata": meta, "spec": {"rotation": {"id": asked}}, "status": status})


SYNCED = ("SecretSynced", "True", "Synced")
STALLED = ("Stalled", "True", "RoleNotGranted")


def test_another_condition_that_stalls_does_not_matter_once_it_is_delivered() -> None:
    """The new value is in the Secret, so another rotation would replace it for nothing."""
    assert acted_upon(token(SYNCED, STALLED, ("Ready", "False", "RoleNotGranted"))) is None
    assert delivered(token(SYNCED, STALLED)) is None
    assert not token(SYNCED, STALLED).has_pending_rotation


def test_what_is_not_rotated_or_not_delivered_is_waited_for() -> None:
    """With the words of the operator."""
    assert acted_upon(token(SYNCED, done="a")) == "the operator has not rotated it yet"
    assert acted_upon(token(("SecretSynced", "False", "SecretMissing"))) == "about SecretMissing"
    assert acted_upon(token(SYNCED, seen=0)) == "the operator has not reconciled it yet"
    assert token(SYNCED, done="a").has_pending_rotation
    assert token(("SecretSynced", "False", "SecretMissing")).has_pending_rotation


def test_a_rotation_of_a_revoked_token_says_that_it_is_not_accepted() -> None:
    """Its new credential is in the Secret, and works only after a restoration."""
    assert "accepted now" not in _story(token(SYNCED, ("Active", "True", "Valid")), 0)
    said = _story(token(SYNCED, ("Active", "False", "Revoked")), 0)
    assert said.splitlines()[-1] == "  none of them is accepted now: about Revoked"


def test_who_waits_for_an_operator_that_does_not_answer_learns_where_to_look() -> None:
    """The operator's own messages say themselves what to do."""
    unseen = delivered(token(SYNCED, seen=0))
    assert unseen is not None
    assert "servicetoken doctor" in unconfirmed(30, f"token 't': {unseen}")
    assert unconfirmed(2.5, "token 't': about X") == "not confirmed within 2.5 s: token 't': about X"


def test_a_condition_that_needs_a_change_by_a_user_is_a_failure() -> None:
    """That is no time-out, and the operator's sentence is in it."""
    with pytest.raises(Failure, match="cannot be rotated: about RoleNotGranted"):
        acted_upon(token(SYNCED, STALLED, done="a"))
    with pytest.raises(Failure, match="cannot be rotated: about Expired"):
        acted_upon(token(SYNCED, ("Ready", "True", "Expired"), done="a"))
    with pytest.raises(Failure, match="is not written: about SecretConflict"):
        delivered(token(("SecretSynced", "False", "x"), ("Stalled", "True", "SecretConflict")))
    with pytest.raises(Failure, match="is not written: about Expired"):
        delivered(token(("Active", "False", "Expired")))
