"""What follows from a snapshot by arithmetic, before anything is decided."""

from dataclasses import dataclass

from servicetokens.api.service_token import Credential
from servicetokens.lifecycle.actions import Mint, MintCause, SecretUpdate
from servicetokens.lifecycle.credentials import Living
from servicetokens.lifecycle.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Arrival:
    """*credential* as it will be on status once it is in the Secret.

    *mint* is None when it was minted in an earlier pass; *is_delivered* says that the Secret holds it already.
    """

    credential: Credential
    mint: Mint | None = None
    is_delivered: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A snapshot at *now* (Unix seconds), and what follows from it.

    *alive* are the credentials that live, *cause* says why another one is needed, if it is. *delivered* is one that the
    Secret holds and status does not list as delivered yet. *repair* repairs what surrounds the token in the Secret.
    """

    snapshot: Snapshot
    now: int
    alive: Living
    cause: MintCause | None
    delivered: Arrival | None
    repair: SecretUpdate | None

    @property
    def mint_time(self) -> int:
        """When the credential in question was minted, or would be."""
        return self.alive.current.mint_time if self.alive.current else self.now

    @property
    def owes(self) -> bool:
        """Whether a Secret has to be written. Without it, a write that failed is not wanted any more."""
        return self.cause is not None or self.repair is not None
