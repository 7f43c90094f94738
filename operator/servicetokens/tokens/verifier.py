"""What is stored of a token: a keyed hash, useless without the operator's key, bound to one object and one mint.

HMAC-SHA256(key[keyID], "svt-hmac-v1" 0x00 uid(ServiceToken) 0x00 serial 0x00 token)

The uid makes a verifier useless that was copied from another object, or forged by hand. A slow password hash would add
nothing: the input has 256 random bits (RFC 6819 section 5.1.4.2.2 asks for 128).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

ALGORITHM: Final = "HMACSHA256"
KEY_BYTES: Final = 32
FIRST_KEY: Final = "k1"

_CONTEXT: Final = "svt-hmac-v1"
_DIGEST: Final = "sha256"
_VALUE_LENGTH: Final = hashlib.sha256().digest_size * 2
# Numbered, so that the newest key is known without a date next to it.
_KEY_ID: Final = re.compile(r"k[1-9][0-9]{0,8}")
# An unknown id still costs one HMAC, so that its answer takes as long as that for a known one.
_DUMMY_KEY: Final = bytes(KEY_BYTES)


class InvalidKeyRing(ValueError):
    """The keys cannot be used. The message names the key and the reason, never its bytes."""


class KeyRing:
    """The operator's keys by id. New tokens use the newest; older keys keep verifying until they are removed."""

    __slots__ = ("_keys", "newest")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take *keys* (id -> 32 bytes), e.g. `{"k1": ...}`.

        Raises:
            InvalidKeyRing: no key at all, an id that is not `k<number>`, or a key of another length.
        """
        if not keys:
            message = "there is no key in it"
            raise InvalidKeyRing(message)
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                message = f"the key name {key_id!r} must be 'k' and a number, like 'k2'"
                raise InvalidKeyRing(message)
            if len(key) != KEY_BYTES:
                message = f"the key '{key_id}' must have {KEY_BYTES} bytes, not {len(key)}"
                raise InvalidKeyRing(message)
        self._keys = dict(keys)
        self.newest: Final = max(keys, key=lambda key_id: int(key_id[1:]))

    @classmethod
    def from_secret_data(cls, data: Mapping[str, str]) -> "KeyRing":
        """Read the `data` of the key Secret (base64 values).

        Raises:
            InvalidKeyRing: see the constructor; also a value that is not base64.
        """
        keys = {}
        for key_id, value in data.items():
            try:
                keys[key_id] = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                message = f"the key '{key_id}' is not base64"
                raise InvalidKeyRing(message) from None
        return cls(keys)

    @property
    def ids(self) -> frozenset[str]:
        """The names of all keys."""
        return frozenset(self._keys)

    def sign(self, key_id: str, uid: str, serial: int, presented: str) -> str:
        """Return the verifier of *presented* as 64 hexadecimal characters. Raises KeyError for an unknown key."""
        return hmac.digest(self._keys[key_id], _message(uid, serial, presented), _DIGEST).hex()

    def verify(self, value: str, key_id: str, uid: str, serial: int, presented: str) -> bool:
        """Return whether *value* is the verifier of *presented*, in constant time; False for an unknown key."""
        key = self._keys.get(key_id)
        if key is None:
            self.verify_dummy(presented)
            return False
        expected = hmac.digest(key, _message(uid, serial, presented), _DIGEST).hex()
        return len(value) == _VALUE_LENGTH and value.isascii() and hmac.compare_digest(expected, value)

    def digest(self, key_id: str, text: str) -> bytes:
        """Return the keyed digest of *text*, with its own context. Raises KeyError for an unknown key."""
        return hmac.digest(self._keys[key_id], text.encode("utf-8", "surrogatepass"), _DIGEST)

    def verify_dummy(self, presented: str) -> None:
        """Spend the time of one verification, for a token whose id is unknown."""
        hmac.digest(_DUMMY_KEY, _message("", 0, presented), _DIGEST)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyRing):
            return NotImplemented
        return self._keys == other._keys

    def __hash__(self) -> int:
        return hash(self.ids)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(sorted(self._keys))})"


def _message(uid: str, serial: int, presented: str) -> bytes:
    return f"{_CONTEXT}\0{uid}\0{serial}\0{presented}".encode("utf-8", "surrogatepass")
