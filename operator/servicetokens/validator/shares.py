"""How many connections of a listener one client address may hold, so that it leaves room for others."""

from typing import Final

from servicetokens.authn.addresses import Address
from servicetokens.runtime import logs
from servicetokens.runtime.places import Places
from servicetokens.validator.failures import bucket_of

# 2.5 KB each: the idle connections of a thousand proxies, in 25 MB.
MAX_CONNECTIONS: Final = 10_000
# Percent of them for one client address: proxies hold hundreds, and only four peers together can use up the limit.
PEER_SHARE: Final = 25
HANDSHAKE_SECONDS: Final = 5.0
"""How long a connection may be open before it starts the protocol of its listener, TLS or HTTP/2."""
# One line names the client; more would only count.
_SECONDS_BETWEEN_LINES: Final = 60

_log = logs.get_logger(__name__)


class Shares:
    """Counts the open connections of a listener, from the moment they are accepted; or, as *what*, its calls."""

    def __init__(
        self, most: int = MAX_CONNECTIONS, percent: int = PEER_SHARE, what: str = "connections"
    ) -> None:
        """Allow *most* connections, and *percent* of them for one client address (of IPv6, one /64)."""
        self._what = what
        self._most = most
        self._most_of_peer = max(1, most * percent // 100)
        self._places: Places[tuple[int, int]] = Places(most, self._most_of_peer, what)
        self._silent_until = 0

    @property
    def total(self) -> int:
        """How many are open."""
        return self._places.total

    def take(self, peer: Address | None, tick: int) -> str:
        """Count one more connection of *peer*; at a limit, return which one, and count nothing.

        *tick* counts seconds; not every rejection is logged.
        """
        objection = self._places.take(bucket_of(peer))
        if objection:
            self._log_rejection(objection, peer, tick)
        return objection

    def give_back(self, peer: Address | None) -> None:
        """Count one connection of *peer* less."""
        self._places.give_back(bucket_of(peer))

    def _log_rejection(self, reason: str, peer: Address | None, tick: int) -> None:
        if tick >= self._silent_until:
            self._silent_until = tick + _SECONDS_BETWEEN_LINES
            _log.warning(
                f"{self._what} are closed",
                reason=reason,
                client=str(peer) if peer else "unknown",
                most=self._most,
                most_of_one_address=self._most_of_peer,
            )
