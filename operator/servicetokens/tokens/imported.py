"""Values from other systems, accepted for a while alongside a minted token: which are allowed, and their handle.

handle = imp-<the first 112 bits of HMAC-SHA256(key[keyID], "svt-import-v1" 0x00 value), in hexadecimal>

A foreign value contains no public id, so the handle replaces it: the look-up key, and the only name of the value in
logs, Events and audit. It has its own context, so that it reveals nothing about the verifier, and it needs the key, so
that values cannot be guessed against it. No minted token has a `-` in its id, so the two are never confused.
"""

import re
from typing import Final

from servicetokens.api.origin import imported_id
from servicetokens.tokens.verifier import KeyRing

# With the prefix, as long as an id in status may be.
_HANDLE_DIGITS: Final = 28
_CONTEXT: Final = "svt-import-v1"

# Random tokens of other systems have as many or more; 20 characters of base62 are 119 bits, about the 128 that
# RFC 6819 (section 5.1.4.2.2) asks for.
MIN_LENGTH: Final = 20
# What fits into the 512 bytes of an `Authorization` header that the validator reads, after `Bearer `.
MAX_LENGTH: Final = 505
# Fewer than one in a thousand of random values with 20 hexadecimal digits has fewer different ones.
_MIN_DIFFERENT: Final = 8
# What may follow `Bearer ` (RFC 6750 section 2.1).
_B64TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")

# For how long a foreign value may be accepted: PCI DSS 4.0 (8.3.9) has passwords changed within as many days.
MAX_SECONDS: Final = 90 * 86400


def handle_of(value: str, keys: KeyRing, key_id: str) -> str:
    """Return the public handle of *value* under one of *keys*. Raises KeyError for an unknown key."""
    return imported_id(keys.digest(key_id, f"{_CONTEXT}\0{value}").hex()[:_HANDLE_DIGITS])


def import_end(mint_time: int, until: int | None, *ends: int | None) -> int:
    """Return when a value that was imported at *mint_time* expires, at the latest at the least of *ends*.

    *until* comes from the spec; None when the spec no longer requests the import: then the value is expired from the
    beginning, whatever status says.
    """
    last = mint_time if until is None else min(until, mint_time + MAX_SECONDS)
    return min([last, *(end for end in ends if end is not None)])


def find_fault(value: str, prefix: str) -> str | None:
    """Return why *value* must not be imported, as the end of a sentence that begins with "it", or None.

    The sentence reveals nothing about the value except its fault. *prefix* is that of minted tokens.
    """
    if len(value) < MIN_LENGTH:
        return f"is shorter than {MIN_LENGTH} characters, so it could be guessed"
    if len(value) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters, which is more than the validator reads"
    if not _B64TOKEN.fullmatch(value):
        return (
            "holds a character that a bearer token cannot have: allowed are letters, digits and - . _ ~ + /, "
            "and = at its end (is there a line break at its end?)"
        )
    if value.startswith(f"{prefix}_"):
        return "begins as our own tokens do, and those are never trusted from a Secret"
    if len(set(value)) < _MIN_DIFFERENT:
        return f"has fewer than {_MIN_DIFFERENT} different characters, so it could be guessed"
    return None
