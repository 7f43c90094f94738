"""The acceptance policy: each reason on its own, in its order."""

import pytest

from servicetokens.api.reasons import ABOUT_THE_TOKEN, Reason
from servicetokens.policy.acceptance import CHECKS, Facts, find_rejection

NOW = 1_000_000
GOOD = Facts(
    deleting=False,
    account_uid="a-1",
    minted_for="a-1",
    revoked=False,
    account_suspended=False,
    suspended=False,
    readable=True,
    mint_time=NOW - 100,
    end=NOW + 100,
    not_before=None,
)


def test_what_nothing_speaks_against_is_accepted() -> None:
    """Also without an expiration."""
    assert find_rejection(GOOD, NOW) is None
    assert find_rejection(GOOD._replace(end=None), NOW) is None


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (GOOD._replace(deleting=True), Reason.DELETING),
        (GOOD._replace(end=NOW), Reason.EXPIRED),
        (GOOD._replace(account_uid=""), Reason.ACCOUNT_NOT_FOUND),
        (GOOD._replace(account_uid="a-2"), Reason.ACCOUNT_REPLACED),
        (GOOD._replace(minted_for=""), Reason.ACCOUNT_REPLACED),
        (GOOD._replace(revoked=True), Reason.REVOKED),
        (GOOD._replace(account_suspended=True), Reason.ACCOUNT_SUSPENDED),
        (GOOD._replace(suspended=True), Reason.UNUSED_FOR_LONG),
        (GOOD._replace(readable=False), Reason.UNREADABLE),
        (GOOD._replace(not_before=GOOD.mint_time), Reason.MINTED_TOO_EARLY),
        (GOOD._replace(mint_time=NOW + 61), Reason.MINTED_IN_FUTURE),
    ],
    ids=str,
)
def test_each_fact_has_its_reason(facts: Facts, reason: Reason) -> None:
    """One thing is wrong, and it is named."""
    assert find_rejection(facts, NOW) is reason


@pytest.mark.parametrize(
    "facts",
    [
        GOOD._replace(end=NOW + 1),
        GOOD._replace(not_before=GOOD.mint_time - 1),
        # It has not come yet.
        GOOD._replace(not_before=NOW + 1),
        # As far as clocks may disagree.
        GOOD._replace(mint_time=NOW + 60),
    ],
    ids=str,
)
def test_a_second_before_it_is_accepted(facts: Facts) -> None:
    """The limits are exact."""
    assert find_rejection(facts, NOW) is None


def test_the_first_reason_wins() -> None:
    """All together: an object that is going away is named before anything that could be repaired."""
    everything = Facts(
        deleting=True,
        account_uid="",
        minted_for="a-1",
        revoked=True,
        account_suspended=True,
        suspended=True,
        readable=True,
        mint_time=NOW + 100,
        end=NOW,
        not_before=NOW,
    )
    assert find_rejection(everything, NOW) is Reason.DELETING
    assert find_rejection(everything._replace(deleting=False), NOW) is Reason.EXPIRED


def test_an_end_that_was_not_understood_is_no_expiry() -> None:
    """It has no message, so that the decision reports that it was not understood."""
    assert find_rejection(GOOD._replace(readable=False, end=0), NOW) is Reason.UNREADABLE


def test_the_list_of_rejections_is_in_the_order_of_the_checks() -> None:
    """The page of reasons shows it."""
    checked = [reason for reason, _ in CHECKS]
    assert [reason for reason in ABOUT_THE_TOKEN if reason in checked] == checked
