"""Whether a credential is accepted by what its objects say, whatever it is presented for.

    value verified  →  `find_rejection`  →  for this audience, client, request (`authn.authenticator`)

Validators ask for every token that is presented, the operator to say `Active`, and people with `verify`. Each brings
the same few facts from what it has read. What only one of them can know is not here: the value itself, which only a
validator verifies; a credential that has left the status; a spec that only the operator has to understand.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from servicetokens.api.reasons import Reason
from servicetokens.tokens.lifetime import MAX_CLOCK_SKEW, is_cut


class Facts(NamedTuple):
    """The facts that decide, in Unix seconds. A tuple, since a validator creates one for every token that it checks.

    Attributes:
        deleting: the ServiceToken is being deleted, perhaps behind a finalizer.
        account_uid: of the account that exists under the name; empty when there is none, or it is being deleted.
        minted_for: the uid of the account that the credential was minted for.
        revoked: by `spec.state`.
        account_suspended: by the account's `spec.state`.
        suspended: it was suspended for disuse, and the spec has not resumed it since.
        readable: everything that decides here was understood.
        mint_time: when the credential was minted.
        end: from when on it is expired; None means never.
        not_before: the account's `tokensNotBeforeTime`.
    """

    deleting: bool
    account_uid: str
    minted_for: str
    revoked: bool
    account_suspended: bool
    suspended: bool
    readable: bool
    mint_time: int
    end: int | None
    not_before: int | None


Check = Callable[[Facts, int], bool]

CHECKS: Final[tuple[tuple[Reason, Check], ...]] = (
    (Reason.DELETING, lambda it, _now: it.deleting),
    # Final, unlike the following reasons, which an administrator can remove.
    (Reason.EXPIRED, lambda it, now: it.readable and it.end is not None and it.end <= now),
    (Reason.ACCOUNT_NOT_FOUND, lambda it, _now: not it.account_uid),
    (Reason.ACCOUNT_REPLACED, lambda it, _now: it.minted_for != it.account_uid),
    (Reason.REVOKED, lambda it, _now: it.revoked),
    (Reason.ACCOUNT_SUSPENDED, lambda it, _now: it.account_suspended),
    (Reason.UNUSED_FOR_LONG, lambda it, _now: it.suspended),
    (Reason.UNREADABLE, lambda it, _now: not it.readable),
    (Reason.MINTED_TOO_EARLY, lambda it, now: is_cut(it.mint_time, it.not_before, now)),
    # It was forged, or clocks differ too much.
    (Reason.MINTED_IN_FUTURE, lambda it, now: it.mint_time > now + MAX_CLOCK_SKEW),
)
"""The reasons to reject, in their order, and whether each of them holds at a moment."""


def find_rejection(facts: Facts, now: int) -> Reason | None:
    """Return the first reason to reject the credential at *now*, or None when it is accepted."""
    return next((reason for reason, holds in CHECKS if holds(facts, now)), None)
