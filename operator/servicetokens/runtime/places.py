"""Counts open connections, calls or bytes, with one limit for all and one for each peer."""

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)


class Places(Generic[P]):
    """Counts open connections by peer.

    Attributes:
        total: how many are open.
    """

    def __init__(self, most: int, most_of_peer: int, what: str = "connections") -> None:
        """Allow *most* connections, and *most_of_peer* of them for one peer; *what* names them in messages."""
        self._what = what
        self.total = 0
        self._most = most
        self._most_of_peer = most_of_peer
        self._by_peer: Counter[P] = Counter()

    def take(self, peer: P, count: int = 1) -> str:
        """Count *count* more of *peer*; at a limit, return which one, and count nothing."""
        if self.total + count > self._most:
            return f"too many {self._what}"
        if self._by_peer[peer] + count > self._most_of_peer:
            return f"too many {self._what} from this address"
        self.total += count
        self._by_peer[peer] += count
        return ""

    def give_back(self, peer: P, count: int = 1) -> None:
        """Count *count* of *peer* less."""
        self.total -= count
        self._by_peer[peer] -= count
        if not self._by_peer[peer]:
            # Otherwise the table would grow with every address that ever connected.
            del self._by_peer[peer]
