"""The status of a ServiceRole: whether its definition can be read. Its effect is decided at validation."""

from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.service_role import ServiceRoleStatus
from servicetokens.lifecycle import conditions
from servicetokens.lifecycle.conditions import ConditionUpdate
from servicetokens.lifecycle.snapshot import RoleFacts


def role_status(role: RoleFacts, now: int) -> ServiceRoleStatus | None:
    """Return the status to write for *role*, or None when it is current."""
    if role.deleting:
        message = "This object is being deleted, and the role grants nothing any longer."
        found = [ConditionUpdate(ConditionType.READY, "False", Reason.DELETING, message)]
    elif role.spec is not None:
        found = [ConditionUpdate(ConditionType.READY, "True", Reason.ACCEPTED, "The role can be used.")]
    else:
        message = f"The spec breaks the rules of this version: {role.spec_error}. Until then the role grants nothing."
        found = [
            ConditionUpdate(ConditionType.READY, "False", Reason.INVALID_SPEC, message),
            ConditionUpdate(ConditionType.STALLED, "True", Reason.INVALID_SPEC, message),
        ]
    status = role.status.model_copy(
        update={
            "observed_generation": role.generation,
            "conditions": conditions.merge(
                role.status.conditions, found, generation=role.generation, now=now
            ),
        }
    )
    return None if status == role.status else status
