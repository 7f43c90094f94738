"""The past and the future of a token, in order."""

from typing import Any

from servicetokens.api.values import format_time
from servicetokens.cli.story import standing, timeline
from servicetokens.cli.views import TokenView

NOW = 1_800_000_000


def told(status: dict[str, Any], events: list[dict[str, Any]] | None = None) -> list[tuple[int, str]]:
    """Return seconds from NOW, and what happened."""
    token = TokenView({"metadata": {"name": "t", "creationTimestamp": format_time(NOW)}, "status": status})
    return [(one.at - NOW, one.what) for one in timeline(token, events or [])]


def test_a_life_with_everything() -> None:
    """Each thing once, the earliest first."""
    status = {
        "tokenID": "BBB",
        "credentials": [
            {
                "id": "AAA",
                "serial": 1,
                "mintTime": format_time(NOW + 1),
                "expirationTime": format_time(NOW + 9),
            },
            {
                "id": "BBB",
                "serial": 2,
                "mintTime": format_time(NOW + 5),
                "expirationTime": format_time(NOW + 99),
            },
        ],
        "revocationTime": format_time(NOW + 6),
        "restorationTime": format_time(NOW + 7),
        "lastUsedTime": format_time(NOW + 8),
        "nextRotationTime": format_time(NOW + 50),
        "expirationTime": format_time(NOW + 99),
    }
    assert told(status) == [
        (0, "created"),
        (1, "AAA minted"),
        (5, "BBB minted"),
        (6, "revoked"),
        (7, "restored"),
        (8, "last accepted (to the hour)"),
        (9, "AAA expires: its overlap ends"),
        (50, "rotates"),
        (99, "BBB expires"),
    ]


def test_events_of_one_second_are_listed_in_their_order() -> None:
    """A token is created before it is minted, whatever its id begins with."""
    for token_id in ("AAA", "zzz", "0"):
        minted = {"id": token_id, "serial": 1, "mintTime": format_time(NOW)}
        status = {"tokenID": token_id, "credentials": [minted], "revocationTime": format_time(NOW)}
        event = {"reason": "Minted", "note": "x", "eventTime": format_time(NOW)}
        assert [what for _, what in told(status, [event, event])] == [
            "created",
            f"{token_id} minted",
            "revoked",
            "Minted: x",
        ]


def test_one_that_has_expired() -> None:
    """Its credential is deleted, its expiration is known."""
    assert told({"expirationTime": format_time(NOW + 3)}) == [(0, "created"), (3, "expired")]


def test_events_are_listed_with_their_last_time_and_count() -> None:
    """And one that cannot be read is left out."""
    events: list[dict[str, Any]] = [
        {"reason": "TokenReminted", "note": "It was lost.", "eventTime": format_time(NOW + 2)},
        {
            "reason": "SecretConflict",
            "note": "Taken.",
            "eventTime": format_time(NOW + 3),
            "series": {"count": 4, "lastObservedTime": format_time(NOW + 8)},
        },
        {"reason": "Odd"},
    ]
    assert told({}, events) == [
        (0, "created"),
        (2, "TokenReminted: It was lost."),
        (8, "SecretConflict (4 times): Taken."),
    ]


def test_the_next_credential_is_called_so_until_it_is_delivered() -> None:
    """Not the previous one, whose overlap ends; and when it expires is not known before its delivery."""
    status: dict[str, Any] = {
        "tokenID": "AAA",
        "serial": 2,
        "credentials": [
            {
                "id": "AAA",
                "serial": 1,
                "mintTime": format_time(NOW + 1),
                "expirationTime": format_time(NOW + 90),
            },
            {
                "id": "BBB",
                "serial": 2,
                "mintTime": format_time(NOW + 5),
                "expirationTime": format_time(NOW + 99),
                "delivery": "Pending",
            },
        ],
        "expirationTime": format_time(NOW + 90),
    }
    token = TokenView({"metadata": {"name": "t"}, "status": status})
    assert [standing(token, one) for one in token.credentials] == [
        "mint 1, current",
        "mint 2, next, not in the Secret yet",
    ]
    assert told(status) == [
        (0, "created"),
        (1, "AAA minted"),
        (5, "BBB minted, and not in the Secret yet"),
        (90, "AAA expires"),
    ]
    del status["credentials"][1]["delivery"]
    later = TokenView({"metadata": {"name": "t"}, "status": status | {"tokenID": "BBB"}})
    assert [standing(later, one) for one in later.credentials] == [
        "mint 1, previous, in overlap",
        "mint 2, current",
    ]
