"""What must be accepted and what must be rejected, derived from the acts and not from the product's own reports.

round: do (one act per token, some disturbances) → settle (everything is minted) → check every value ever seen

Only the present values are read from the cluster, out of the Secrets, as a workload would read them. What becomes of
the earlier ones follows from the acts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

# The operator mints a moment after the act and writes whole seconds; the validator has a clock of its own.
TOLERANCE: Final = 2.0
# Of each token: a check asks every validator about every one of them.
REMEMBERED: Final = 10


class Decision(StrEnum):
    """What a validator has to say about a value."""

    ACCEPTED = "accepted"
    REJECTED = "refused"
    EITHER = "either"


@dataclass
class Value:
    """A token's plaintext, once it was seen. *until* and *gone_by* are monotonic times: surely good, surely not."""

    text: str = field(repr=False)
    is_current: bool = True
    until: float = 0.0
    gone_by: float = 0.0


@dataclass
class TokenModel:
    """One name in one namespace, through all objects that had it."""

    namespace: str
    name: str
    account: str
    exists: bool = False
    revoked: bool = False
    values: list[Value] = field(default_factory=list)
    overlap: float | None = None
    rotated_at: float = 0.0

    @property
    def current(self) -> Value | None:
        """The value that was in the Secret when everything had settled last."""
        return next((value for value in self.values if value.is_current), None)

    @property
    def overlaps(self) -> bool:
        """Whether an earlier value may still be good."""
        return any(not value.is_current and value.gone_by for value in self.values)

    def may_hold(self, text: str) -> bool:
        """Return whether *text* can be the requested value: where a new value is due, none that was seen before."""
        if self.overlap is None or self.current is None:
            return True
        return all(text != value.text for value in self.values)

    def rotated(self, overlap: float, now: float) -> None:
        """A rotation with *overlap* seconds was requested."""
        self._drop_earlier()
        self.overlap, self.rotated_at = overlap, now

    def replaced(self) -> None:
        """A new value will be minted, and every earlier one is rejected then."""
        self._drop_earlier()
        self.overlap = 0.0

    def deleted(self) -> None:
        """The object was deleted, and with it all its values."""
        self._drop_earlier()
        for value in self.values:
            value.is_current = False
        self.exists, self.revoked, self.overlap = False, False, None

    def settled(self, text: str, now: float) -> None:
        """Everything asked for has been done, and *text* is in the Secret.

        Raises:
            AssertionError: it is another value than it may be.
        """
        current = self.current
        if self.overlap is None and current is not None:
            assert text == current.text, (
                f"{self.namespace}/{self.name} was minted anew, and nobody asked for it"
            )
            return
        assert all(text != value.text for value in self.values), (
            f"{self.namespace}/{self.name} has an old value again"
        )
        if current is not None and self.overlap is not None:
            current.is_current = False
            if self.overlap:
                current.until, current.gone_by = self.rotated_at + self.overlap, now + self.overlap
        self.values = [*self.values, Value(text)][-REMEMBERED:]
        self.overlap = None

    def _drop_earlier(self) -> None:
        for value in self.values:
            if not value.is_current:
                value.until = value.gone_by = 0.0


@dataclass
class AccountModel:
    """An account: a token of it is accepted only while it is not suspended."""

    namespace: str
    name: str
    suspended: bool = False


class Model:
    """All accounts and tokens."""

    def __init__(self, accounts: list[AccountModel], tokens: list[TokenModel]) -> None:
        self.accounts = accounts
        self.tokens = tokens
        self._by_place = {(account.namespace, account.name): account for account in accounts}

    def decision(self, token: TokenModel, value: Value, now: float) -> Decision:
        """Say what a validator has to answer at *now*."""
        if not token.exists or token.revoked or self._by_place[token.namespace, token.account].suspended:
            return Decision.REJECTED
        if value.is_current or now < value.until - TOLERANCE:
            return Decision.ACCEPTED
        return Decision.EITHER if now < value.gone_by + TOLERANCE else Decision.REJECTED

    def everything(self) -> Iterator[tuple[TokenModel, Value]]:
        """Give every value that is remembered."""
        for token in self.tokens:
            for value in token.values:
                yield token, value
