"""How many connections of a listener one client address may hold, so that it leaves room for others."""

from dataclasses import dataclass, field
from typing import Final

from servicetokens.authn.addresses import Address
from servicetokens.runtime import logs
from servicetokens.runtime.places import Places
from servicetokens.validator.failures import bucket_of

# 2.5 KB each: the idle connections of a thousand proxies, in 25 MB.
MAX_CONNECTIONS: Final = 10_000
# At most 70 KB each, while the handshake lasts, of which OpenSSL takes most: 140 MB.
MAX_TLS_CONNECTIONS: Final = 2_000
# Five hundred of the longest heads. Nearly every request arrives in one piece, and is not held at all.
MAX_HELD: Final = 16 * 1024 * 1024
# Percent of them for one client address: proxies hold hundreds, and only four peers together can use up the limit.
PEER_SHARE: Final = 25
HANDSHAKE_SECONDS: Final = 5.0
"""How long a connection may be open before it starts the protocol of its listener, TLS or HTTP/2."""
# One line names the client; more would only count.
_SECONDS_BETWEEN_LINES: Final = 60

_log = logs.get_logger(__name__)


class Shares:
    """Counts the open connections of a listener, from the moment they are accepted; or calls, or bytes, as *what*."""

    def __init__(
        self,
        most: int = MAX_CONNECTIONS,
        percent: int = PEER_SHARE,
        what: str = "connections",
        event: str = "",
    ) -> None:
        """Allow *most*, and *percent* of them for one client address (of IPv6, one /64).

        What is beyond that is logged as *event*, by default "<what> are closed".
        """
        self._event = event or f"{what} are closed"
        self._most = most
        self._most_of_peer = max(1, most * percent // 100)
        self._places: Places[tuple[int, int]] = Places(most, self._most_of_peer, what)
        self._silent_until = 0

    @property
    def total(self) -> int:
        """How many are open."""
        return self._places.total

    def take(self, peer: Address | None, tick: int, count: int = 1) -> str:
        """Count *count* more of *peer*; at a limit, return which one, and count nothing.

        *tick* counts seconds; not every rejection is logged.
        """
        objection = self._places.take(bucket_of(peer), count)
        if objection:
            self._log_rejection(objection, peer, tick)
        return objection

    def give_back(self, peer: Address | None, count: int = 1) -> None:
        """Count *count* of *peer* less."""
        self._places.give_back(bucket_of(peer), count)

    def _log_rejection(self, reason: str, peer: Address | None, tick: int) -> None:
        if tick >= self._silent_until:
            self._silent_until = tick + _SECONDS_BETWEEN_LINES
            _log.warning(
                self._event,
                reason=reason,
                client=str(peer) if peer else "unknown",
                most=self._most,
                most_of_one_address=self._most_of_peer,
            )


def bytes_held(percent: int = PEER_SHARE) -> Shares:
    """Return what counts the bytes of unfinished requests of a listener; *percent* of them are for one address."""
    return Shares(MAX_HELD, percent, "bytes of unfinished requests", "unfinished requests are rejected")


@dataclass(frozen=True, slots=True)
class ListenerShares:
    """What the clients of one listener may use together, and each of them.

    Attributes:
        connections: those that are open. Further ones are answered by 503 and closed; on TLS they are closed before
            the handshake, which is the most expensive part.
        held: bytes of unfinished requests. A request beyond that is answered by 503, unless it is short.
    """

    connections: Shares = field(default_factory=Shares)
    held: Shares = field(default_factory=bytes_held)
