"""What is kept of an object that says strange things where nothing depends on it."""

import json

import pytest

from servicetokens.api.values import parse_recorded_time
from servicetokens.authn import wire
from servicetokens.authn.reading import read_token
from servicetokens.authn.records import Account


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"lastUsedTime": "2026-11-25T11:08:03Z"}, parse_recorded_time("2026-11-25T11:08:03Z")),
        ({"lastUsedTime": "yesterday"}, 0),
        ({"lastUsedTime": "9999-99-99T99:99:99Z"}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_a_time_of_use_that_cannot_be_read_counts_as_none(said: dict[str, str] | None, kept: int) -> None:
    """It is written again at the next use, and the token is as good as it was."""
    body = {
        "metadata": {"name": "ci-prod", "namespace": "team-a", "uid": "u-1"},
        "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
        **({} if said is None else {"status": said}),
    }
    record = read_token(wire.token_decoder.decode(json.dumps(body).encode()), Account("team-a", "ci"))
    assert record.last_used == kept
    assert record.state.readable
    assert record.uid == "u-1"
