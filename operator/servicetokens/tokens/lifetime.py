"""When a credential expires: one rule for the operator, which writes it, and the validator, which enforces it.

The validator must never trust a *later* expiration than the spec gives, since a user with write access to status could
have moved it; it may trust an earlier one. So the earliest of all known expirations applies.
"""

from typing import Final, Literal

# Long enough for a rolling restart of what mounts the Secret; kubelets take up to two minutes to show a new
# value.
_DEFAULT_OVERLAP: Final = 3600
_DEFAULT_OVERLAP_SHARE: Final = 10

# How far the clocks of operator and validators may differ: a mint further in the future must be forged. Kubernetes
# itself allows certificates five minutes; a token is younger than that only when it is very young.
MAX_CLOCK_SKEW: Final = 60


def end_by_spec(
    mint_time: int, expires_after: int | Literal["never"] | None, expiration_time: int | None
) -> int | None:
    """Return the Unix second from which a credential minted at *mint_time* is expired by its spec; None means never.

    A spec without any expiration (the schema rejects it, an older one may not) gives the mint time: expired
    immediately.
    """
    if expiration_time is not None:
        return expiration_time
    if expires_after == "never":
        return None
    return mint_time + (expires_after or 0)


def earliest(*ends: int | None) -> int | None:
    """Return the least of *ends*, where None means never."""
    return min((end for end in ends if end is not None), default=None)


def effective_end(
    *,
    mint_time: int,
    stored_end: int | None,
    expires_after: int | Literal["never"] | None,
    expiration_time: int | None,
) -> int | None:
    """Return the expiration that both the spec and the stored *stored_end* allow; None means never."""
    return earliest(stored_end, end_by_spec(mint_time, expires_after, expiration_time))


def overlap_of(every: int | None, overlap: int | None) -> int:
    """Return for how many seconds the older credential stays valid after a rotation.

    The default is one hour, or a tenth of the rotation period where that is shorter.
    """
    if overlap is not None:
        return overlap
    if every is None:
        return _DEFAULT_OVERLAP
    return min(_DEFAULT_OVERLAP, every // _DEFAULT_OVERLAP_SHARE)


def is_cut(mint_time: int, cut: int | None, now: int) -> bool:
    """Return whether *cut*, the account's `tokensNotBeforeTime`, rejects a credential of *mint_time* at *now*.

    Times are whole seconds, so the order of a mint and a cut-off in the same second is unknown: the credential is
    rejected.
    """
    return cut is not None and mint_time <= cut <= now


def mint_time_after(cut: int | None, now: int) -> int:
    """Return the mint time of a credential that is minted at *now*, so that *cut* does not reject it.

    In the second of the cut-off it is the next one, which is well within `MAX_CLOCK_SKEW`.
    """
    return now + 1 if is_cut(now, cut, now) else now
