"""What was promised, without knowledge of the code: when each token was minted, given away, and is over.

Times here are those that really passed; what status says of them may have been edited by hand.
"""

from dataclasses import dataclass, field
from typing import Final

from servicetokens.api.service_token import ServiceTokenSpec

# The documented default of `rotation.overlap`: an hour, or a tenth of `every` where that is shorter.
_HOUR = 3600
LEAKED: Final = "KeyCompromise"


@dataclass
class Entry:
    """One plaintext. *account* is the number of the account it was minted for; its lifetime starts at the delivery."""

    serial: int
    mint_time: int
    account: int
    delivered: bool = False


@dataclass
class Ledger:
    """All plaintexts there ever were; *gone* are those that the operator has taken off status permanently.

    *last* is the one that was delivered last.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    last: Entry | None = None

    def end_of(self, value: str, spec: ServiceTokenSpec) -> int | None:
        """Return the second at which *value* is over by *spec*; None is never."""
        return end_by(spec, self.entries[value].mint_time)


def end_by(spec: ServiceTokenSpec, mint_time: int) -> int | None:
    """Return the end that *spec* gives to what is minted at *mint_time*."""
    if spec.expiration_time is not None:
        return spec.expiration_time
    return None if spec.expires_after == "never" else mint_time + (spec.expires_after or 0)


def overlap_of(spec: ServiceTokenSpec) -> int:
    """Return the seconds for which an old token outlives a rotation: none while it is revoked since it leaked."""
    if (spec.state, spec.revocation_reason) == ("Revoked", LEAKED):
        return 0
    rotation = spec.rotation
    if rotation is not None and rotation.overlap is not None:
        return rotation.overlap
    return _HOUR if rotation is None or rotation.every is None else min(_HOUR, rotation.every // 10)


def rotates_at(spec: ServiceTokenSpec, mint_time: int) -> int | None:
    """Return when the clock rotates what was minted at *mint_time*; None is never, as after a fixed end."""
    if spec.rotation is None or spec.rotation.every is None:
        return None
    due = mint_time + spec.rotation.every
    return due if spec.expiration_time is None or due < spec.expiration_time else None
