"""When a credential ends. One rule for the operator, which writes the end, and the validator, which enforces it.

The validator must never believe a *later* end than the spec gives, since anybody who may write status could
have moved it; it may believe an earlier one. Hence every end is the least of all that are known.
"""

from typing import Final, Literal

# Long enough for a rolling restart of what mounts the Secret; kubelets take up to two minutes to show a new
# value.
_DEFAULT_OVERLAP: Final = 3600
_DEFAULT_OVERLAP_SHARE: Final = 10

# How far the clocks of operator and validators may be apart: a mint further in the future was planted.
# Kubernetes itself allows certificates five minutes; a token is younger than that only when it is very
# young.
MAX_CLOCK_SKEW: Final = 60


def end_by_spec(
    mint_time: int, expires_after: int | Literal["never"] | None, expiration_time: int | None
) -> int | None:
    """Return the Unix second from which a credential minted at *mint_time* is dead by its spec; None is never.

    A spec that names no end at all (the schema refuses it, an older one may not) gives the mint itself:
    dead at once.
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
    """Return the end that both the spec and the stored *stored_end* allow; None is never."""
    return earliest(stored_end, end_by_spec(mint_time, expires_after, expiration_time))


def overlap_of(every: int | None, overlap: int | None) -> int:
    """Return for how many seconds the older credential outlives a rotation.

    Left out it is one hour, or a tenth of the rotation period where that is shorter.
    """
    if overlap is not None:
        return overlap
    if every is None:
        return _DEFAULT_OVERLAP
    return min(_DEFAULT_OVERLAP, every // _DEFAULT_OVERLAP_SHARE)


def is_cut(mint_time: int, cut: int | None, now: int) -> bool:
    """Say whether a credential minted at *mint_time* is refused at *now* by the account's `tokensNotBeforeTime` *cut*.

    Times are whole seconds, so of a mint in the very second of the cut nobody can tell which came first: it is refused.
    """
    return cut is not None and mint_time <= cut <= now


def mint_time_after(cut: int | None, now: int) -> int:
    """Return the mint time of a credential that is minted at *now*, so that *cut* does not refuse it.

    In the second of the cut itself it is the next one, which is well within `MAX_CLOCK_SKEW`.
    """
    return now + 1 if is_cut(now, cut, now) else now
