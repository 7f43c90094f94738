"""The keyed hash: its vector, what it is bound to, and keys that cannot be used."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicetokens.tokens.verifier import InvalidKeyRing, KeyRing

TEXT = "svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"
UID = "11111111-2222-3333-4444-555555555555"
VALUE = "72b686aa1b114b9581e1a2bea78dd971a464a4f9c36f3a1559bd303772ec09ae"
KEY = bytes(range(0x20, 0x40))
RING = KeyRing({"k1": KEY, "k2": bytes(32)})


def test_the_vector_of_the_verifier() -> None:
    """Key 0x20..0x3f, this uid, serial 1, the token of the format's vector."""
    assert RING.sign("k1", UID, 1, TEXT) == VALUE
    assert RING.verify(VALUE, "k1", UID, 1, TEXT)


def test_a_verifier_is_bound_to_key_object_mint_and_token() -> None:
    """Copied to another object, another serial or another key it is worth nothing."""
    assert not RING.verify(VALUE, "k2", UID, 1, TEXT)
    assert not RING.verify(VALUE, "k1", UID[:-1] + "6", 1, TEXT)
    assert not RING.verify(VALUE, "k1", UID, 2, TEXT)
    assert not RING.verify(VALUE, "k1", UID, 1, TEXT[:-1] + "s")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        VALUE[:-1],
        VALUE[:-1] + "f",
        "8" + VALUE[1:],
        VALUE + "0",
        VALUE.upper(),
        "é" * 64,
        "\udc80" * 64,
        "g" * 64,
    ],
)
def test_a_value_that_is_no_verifier_verifies_nothing(value: str) -> None:
    """And raises nothing."""
    assert not RING.verify(value, "k1", UID, 1, TEXT)


def test_an_unknown_key_verifies_nothing_and_signs_nothing() -> None:
    """False for verification, an error for signing."""
    assert not RING.verify(VALUE, "k3", UID, 1, TEXT)
    with pytest.raises(KeyError):
        RING.sign("k3", UID, 1, TEXT)


@given(st.text(max_size=80), st.text(max_size=40), st.integers(0, 2**53))
def test_whatever_is_presented_is_hashed_and_compared(presented: str, uid: str, serial: int) -> None:
    """Also what is no text in UTF-8."""
    assert RING.verify(RING.sign("k2", uid, serial, presented), "k2", uid, serial, presented)
    RING.verify_dummy(presented + "\udcff")


def test_the_parts_of_the_message_cannot_be_shifted() -> None:
    """`1` and `23` is not `12` and `3`."""
    assert RING.sign("k1", "a", 12, "3") != RING.sign("k1", "a", 1, "23")


def test_the_newest_key_is_the_one_with_the_greatest_number() -> None:
    """Not the last in the alphabet."""
    assert KeyRing({"k9": KEY, "k10": KEY}).newest == "k10"
    assert RING.ids == {"k1", "k2"}


RINGS = {
    "no key": ({}, "there is no key"),
    "a name without a number": ({"key": KEY}, "'key' must be 'k' and a number"),
    "number zero": ({"k0": KEY}, "'k0' must be"),
    "a short key": ({"k1": KEY[:31]}, "'k1' must have 32 bytes, not 31"),
    "a long key": ({"k1": KEY + b"x"}, "'k1' must have 32 bytes, not 33"),
}


@pytest.mark.parametrize(("keys", "words"), RINGS.values(), ids=RINGS)
def test_keys_that_cannot_be_used_are_rejected_by_name(keys: dict[str, bytes], words: str) -> None:
    """Never with their bytes."""
    with pytest.raises(InvalidKeyRing, match=words):
        KeyRing(keys)


def test_keys_are_read_from_a_secret() -> None:
    """In base64, strictly."""
    data = {"k1": base64.b64encode(KEY).decode(), "k2": base64.b64encode(bytes(32)).decode()}
    assert KeyRing.from_secret_data(data) == RING
    for value in ("§", "a", "AAAA AAAA"):
        with pytest.raises(InvalidKeyRing, match="'k1' is not base64"):
            KeyRing.from_secret_data({"k1": value})


def test_a_ring_shows_names_and_no_keys() -> None:
    """And equals only a ring with the same keys."""
    assert repr(RING) == "KeyRing(k1, k2)"
    assert KeyRing({"k1": KEY}) != KeyRing({"k1": bytes(32)})
    assert KeyRing({"k1": KEY}) != "k1"
    assert hash(KeyRing({"k1": KEY})) == hash(KeyRing({"k1": bytes(32)}))
