"""The only source of randomness: tokens and keys take an `Entropy`, and tests pass a counter for stable values."""

import os
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Returns that many random bytes."""


def os_entropy(size: int) -> bytes:
    """Return *size* bytes from the kernel's cryptographic generator."""
    return os.urandom(size)
