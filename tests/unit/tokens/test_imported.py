"""What may be imported, under which handle it is known, and when it ends."""

import pytest

from servicetokens.api.origin import Origin, origin_of
from servicetokens.tokens.format import find_id
from servicetokens.tokens.imported import (
    MAX_LENGTH,
    MAX_SECONDS,
    MIN_LENGTH,
    find_fault,
    handle_of,
    import_end,
)
from servicetokens.tokens.verifier import KeyRing
from servicetokens.validator.bearer import find_token

RING = KeyRing({"k1": bytes(range(0x20, 0x40)), "k2": bytes(32)})
GOOD = "glpat-abcdefGHIJ0123456789"


def test_a_handle_names_one_value_under_one_key_and_nothing_else() -> None:
    """It fits into an id of status, holds nothing of the value, and is not where its verifier begins."""
    handle = handle_of(GOOD, RING, "k1")
    assert handle == handle_of(GOOD, RING, "k1")
    assert len(handle) == 32
    assert len({handle, handle_of(GOOD, RING, "k2"), handle_of(GOOD + "x", RING, "k1")}) == 3
    assert not RING.sign("k1", "", 1, GOOD).startswith(handle.removeprefix("imp-"))


def test_a_handle_is_never_the_id_of_a_token_of_ours() -> None:
    """Whatever a token looks like: its id has no dash."""
    assert origin_of(handle_of(GOOD, RING, "k1")) is Origin.IMPORTED
    assert origin_of("0123456789AB") is Origin.MINTED
    assert find_id(f"svt_imp-{'0' * 8}_{'0' * 49}", "svt") is None


def test_even_a_value_that_no_text_can_be_has_a_handle() -> None:
    """What is presented may be anything."""
    assert origin_of(handle_of("\udc80" * 20, RING, "k1")) is Origin.IMPORTED


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        "0123456789abcdef0123",
        "a.b-c~d_e+f/g0123456789==",
        ("abcdefgh" * 64)[:MAX_LENGTH],
        "svtx_0123456789abcdefgh",
    ],
)
def test_values_that_may_be_imported(value: str) -> None:
    """As they come out of other systems, up to the bounds."""
    assert find_fault(value, "svt") is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "shorter"),
        (GOOD[: MIN_LENGTH - 1], "shorter"),
        (("abcdefgh" * 64)[: MAX_LENGTH + 1], "longer"),
        (GOOD + "\n", "line break"),
        ("correct horse battery staple", "cannot have"),
        ("user:0123456789abcdefgh", "cannot have"),
        ("=abcdefghijklmnopqrstuv", "cannot have"),
        ("äbcdefghijklmnopqrstuv", "cannot have"),
        ("svt_0123456789AB_003aUlTJC7tj", "our own"),
        ("a" * 40, "different"),
        ("1234567" * 4, "different"),
    ],
)
def test_values_that_must_not_be_imported(value: str, says: str) -> None:
    """The sentence says what is wrong, and nothing of the value."""
    fault = find_fault(value, "svt")
    assert fault is not None
    assert says in fault
    assert not value or value not in fault


def test_what_may_be_imported_can_be_presented() -> None:
    """The longest value fits into the header that the validator reads, and one more character does not."""
    longest = "a" * MAX_LENGTH
    assert find_token(f"Bearer {longest}".encode()) == longest
    assert find_token(f"Bearer {longest}a".encode()) != longest + "a"


@pytest.mark.parametrize(
    ("until", "ends", "end"),
    [
        (2000, (), 2000),
        (2000, (None, 1500), 1500),
        (2000, (2500,), 2000),
        (1000 + MAX_SECONDS + 1, (), 1000 + MAX_SECONDS),
        (None, (None,), 1000),
        (None, (5000,), 1000),
        (500, (), 500),
    ],
)
def test_it_ends_with_the_first_of_all_ends(
    until: int | None, ends: tuple[int | None, ...], end: int
) -> None:
    """Imported at 1000: it expires at the cut-over, after ninety days at most; without `spec.import` never accepted."""
    assert import_end(1000, until, *ends) == end
