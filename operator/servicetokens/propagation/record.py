"""What a validator publishes in its Lease, and what follows from it.

                    LIST ≥ Lease          applied              renewed
    validator   ──── Lease ─── lists ─── watch: R ──────── Lease: applied ≥ R ────
    API server  ───────────────────────── R: revoked ─────────────────────────────
    operator    ────────────────────────────── sees R ──── lists Leases: all ≥ R ──── Enforced=True

The proof has these steps:

1. A validator writes its Lease before it lists, so an operator that does not find its Lease need not wait for it: its
   lists will be newer than anything that was seen before.
2. It answers only until its Lease expires, counted from the last renewal; afterwards it has to list again.
3. A position means that everything up to that resourceVersion has been applied. resourceVersions of one
   cluster can be compared as numbers (KEP-5504), and one that is ahead of the Lease's own is from a history
   that a restored etcd has forgotten: it proves nothing.
4. The operator lists Leases after it has seen the change, and considers a Lease expired only when it has itself seen it
   unchanged for its whole duration. By then the validator has stopped answering (2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import msgspec

from servicetokens.api.names import GROUP
from servicetokens.kube.leases import Lease, LeaseStore

LABEL: Final = f"{GROUP}/component"
VALIDATOR: Final = "validator"
SELECTOR: Final = f"{LABEL}={VALIDATOR}"
ANNOTATION: Final = f"{GROUP}/applied"
"""JSON: the resourceVersion that was applied last, for each feed; empty while it is being listed."""

# A validator of a few hundred namespaces; anything longer was not written by a validator.
_MAX_ANNOTATION: Final = 128 * 1024

Positions = Mapping[str, str]
"""By feed: `servicetokens`, or `servicetokens/team-a` for one of a single namespace."""

_positions: Final = msgspec.json.Decoder(dict[str, str])


def feed_name(plural: str, namespace: str = "") -> str:
    """Return the name of the feed of all objects of a kind, or of those of one namespace."""
    return f"{plural}/{namespace}" if namespace else plural


def first_lease(namespace: str, name: str, holder: str, seconds: int) -> Lease:
    """Return the Lease of a validator that is starting."""
    return Lease(
        namespace=namespace,
        name=name,
        holder=holder,
        seconds=seconds,
        renewed="",
        acquired="",
        transitions=0,
        labels={LABEL: VALIDATOR},
    )


def renewed(lease: Lease, positions: Positions, now: int) -> Lease:
    """Return *lease* renewed by its holder at *now* (Unix seconds), having applied *positions*."""
    applied = msgspec.json.encode(dict(positions)).decode()
    taken = lease.taken_by(lease.holder, lease.seconds, now)
    return replace(
        taken,
        acquired=lease.acquired or taken.renewed,
        annotations={**lease.annotations, ANNOTATION: applied},
    )


async def count_validators(leases: LeaseStore, namespace: str) -> int:
    """Return how many validators have a Lease in *namespace*; some of them may have exited. Raises `KubeError`."""
    return len(await leases.list(namespace, SELECTOR))


@dataclass(frozen=True, slots=True)
class ValidatorLease:
    """A validator, according to its Lease. `positions` is None when they cannot be trusted."""

    lease: Lease
    positions: Mapping[str, int] | None

    @classmethod
    def read(cls, lease: Lease) -> Self:
        """Parse a Lease. Unreadable or impossible content counts as nothing applied."""
        return cls(lease, _read_positions(lease))

    def has_applied(self, plural: str, namespace: str, target: int) -> bool:
        """Return whether it has applied *target*, a resourceVersion of an object of that kind, or never will."""
        if not self.positions:
            return False
        for feed in (feed_name(plural, namespace), plural):
            if feed in self.positions:
                return self.positions[feed] >= target
        # It watches other namespaces only, so it rejects every token of this one.
        return True


def _read_positions(lease: Lease) -> Mapping[str, int] | None:
    text = lease.annotations.get(ANNOTATION, "")
    if not text or len(text) > _MAX_ANNOTATION or not lease.resource_version.isdecimal():
        return None
    try:
        found = _positions.decode(text)
    except msgspec.MsgspecError:
        return None
    now = int(lease.resource_version)
    numbers = {feed: int(at) if at.isdecimal() else 0 for feed, at in found.items()}
    return {feed: number if number <= now else 0 for feed, number in numbers.items()}
