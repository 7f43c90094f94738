"""How often a peer may fail to authenticate: a token bucket for each address, whether it holds valid tokens or not.

A valid token is never counted and never rejected here, so a flood does not affect others at the same address. The limit
does not save our CPU, since a rejection is as cheap as this, but log lines, and retries by clients.
"""

from collections import OrderedDict
from typing import Final

from servicetokens.authn.addresses import Address
from servicetokens.runtime.clock import Clock

# A proxy is one peer with the mistakes of all its clients; a person who guesses is far below.
PER_SECOND: Final = 50
BURST: Final = 200
# 200 bytes each. With more addresses than this the oldest are forgotten: a flood is noticed anyway.
_MOST_PEERS: Final = 4096
# The owner of an IPv6 network chooses the last 64 bits of an address (RFC 4291 section 2.5.1).
_OWN_BITS: Final = 64
_IPV6: Final = 6


class FailureLimit:
    """The buckets, kept as the time at which each would be full again (GCRA)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at: OrderedDict[tuple[int, int], float] = OrderedDict()

    def take(self, peer: Address | None) -> bool:
        """Count one failure of *peer*; False when it has failed too often recently."""
        who = bucket_of(peer)
        # In units of one failure, so that counting is exact.
        now = self._clock.monotonic() * PER_SECOND
        full_at = max(self._full_at.get(who, now), now) + 1
        if full_at - now > BURST:
            return False
        self._full_at[who] = full_at
        self._full_at.move_to_end(who)
        if len(self._full_at) > _MOST_PEERS:
            self._full_at.popitem(last=False)
        return True


def bucket_of(peer: Address | None) -> tuple[int, int]:
    """Return the bucket of *peer*: the address, its /64 network for IPv6, or one bucket for all unknown peers."""
    if peer is None:
        return (0, 0)
    return (peer.version, peer.value >> _OWN_BITS if peer.version == _IPV6 else peer.value)
