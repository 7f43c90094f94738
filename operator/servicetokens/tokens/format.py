"""The text form of a token: `<prefix>_<id>_<secret><crc>`.

    svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr
    │   │            │                                          └ CRC32 of all before it, 6 base62 characters
    │   │            └ 256 random bits, 43 base62 characters
    │   └ public handle: the look-up key, and the only name of a token in logs, events and audit
    └ per installation

Underscores, because a double click selects the whole token; base62, because it is legal after `Bearer ` (b64token, RFC
6750 section 2.1). The format is a contract with secret scanners: a change needs another prefix length, so that no text
ever has two meanings.
"""

import hmac
import re
import zlib
from typing import Final, NoReturn

from servicetokens.runtime.entropy import Entropy

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 12
# 62**43 > 2**256 > 62**42: 43 characters are the fewest that hold 256 bits.
_SECRET_LENGTH: Final = 43
_SECRET_BYTES: Final = 32
# 62**6 > 2**32 > 62**5.
_CRC_LENGTH: Final = 6
_TAIL_LENGTH: Final = _SECRET_LENGTH + _CRC_LENGTH
# A byte below 248 = 4 * 62 maps to each base62 character equally often; the others are drawn again.
_UNBIASED_BELOW: Final = 248

PREFIX_PATTERN: Final = re.compile(r"[a-z][a-z0-9]{1,9}")


class MalformedToken(ValueError):
    """The text is not a service token. The message says what is wrong and never quotes the text."""


class Token:
    """A token in plaintext, which does not print itself: only `reveal()` returns the text.

    Equality is constant-time; pickling and copying to a `dict` raise, so that a debugger, a logger or a cache cannot
    spread the secret by accident.
    """

    __slots__ = ("_text", "id", "prefix")

    def __init__(self, text: str, *, prefix: str, token_id: str) -> None:
        self._text = text
        self.prefix = prefix
        self.id = token_id

    def reveal(self) -> str:
        """Return the plaintext, for the Secret that it is written to and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return f"{self.prefix}_{self.id}_…"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> NoReturn:
        message = f"the token {self!r} must not be pickled or copied"
        raise TypeError(message)


def mint(prefix: str, entropy: Entropy) -> Token:
    """Make a new token with *prefix* from 256 bits of *entropy* (and about 71 more for its public id)."""
    token_id = _random_id(entropy)
    return assemble(prefix, token_id, entropy(_SECRET_BYTES))


def assemble(prefix: str, token_id: str, secret: bytes) -> Token:
    """Assemble a token from its parts; *secret* is 32 bytes, read as one big-endian number."""
    body = f"{prefix}_{token_id}_{_base62(int.from_bytes(secret, 'big'), _SECRET_LENGTH)}"
    return Token(body + checksum(body), prefix=prefix, token_id=token_id)


def parse(text: str, prefix: str) -> Token:
    """Parse a token that was typed or pasted.

    Raises:
        MalformedToken: another prefix, a wrong shape, or a checksum that does not fit (a typo).
    """
    token_id = find_id(text, prefix)
    if token_id is None:
        shape = f"'{prefix}_', {_ID_LENGTH} characters, '_' and {_TAIL_LENGTH} more"
        message = f"not a token of this installation: expected {shape}"
        raise MalformedToken(message)
    if checksum(text[:-_CRC_LENGTH]) != text[-_CRC_LENGTH:]:
        message = "the checksum at the end does not fit: a character is missing or wrong"
        raise MalformedToken(message)
    return Token(text, prefix=prefix, token_id=token_id)


def parse_any(text: str) -> Token:
    """Parse a token with any prefix, for administrators of more than one installation.

    Raises:
        MalformedToken: as `parse`. A text that is not a token is never quoted: it may be a password.
    """
    prefix, separator, _ = text.partition("_")
    if not separator or not PREFIX_PATTERN.fullmatch(prefix):
        message = "not a token: it does not begin with a prefix such as 'svt_'"
        raise MalformedToken(message)
    if find_id(text, prefix) is None:
        message = (
            f"not a token: expected {_ID_LENGTH} characters behind the prefix, '_' and {_TAIL_LENGTH} more"
        )
        raise MalformedToken(message)
    return parse(text, prefix)


def length_of(prefix: str) -> int:
    """Return how many characters a token with *prefix* has."""
    return len(prefix) + len("_") + _ID_LENGTH + len("_") + _TAIL_LENGTH


def find_id(presented: str, prefix: str) -> str | None:
    """Return the public id inside *presented*, or None when it does not have the shape of a token.

    The request path: no checksum (it costs more than the hash it would save, and is no security check).
    """
    start = len(prefix) + 1
    end = start + _ID_LENGTH
    if len(presented) != end + 1 + _TAIL_LENGTH or not presented.isascii():
        return None
    if not presented.startswith(prefix) or presented[start - 1] != "_" or presented[end] != "_":
        return None
    token_id = presented[start:end]
    if not token_id.isalnum() or not presented[end + 1 :].isalnum():
        return None
    return token_id


def checksum(body: str) -> str:
    """Return the six characters that end a token: CRC32-IEEE of everything before them, in base62."""
    return _base62(zlib.crc32(body.encode()), _CRC_LENGTH)


def pattern_of(prefix: str) -> str:
    """Return the regular expression of a token with *prefix*, for secret scanners: the same in RE2 and in Python.

    It is loose in front, since a token in a URL follows a digit (`%20svt_`), and behind, since RE2 cannot look ahead.
    """
    return f"{prefix}_[0-9A-Za-z]{{{_ID_LENGTH}}}_[0-9A-Za-z]{{{_TAIL_LENGTH}}}"


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _random_id(entropy: Entropy) -> str:
    characters: list[str] = []
    while len(characters) < _ID_LENGTH:
        characters += [
            _ALPHABET[byte % len(_ALPHABET)] for byte in entropy(_ID_LENGTH) if byte < _UNBIASED_BELOW
        ]
    return "".join(characters[:_ID_LENGTH])
