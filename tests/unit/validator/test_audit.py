"""The audit trail: what is in a line, how many there are, and what is in none."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.builders.presenting import Surroundings
from common.drivers.asking import ask, make_authorizer, make_rejections
from servicetokens.validator.audit import AcceptanceLog
from servicetokens.validator.authorizer import RequestAuthorizer
from servicetokens.validator.failures import BURST
from servicetokens.validator.forward_auth import ForwardAuth
from servicetokens.validator.metrics import DecisionCounts

Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Every line of the log."""
    with capture_logs() as found:
        yield found


def bearer(text: str) -> tuple[str, str]:
    """Return the header that presents it."""
    return ("Authorization", f"Bearer {text}")


def test_a_rejection_names_the_token_and_the_client(lines: Lines) -> None:
    """By its public id; the token itself is in no line."""
    around = Surroundings()
    around.put_token(state="Revoked")
    handler = ForwardAuth(make_authorizer(around), behind_proxies=False)
    ask(handler, bearer(around.token.reveal()))
    (line,) = lines
    assert line == {
        "event": "token rejected",
        "log_level": "info",
        "protocol": "test",
        "reason": "Revoked",
        "token_id": around.token.id,
        "namespace": "team-a",
        "token": "ci-prod",
        "account": "ci",
        "client": "192.0.2.7",
    }
    assert around.token.reveal().split("_")[2] not in str(lines)


def test_unknown_clients_cannot_fill_a_disk_and_do_not_hide_others(lines: Lines) -> None:
    """A bounded number of lines a second for unknown tokens, and a count of the rest; others have their own bound."""
    around = Surroundings()
    around.put_token(state="Revoked")
    handler = ForwardAuth(make_authorizer(around), behind_proxies=False)
    for number in range(100):
        ask(handler, bearer(f"svt_{number:012}_{'a' * 49}"))
    ask(handler, bearer(around.token.reveal()))
    assert [line["reason"] for line in lines] == ["Unknown"] * 10 + ["Revoked"]
    around.clock.advance(1)
    around.confirm()
    ask(handler, bearer(f"svt_{1:012}_{'a' * 49}"))
    assert lines[-2] == {
        "event": "lines left out",
        "count": 90,
        "about": "unknown tokens",
        "log_level": "info",
    }


def refused(lines: Lines) -> int:
    """Return how many rejections of tokens that exist are in the log, by a line or by a count."""
    named = [line for line in lines if line["event"] == "token rejected" and "token_id" in line]
    left_out = [line for line in lines if line.get("about") == "tokens that exist"]
    return len(named) + sum(int(line["count"]) for line in left_out)


def test_a_client_that_fails_too_often_does_not_hide_a_token_that_exists(lines: Lines) -> None:
    """It is informed to ask less, as before; each presentation of a revoked token is in the log, or counted there."""
    around = Surroundings()
    around.put_token(state="Revoked")
    rejections = make_rejections(around, DecisionCounts("test"))
    handler = ForwardAuth(
        RequestAuthorizer(around.authenticator, DecisionCounts("test"), rejections), behind_proxies=False
    )
    for _ in range(BURST):
        ask(handler, ("Authorization", "Bearer x"))
    answers = [ask(handler, bearer(around.token.reveal())).status for _ in range(150)]
    assert answers == [429] * 150
    rejections.report_left_out()
    rejections.report_left_out()
    assert refused(lines) == 150
    assert len([line for line in lines if "token_id" in line]) == 100


def test_what_a_throttled_client_presents_is_counted(lines: Lines) -> None:
    """Without a line for each: a credential that was rotated out is not known to be the one that was presented."""
    around = Surroundings()
    around.put_token(credentials=[around.credential(around.mint(), serial=2)])
    rejections = make_rejections(around, DecisionCounts("test"))
    authorizer = RequestAuthorizer(around.authenticator, DecisionCounts("test"), rejections)
    handler = ForwardAuth(authorizer, behind_proxies=False)
    for _ in range(BURST):
        ask(handler, ("Authorization", "Bearer not one word"))
    assert [ask(handler, bearer(around.token.reveal())).status for _ in range(20)] == [429] * 20
    rejections.report_left_out()
    assert [(line["event"], line["count"], line["about"]) for line in lines] == [
        ("lines left out", 20, "unknown tokens")
    ]


def test_a_rejection_of_an_ended_credential_names_its_object(lines: Lines) -> None:
    """Rotated, or deleted: to the client it is unknown, to the log it is not."""
    around = Surroundings()
    handler = ForwardAuth(make_authorizer(around), behind_proxies=False)
    around.put_token(credentials=[around.credential(around.mint(), serial=2)])
    assert ask(handler, bearer(around.token.reveal())).status == 401
    around.remove_token()
    (line,) = lines
    assert (line["reason"], line["token_id"]) == ("Replaced", around.token.id)
    assert (line["namespace"], line["token"], line["account"]) == ("team-a", "ci-prod", "ci")


def test_acceptances_are_a_sample(lines: Lines) -> None:
    """One line for many requests, with the roles that it had and the listener that was asked."""
    audit_log = Surroundings()
    audit_log.put_role("reader")
    audit_log.put_account(roles=["reader"])
    acceptances = AcceptanceLog(audit_log.clock, ())
    around = Surroundings(on_use=acceptances.note)
    around.put_role("reader")
    around.put_account(roles=["reader"])
    handler = ForwardAuth(make_authorizer(around), behind_proxies=False)
    for _ in range(50):
        ask(handler, bearer(around.token.reveal()))
    (line,) = lines
    assert (line["event"], line["roles"], line["client"]) == ("token accepted", "reader", "192.0.2.7")
    assert (line["protocol"], line["token_id"]) == ("test", around.token.id)
