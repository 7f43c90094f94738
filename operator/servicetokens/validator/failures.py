"""How often a peer may fail to authenticate: a token bucket for each address, whether it holds valid tokens or not.

A valid token is never counted and never refused here, so a flood harms nobody who shares its address. What it
saves is not our time, since a refusal costs as little as this, but the log, and the work of whoever retries.
"""

from collections import OrderedDict
from typing import Final

from servicetokens.authn.addresses import Address
from servicetokens.runtime.clock import Clock

# A proxy in front of us is one peer with all the mistakes of its clients; a person who guesses is far below.
PER_SECOND: Final = 50
BURST: Final = 200
# 200 bytes each. Whoever has more addresses than this starts anew with the oldest: a flood is noticed anyway.
_MOST_PEERS: Final = 4096
# The last 64 bits of an IPv6 address are its owner's to choose (RFC 4291 section 2.5.1).
_OWN_BITS: Final = 64
_IPV6: Final = 6


class FailureLimit:
    """The buckets, kept as the time at which each would be full again (GCRA)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at: OrderedDict[tuple[int, int], float] = OrderedDict()

    def take(self, peer: Address | None) -> bool:
        """Count one failure of *peer*; False when it has failed too often lately."""
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
    """Return whom *peer* is counted with: itself, its /64 network for IPv6, and all that cannot be told apart."""
    if peer is None:
        return (0, 0)
    return (peer.version, peer.value >> _OWN_BITS if peer.version == _IPV6 else peer.value)
