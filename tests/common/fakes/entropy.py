"""Randomness that repeats: every call gives other bytes, and every run the same ones."""


class CountingEntropy:
    """Implements `servicetokens.runtime.entropy.Entropy`."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, size: int) -> bytes:
        """Return *size* bytes that no call before has returned, each below 248 (none is drawn again)."""
        self._calls += 1
        number = self._calls * 7919
        return bytes((number >> (index % 3 * 7)) % 241 + index % 7 for index in range(size))
