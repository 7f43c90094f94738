"""The audit trail: what is in a line, how many there are, and what is in none."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.asking import ask, make_gate
from common.presenting import Surroundings
from servicetokens.validator.audit import Acceptances
from servicetokens.validator.forward_auth import ForwardAuth

Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Every line of the log."""
    with capture_logs() as found:
        yield found


def bearer(text: str) -> tuple[str, str]:
    """Return the header that presents it."""
    return ("Authorization", f"Bearer {text}")


def test_a_refusal_names_the_token_and_the_client(lines: Lines) -> None:
    """By its public id; the token itself is in no line."""
    around = Surroundings()
    around.put_token(state="Revoked")
    handler = ForwardAuth(make_gate(around), behind_proxies=False)
    ask(handler, bearer(around.token.reveal()))
    (line,) = lines
    assert line == {
        "event": "token refused",
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


def test_strangers_cannot_fill_a_disk_and_do_not_hide_the_others(lines: Lines) -> None:
    """So many lines a second for tokens that nobody knows, and a count of the rest; others have their own room."""
    around = Surroundings()
    around.put_token(state="Revoked")
    handler = ForwardAuth(make_gate(around), behind_proxies=False)
    for number in range(100):
        ask(handler, bearer(f"svt_{number:012}_{'a' * 49}"))
    ask(handler, bearer(around.token.reveal()))
    assert [line["reason"] for line in lines] == ["Unknown"] * 10 + ["Revoked"]
    around.clock.advance(1)
    around.confirm()
    ask(handler, bearer(f"svt_{1:012}_{'a' * 49}"))
    assert lines[-2] == {"event": "lines left out", "count": 90, "log_level": "info"}


def test_acceptances_are_a_sample(lines: Lines) -> None:
    """One line for many requests, with the roles that it had and the listener that was asked."""
    trail = Surroundings()
    trail.put_role("reader")
    trail.put_account(roles=["reader"])
    acceptances = Acceptances(trail.clock, ())
    around = Surroundings(on_use=acceptances.note)
    around.put_role("reader")
    around.put_account(roles=["reader"])
    handler = ForwardAuth(make_gate(around), behind_proxies=False)
    for _ in range(50):
        ask(handler, bearer(around.token.reveal()))
    (line,) = lines
    assert (line["event"], line["roles"], line["client"]) == ("token accepted", "reader", "192.0.2.7")
    assert (line["protocol"], line["token_id"]) == ("test", around.token.id)
