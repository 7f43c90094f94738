"""Update conditions by the rules of the Kubernetes API conventions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from servicetokens.api.conditions import Condition, ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.tokens.lifetime import MAX_CLOCK_SKEW

_PASSING: Final = (
    ConditionType.RECONCILING,
    ConditionType.STALLED,
    ConditionType.UNUSED,
    ConditionType.IMPORT_ENDING_SOON,
)

Answer = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class ConditionUpdate:
    """What a condition should be; `merge` adds the times."""

    type: ConditionType
    status: Answer
    reason: Reason
    message: str


def merge(
    before: Iterable[Condition], updates: Iterable[ConditionUpdate], *, generation: int, now: int
) -> tuple[Condition, ...]:
    """Return the conditions after *updates*, sorted by type so that equal answers are equal statuses.

    - `lastTransitionTime` moves only when the status flips, or is in the future: then it was forged;
    - `observedGeneration` is always the present one, or `kubectl wait` hangs;
    - `Reconciling`, `Stalled` (kstatus), `Unused` and `ImportEndingSoon` are removed when no update names them: they
      exist only while true;
    - conditions of other writers stay as they are.
    """
    known = {condition.type: condition for condition in before}
    for passing in _PASSING:
        known.pop(passing, None)
    old = {condition.type: condition for condition in before}
    for update in updates:
        previous = old.get(update.type)
        flipped = previous is None or previous.status != update.status
        since = now if flipped or previous is None else previous.last_transition_time
        known[update.type] = Condition(
            type=update.type.value,
            status=update.status,
            observed_generation=generation,
            last_transition_time=since if since <= now + MAX_CLOCK_SKEW else now,
            reason=update.reason.value,
            message=update.message,
        )
    return tuple(known[name] for name in sorted(known))


def deleting(rejected: str, *types: ConditionType) -> list[ConditionUpdate]:
    """Return the *types* for an object that is being deleted, also behind a finalizer: *rejected* are rejected."""
    message = f"This object is being deleted, and validators reject {rejected}."
    return [ConditionUpdate(one, "False", Reason.DELETING, message) for one in types]


def find(conditions: Iterable[Condition], wanted: ConditionType) -> Condition | None:
    """Return the condition of type *wanted*, or None."""
    return next((condition for condition in conditions if condition.type == wanted.value), None)
