"""Whether an operator is the leader and works: what its Lease says, whatever the clocks say."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from servicetokens.api import names, times
from servicetokens.cli.findings import Level
from servicetokens.cli.views import moment
from servicetokens.controllers.leadership import Timing
from servicetokens.kube.errors import NotFound
from servicetokens.kube.leases import Lease

# A renewal may be late by as much as it takes until the next one.
_LATE: Final = 2
# So long a person waits for a check; of a Lease of more than 37 seconds, renewals are further apart.
_MOST_SECONDS: Final = 10.0


class Leases(Protocol):
    """Where a Lease is read; see `LeaseStore`."""

    async def get(self, namespace: str, name: str) -> Lease:
        """Return one; raises `NotFound`."""
        ...


async def examine(
    leases: Leases,
    home: str,
    now: int,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[tuple[Level, str]]:
    """Say whether some operator holds its Lease in the namespace *home*, and renews it.

    A Lease stays valid for a while after its holder was killed, and clocks differ. So one that looks old at *now* (Unix
    seconds) is read again after the time in which a running operator renews it. Raises `KubeError`.
    """
    try:
        lease = await leases.get(home, names.OPERATOR_LEASE)
        renewal = Timing.of(lease.seconds).retry
        idle = idle_seconds(lease, now)
        if lease.holder and idle > _LATE * renewal:
            waited = min(_LATE * renewal, _MOST_SECONDS)
            await sleep(waited)
            before, lease = lease, await leases.get(home, names.OPERATOR_LEASE)
            idle = 0 if lease.resource_version != before.resource_version else idle + round(waited)
    except NotFound:
        message = (
            f"no Lease '{names.OPERATOR_LEASE}' in namespace '{home}': no operator has run there, "
            "or it runs with --no-leader-election (--operator-namespace selects another namespace)"
        )
        return [(Level.WARNING, message)]
    if not lease.holder:
        ago = times.span(max(idle, 0))
        message = f"none runs: the last one stopped {ago} ago; without a leader, nothing is minted or rotated"
        return [(Level.BAD, message)]
    if idle <= _LATE * renewal:
        return [(Level.OK, f"'{lease.holder}' is the leader")]
    if idle < lease.seconds:
        message = (
            f"'{lease.holder}' has not renewed its Lease for {times.span(idle)}, and does so every "
            f"{times.span(round(renewal))} while it runs: check its pod. Nothing is minted or rotated until it "
            f"continues, or another one takes over, in {times.span(lease.seconds - idle)} at the earliest"
        )
        return [(Level.WARNING, message)]
    message = (
        f"the Lease was not renewed for {times.span(idle)}: without a leader, nothing is minted or rotated"
    )
    return [(Level.BAD, message)]


def idle_seconds(lease: Lease, now: int) -> int:
    """Return for how many seconds, by our clock, a Lease has not been renewed; negative: its clock is ahead."""
    return now - (moment(lease.renewed) or 0)
