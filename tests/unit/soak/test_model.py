"""The model that the long run is compared with: what follows from each act."""

import pytest

from soak.model import TOLERANCE, AccountModel, Decision, Model, TokenModel

OVERLAP = 12.0


def a_token() -> tuple[Model, TokenModel, AccountModel]:
    """Return a model with one token that was minted as `one`."""
    account = AccountModel("team-a", "ci")
    token = TokenModel("team-a", "ci-prod", "ci", exists=True)
    token.settled("one", 0)
    return Model([account], [token]), token, account


def verdicts(model: Model, now: float) -> dict[str, Decision]:
    """Return what has to be said about each value."""
    return {value.text: model.decision(token, value, now) for token, value in model.everything()}


def test_a_value_is_accepted_until_an_act_ends_it() -> None:
    """Revoking and suspending do, and their opposites restore it."""
    model, token, account = a_token()
    assert verdicts(model, 1) == {"one": Decision.ACCEPTED}
    token.revoked = True
    assert verdicts(model, 1) == {"one": Decision.REJECTED}
    token.revoked, account.suspended = False, True
    assert verdicts(model, 1) == {"one": Decision.REJECTED}
    account.suspended = False
    token.settled("one", 2)
    assert verdicts(model, 2) == {"one": Decision.ACCEPTED}
    token.deleted()
    assert verdicts(model, 3) == {"one": Decision.REJECTED}


def test_a_rotated_value_overlaps_and_then_ends() -> None:
    """Between the two moments that the model cannot distinguish, either answer is right."""
    model, token, _ = a_token()
    token.rotated(OVERLAP, 10)
    token.settled("two", 13)
    assert verdicts(model, 14) == {"one": Decision.ACCEPTED, "two": Decision.ACCEPTED}
    assert verdicts(model, 10 + OVERLAP + 1)["one"] is Decision.EITHER
    assert verdicts(model, 13 + OVERLAP + TOLERANCE)["one"] is Decision.REJECTED
    assert token.overlaps


def test_a_second_rotation_ends_the_value_before_the_last() -> None:
    """Two credentials are the most there is."""
    model, token, _ = a_token()
    token.rotated(OVERLAP, 10)
    token.settled("two", 11)
    token.rotated(OVERLAP, 12)
    token.settled("three", 13)
    assert verdicts(model, 14) == {
        "one": Decision.REJECTED,
        "two": Decision.ACCEPTED,
        "three": Decision.ACCEPTED,
    }


@pytest.mark.parametrize("act", ["lost", "rotated"])
def test_a_replaced_value_ends_immediately(act: str) -> None:
    """A lost Secret, a cut, a rotation without overlap."""
    model, token, _ = a_token()
    if act == "lost":
        token.replaced()
    else:
        token.rotated(0, 1)
    token.settled("two", 2)
    assert verdicts(model, 3) == {"one": Decision.REJECTED, "two": Decision.ACCEPTED}


def test_an_unrequested_mint_is_detected() -> None:
    """And so is one that was requested and did not happen, and a value that comes back."""
    _, token, _ = a_token()
    with pytest.raises(AssertionError, match="nobody asked for it"):
        token.settled("two", 1)
    token.rotated(0, 1)
    with pytest.raises(AssertionError, match="an old value again"):
        token.settled("one", 2)
