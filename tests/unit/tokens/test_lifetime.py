"""When a credential ends: the least of everything that is known."""

import pytest

from servicetokens.tokens.lifetime import (
    earliest,
    effective_end,
    end_by_spec,
    is_cut,
    mint_time_after,
    overlap_of,
)


@pytest.mark.parametrize(
    ("expires_after", "expiration_time", "end"),
    [(30, None, 130), ("never", None, None), (None, 500, 500), ("never", 500, 500), (None, None, 100)],
)
def test_the_spec_gives_an_end(
    expires_after: int | None, expiration_time: int | None, end: int | None
) -> None:
    """A spec that names none (the schema rejects it) gives a credential that is dead at its mint."""
    assert end_by_spec(100, expires_after, expiration_time) == end


def test_of_several_ends_the_earliest_counts_and_none_is_never() -> None:
    """Wherever it stands."""
    assert earliest(None, 5, 3, None) == 3
    assert earliest(None, None) is None
    assert earliest() is None


@pytest.mark.parametrize(("stored", "end"), [(None, 130), (120, 120), (140, 130)])
def test_a_stored_end_is_believed_only_where_it_is_earlier(stored: int | None, end: int) -> None:
    """Anyone who may write status cannot prolong anything."""
    assert effective_end(mint_time=100, stored_end=stored, expires_after=30, expiration_time=None) == end


@pytest.mark.parametrize(
    ("every", "overlap", "seconds"),
    [
        (None, None, 3600),
        (86400, None, 3600),
        (100, None, 10),
        (100, 0, 0),
        (None, 7, 7),
        (86400, 7200, 7200),
    ],
)
def test_the_overlap_is_what_is_said_or_an_hour_or_a_tenth(
    every: int | None, overlap: int | None, seconds: int
) -> None:
    """A tenth of the period where that is shorter than an hour."""
    assert overlap_of(every, overlap) == seconds


@pytest.mark.parametrize(
    ("mint_time", "cut", "is_refused"),
    [(99, 100, True), (100, 100, True), (101, 100, False), (99, 101, False), (0, None, False)],
)
def test_the_cut_off_rejects_credentials_minted_up_to_its_second(
    mint_time: int, cut: int | None, is_refused: bool
) -> None:
    """From that second on."""
    assert is_cut(mint_time, cut, now=100) is is_refused


@pytest.mark.parametrize(("cut", "mint_time"), [(None, 100), (99, 100), (100, 101), (101, 100)])
def test_a_mint_in_the_second_of_the_cut_counts_for_the_next(cut: int | None, mint_time: int) -> None:
    """So that it is not rejected in its turn."""
    assert mint_time_after(cut, 100) == mint_time
