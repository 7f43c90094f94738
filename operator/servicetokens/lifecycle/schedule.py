"""When something happens next: an expiration, thresholds before it, and the back-off of repeated failures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from servicetokens.api.conditions import Condition, ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import ServiceTokenSpec
from servicetokens.lifecycle import conditions
from servicetokens.tokens import lifetime

_DAY: Final = 86400

# A writer that keeps changing a Secret must not keep two writers busy, nor delay the repair of a token for long.
_FIRST_DELAY: Final = 10
_LONGEST_DELAY: Final = 300
# A rejected write is repeated soon, since its cause cannot be watched, and the administrator who removes it waits for
# the token: 10 s are promised, of which two are left for the work.
_LONGEST_DELIVERY_DELAY: Final = 8
# At most this many rejected writes per second, of all tokens together, which is little for an API server. More tokens
# wait longer.
_REFUSALS_PER_SECOND: Final = 50
# Attempts without an answer, as with a webhook that hangs, together occupy at most a quarter of the 32 workers.
_WAITING_WORKERS: Final = 8
# A foreign Secret is not watched. A recent conflict is probably being resolved; an old one is checked more rarely,
# every 150th of its age.
_FIRST_CONFLICT_RECHECK: Final = 3
_LAST_CONFLICT_RECHECK: Final = 60
_CONFLICT_SHARE: Final = 150


@dataclass(frozen=True, slots=True)
class ExpiryWarning:
    """From *at* on (Unix seconds) an expiration is announced with *reason*."""

    at: int
    reason: Reason


def end_by_spec(spec: ServiceTokenSpec | None, mint_time: int) -> int | None:
    """Return the expiration of a credential minted at *mint_time*; None means never, or an unreadable spec."""
    return None if spec is None else lifetime.end_by_spec(mint_time, spec.expires_after, spec.expiration_time)


def expiry_warnings(mint_time: int, end: int) -> tuple[ExpiryWarning, ...]:
    """Return the moments at which the expiration at *end* is announced, earliest first.

    30, 7 and 1 days before it. A lifetime too short for that (its third is less than 30 days, its tenth less than 7) is
    announced with a third and a tenth left instead, and with one day only where that comes later still.
    """
    life = end - mint_time
    third, tenth = life // 3, life // 10
    first = (
        ExpiryWarning(end - 30 * _DAY, Reason.EXPIRES_WITHIN_30_DAYS)
        if third >= 30 * _DAY
        else ExpiryWarning(end - third, Reason.EXPIRES_WITHIN_A_THIRD)
    )
    second = (
        ExpiryWarning(end - 7 * _DAY, Reason.EXPIRES_WITHIN_7_DAYS)
        if tenth >= 7 * _DAY
        else ExpiryWarning(end - tenth, Reason.EXPIRES_WITHIN_A_TENTH)
    )
    third_warning = (ExpiryWarning(end - _DAY, Reason.EXPIRES_WITHIN_1_DAY),) if tenth > _DAY else ()
    return (first, second, *third_warning)


def retry_delay(attempts: int) -> int:
    """Return the seconds to wait before another attempt, after *attempts* failed ones; the first is immediate."""
    if attempts < 1:
        return 0
    # The exponent is bounded before the power is computed: a counter may run for years.
    return min(_LONGEST_DELAY, _FIRST_DELAY << min(attempts - 1, 10))


def delivery_delay(failures: int, waiting: int, took: float) -> int:
    """Return the seconds before the next attempt to write a Secret, after *failures*, while *waiting* tokens fail.

    The last one *took* so many seconds, for which a worker waited; they count as waiting.
    """
    delay = min(_LONGEST_DELIVERY_DELAY, 1 << min(max(failures - 1, 0), 10))
    return min(_LONGEST_DELAY, max(1, delay - int(took), _shared_delay(waiting, took)))


def longest_delay(waiting: int, took: float) -> int:
    """Return the seconds after which an object is retried at the latest, while *waiting* objects fail.

    The last attempt *took* so many seconds, for which a worker waited.
    """
    return min(_LONGEST_DELAY, max(_LONGEST_DELIVERY_DELAY, _shared_delay(waiting, took)))


def _shared_delay(waiting: int, took: float) -> int:
    """Return the seconds that each of *waiting* objects has to leave to the others, and to those that do not fail."""
    return max(waiting // _REFUSALS_PER_SECOND, int(waiting * took / _WAITING_WORKERS - took))


def conflict_recheck(said: Iterable[Condition], now: int) -> int:
    """Return the seconds until a foreign Secret is read again, according to the age of the condition *said*."""
    synced = conditions.find(said, ConditionType.SECRET_SYNCED)
    age = now - synced.last_transition_time if synced is not None else 0
    return min(_LAST_CONFLICT_RECHECK, max(_FIRST_CONFLICT_RECHECK, age // _CONFLICT_SHARE))


def next_deadline(now: int, *moments: int | None) -> int | None:
    """Return the earliest of *moments* that is in the future."""
    return min((moment for moment in moments if moment is not None and moment > now), default=None)
