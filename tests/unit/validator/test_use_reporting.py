"""Reports of use: one a minute for each token that was accepted, and none for the requests in between."""

import pytest

from common.builders.presenting import Surroundings
from servicetokens.authn.decision import Accepted, AuthenticationRequest
from servicetokens.authn.requests import HttpRequest


class Reports:
    """The ids of the tokens that were reported, and for which protocol."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def take(self, accepted: Accepted, request: AuthenticationRequest) -> None:
        """Remember a report."""
        self.found.append((accepted.token_id, request.protocol))


@pytest.fixture
def reports() -> Reports:
    """No reports yet."""
    return Reports()


@pytest.fixture
def around(reports: Reports) -> Surroundings:
    """A token with a role, whose use is reported."""
    found = Surroundings(on_use=reports.take)
    found.put_role("reader")
    found.put_account(roles=["reader"])
    return found


def test_the_hot_path_answers_once_a_use_was_reported(around: Surroundings, reports: Reports) -> None:
    """Before that, and again after a minute, the whole request is needed for the report."""
    token = around.token.reveal().encode()
    assert around.authenticator.recognize(token) is None
    accepted = around.accepted(protocol="forwardauth")
    assert around.authenticator.recognize(token) is accepted
    around.clock.advance(59)
    around.confirm()
    assert around.authenticator.recognize(token) is accepted
    around.clock.advance(1)
    around.accepted(protocol="tokenreview")
    assert reports.found == [(around.token.id, "forwardauth"), (around.token.id, "tokenreview")]


def test_a_change_of_the_objects_is_no_use(around: Surroundings, reports: Reports) -> None:
    """The token is evaluated again, but it is still reported once a minute only."""
    for number in range(5):
        around.put_account(roles=["reader"], displayName=f"{number}")
        around.accepted()
    assert len(reports.found) == 1


def test_requests_to_several_services_are_one_report(around: Surroundings, reports: Reports) -> None:
    """Although each of them has another decision, with the roles that allow it."""
    names = ("orders", "invoices")
    around.put_account(roles=names)
    for name in names:
        around.put_role(name, http=[{"paths": [f"/{name}"]}])
    for name in names * 3:
        accepted = around.accepted(original=lambda name=name: HttpRequest("GET", "", f"/{name}"))
        assert [role.name for role in accepted.roles] == [name]
    assert len(reports.found) == 1


def test_what_is_remembered_is_bounded(
    around: Surroundings, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that was forgotten is reported once more."""
    monkeypatch.setattr("servicetokens.validator.use_reporting._MOST_REMEMBERED", 1)
    other = around.mint()
    around.put_token(uid="u-2", name="other", credentials=[around.credential(other, uid="u-2")])
    for token in (around.token, around.token, other, around.token):
        around.accepted(token)
    assert [token_id for token_id, _ in reports.found] == [around.token.id, other.id, around.token.id]
