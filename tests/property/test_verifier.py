"""A verifier is the whole keyed hash: one that agrees with it almost everywhere is none."""

from hypothesis import given
from hypothesis import strategies as st

from common.drivers.reconciling import RING, UID
from property.search import SEARCH

TEXT = "svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"


@SEARCH
@given(position=st.integers(0, 63), shift=st.integers(1, 15))
def test_one_wrong_digit_anywhere_is_rejected(position: int, shift: int) -> None:
    """At the end as well as at the beginning."""
    value = RING.sign("k1", UID, 1, TEXT)
    digit = f"{(int(value[position], 16) + shift) % 16:x}"
    assert RING.verify(value, "k1", UID, 1, TEXT)
    assert not RING.verify(value[:position] + digit + value[position + 1 :], "k1", UID, 1, TEXT)
