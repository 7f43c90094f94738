"""Time: nothing is accepted a second longer than spec, account and overlap allow."""

import pytest

from common.builders.presenting import DAY, Surroundings
from servicetokens.api.values import format_time


@pytest.fixture
def it() -> Surroundings:
    """A valid token."""
    return Surroundings()


def test_a_token_expires_to_the_second(it: Surroundings) -> None:
    """Whether or not an operator has written it down, and however often it was accepted before."""
    it.put_token(expiresAfter="60s")
    it.clock.advance(59)
    assert it.accepted().end == it.clock.now() + 1
    it.clock.advance(1)
    it.confirm()
    assert it.reason() == "Expired"


def test_a_fixed_expiration_and_none(it: Surroundings) -> None:
    """At the injected time, and never."""
    it.put_token(expirationTime=format_time(it.clock.now() + 5))
    it.accepted()
    it.clock.advance(5)
    assert it.reason() == "Expired"
    it.put_token(expiresAfter="never")
    it.clock.advance(5000 * DAY)
    it.confirm()
    assert it.accepted().end is None


def test_a_later_end_on_status_is_not_believed_and_an_earlier_one_is(it: Surroundings) -> None:
    """Anyone who may write status can only shorten."""
    now = it.clock.now()
    it.put_token(expiresAfter="60s", credentials=[it.credential(it.token, end=now + 10**6)])
    assert it.accepted().end == now + 60
    it.put_token(expiresAfter="60s", credentials=[it.credential(it.token, end=now + 5)])
    assert it.accepted().end == now + 5


def test_an_older_credential_ends_with_its_overlap(it: Surroundings) -> None:
    """Whatever status says about it; a third one was forged."""
    now = it.clock.now()
    newer = it.mint()
    credentials = [
        it.credential(it.token, minted=now - DAY, end=now + 20 * DAY),
        it.credential(newer, serial=2),
    ]
    it.put_token(rotation={"id": "x", "overlap": "10m"}, credentials=credentials)
    assert it.accepted().end == now + 600
    it.accepted(newer)
    it.clock.advance(600)
    it.confirm()
    assert it.reason() == "Expired"
    it.accepted(newer)
    third = it.mint()
    it.put_token(credentials=[*credentials, it.credential(third, serial=3)])
    assert it.reason() == "Expired"
    it.accepted(third)


def test_the_cut_off_rejects_credentials_minted_before_it(it: Surroundings) -> None:
    """From its moment on, also a token that was accepted just before."""
    cut = it.clock.now() + 10
    it.put_account(tokensNotBeforeTime=format_time(cut))
    it.accepted()
    it.clock.advance(10)
    assert it.reason() == "MintedTooEarly"
    it.put_token(credentials=[it.credential(it.token, minted=cut)])
    assert it.reason() == "MintedTooEarly", "in the very second of the cut"
    it.put_token(credentials=[it.credential(it.token, minted=cut + 1)])
    it.accepted()


def test_the_cut_off_rejects_credentials_minted_in_its_second(it: Surroundings) -> None:
    """Before it, such a token cannot have been; a kept decision does not outlast the cut."""
    cut = it.clock.now() + 10
    it.put_token(credentials=[it.credential(it.token, minted=cut)])
    it.put_account(tokensNotBeforeTime=format_time(cut))
    it.accepted()
    it.clock.advance(10)
    assert it.reason() == "MintedTooEarly"


def test_a_mint_in_the_future_is_forged(it: Surroundings) -> None:
    """Clocks may differ by a minute, not more."""
    it.put_token(credentials=[it.credential(it.token, minted=it.clock.now() + 61)])
    assert it.reason() == "MintedInFuture"
    it.put_token(credentials=[it.credential(it.token, minted=it.clock.now() + 60)])
    it.accepted()
