"""The condition `Enforced`: no validator accepts any more what was taken back, and all accept what was given back."""

from collections.abc import Iterable
from typing import Final

from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.conditions import Verdict
from servicetokens.lifecycle.snapshot import AccountFacts, Enforcement, TokenFacts

# A message that names them all would be read by nobody.
_MOST_NAMED: Final = 3
_REASONS: Final = frozenset({Reason.ALL_VALIDATORS, Reason.WAITING, Reason.NO_VALIDATORS})


def shows_enforcement(of: TokenFacts | AccountFacts) -> bool:
    """Say whether the object has the condition: once it was revoked or suspended, and from then on."""
    taken_back = of.spec is not None and of.spec.state in {"Revoked", "Suspended"}
    return taken_back or conditions.find(of.status.conditions, ConditionType.ENFORCED) is not None


def enforced(of: TokenFacts | AccountFacts, enforcement: Enforcement) -> Iterable[Verdict]:
    """Give what the condition says, for an object that has it.

    As long as nothing is decided it says what it said of this generation: after a restart, what was true of a
    generation is true of it, until it is found otherwise.
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
        yield Verdict(ConditionType.ENFORCED, said.status, Reason(said.reason), said.message)
    else:
        yield _verdict(enforcement)


def _verdict(enforcement: Enforcement) -> Verdict:
    kind = ConditionType.ENFORCED
    if enforcement.passed:
        return Verdict(
            kind, "True", Reason.ALL_VALIDATORS, "Every validator has applied this generation of the spec."
        )
    if enforcement.validators == 0:
        message = (
            "No validator is running, so no token is accepted anywhere; this becomes true when one has started. "
            "If one should be running, check that it has the same --namespace as the operator."
        )
        return Verdict(kind, "False", Reason.NO_VALIDATORS, message)
    if not enforcement.awaited:
        return Verdict(kind, "False", Reason.WAITING, "Waiting for all validators to apply this generation.")
    named = ", ".join(f"'{name}'" for name in enforcement.awaited[:_MOST_NAMED])
    others = len(enforcement.awaited) - _MOST_NAMED
    also = f" and {others} others" if others > 0 else ""
    message = (
        f"Waiting for {named}{also}, of {enforcement.validators} validators, to apply this generation. "
        "One that is disconnected or hangs rejects every token when its Lease expires, and is no longer waited for."
    )
    return Verdict(kind, "False", Reason.WAITING, message)
