"""The condition `Enforced`: no validator accepts revoked tokens any more, and all accept restored ones."""

from collections.abc import Iterable
from typing import Final

from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.conditions import ConditionUpdate
from servicetokens.lifecycle.snapshot import AccountFacts, Enforcement, TokenFacts

# A longer list of names would not be read.
_MOST_NAMED: Final = 3
_REASONS: Final = frozenset({Reason.ALL_VALIDATORS, Reason.WAITING, Reason.NO_VALIDATORS})


def shows_enforcement(of: TokenFacts | AccountFacts) -> bool:
    """Return whether the object has the condition: from its first revocation or suspension on."""
    taken_back = of.spec is not None and of.spec.state in {"Revoked", "Suspended"}
    return taken_back or conditions.find(of.status.conditions, ConditionType.ENFORCED) is not None


def enforced(of: TokenFacts | AccountFacts, enforcement: Enforcement) -> Iterable[ConditionUpdate]:
    """Yield the condition, for an object that has it.

    Until the result is known it keeps the result for this generation: what was true of a generation before a restart is
    true after it, until found otherwise.
    """
    if not shows_enforcement(of):
        return
    undecided = not enforcement.passed and not enforcement.awaited and enforcement.validators != 0
    said = conditions.find(of.status.conditions, ConditionType.ENFORCED)
    if (
        undecided
        and said is not None
        and said.observed_generation == of.generation
        and said.reason in _REASONS
    ):
        yield ConditionUpdate(ConditionType.ENFORCED, said.status, Reason(said.reason), said.message)
    else:
        yield _update(enforcement)


def _update(enforcement: Enforcement) -> ConditionUpdate:
    kind = ConditionType.ENFORCED
    if enforcement.passed:
        return ConditionUpdate(
            kind, "True", Reason.ALL_VALIDATORS, "Every validator has applied this generation of the spec."
        )
    if enforcement.validators == 0:
        message = (
            "No validator is running, so no token is accepted anywhere; this becomes true when one has started. "
            "If one should be running, check that it has the same --namespace as the operator."
        )
        return ConditionUpdate(kind, "False", Reason.NO_VALIDATORS, message)
    if not enforcement.awaited:
        return ConditionUpdate(
            kind, "False", Reason.WAITING, "Waiting for all validators to apply this generation."
        )
    named = ", ".join(f"'{name}'" for name in enforcement.awaited[:_MOST_NAMED])
    others = len(enforcement.awaited) - _MOST_NAMED
    also = f" and {others} others" if others > 0 else ""
    message = (
        f"Waiting for {named}{also}, of {enforcement.validators} validators, to apply this generation. "
        "One that is disconnected or hangs rejects every token when its Lease expires, and is no longer waited for."
    )
    return ConditionUpdate(kind, "False", Reason.WAITING, message)
