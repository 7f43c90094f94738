"""ServiceAccount (namespaced): a synthetic user, whose credentials are ServiceTokens."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from servicetokens.api.conditions import Conditions
from servicetokens.api.fields import (
    NOT_EMPTY,
    Count,
    DnsLabel,
    Duration,
    ListType,
    Text,
    TimeCeil,
    UnusedPeriod,
)
from servicetokens.api.meta import Model, ObjectMeta, RuledModel, StatusModel
from servicetokens.api.rules import Rule


class TokenPolicy(RuledModel):
    """Limits for all tokens of one account."""

    max_lifetime: Duration | None = Field(
        default=None,
        description=(
            "The longest life that a token of this account may ask for, as in 90d. A token that asks for "
            "more, or for `never`, is not minted, and says so in its condition Ready."
        ),
    )
    unused_for: UnusedPeriod | None = Field(
        default=None,
        description=(
            "A token that was not used for so long, as in 90d, is flagged: its condition Unused becomes true. "
            "A use, or `inUseTime` on the token, takes the flag away."
        ),
    )
    suspend_unused_after: UnusedPeriod | None = Field(
        default=None,
        description=(
            "A token that stays unused for so long after it was flagged, as in 30d, is refused until its "
            "`inUseTime` says that it is needed. Left out, tokens are flagged and nothing else."
        ),
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.maxLifetime) || has(self.unusedFor) || has(self.suspendUnusedAfter)",
            "must set `maxLifetime` or `unusedFor`; leave `tokenPolicy` out when there is no limit",
            lambda policy: (
                (policy.max_lifetime or policy.unused_for or policy.suspend_unused_after) is not None
            ),
        ),
        Rule(
            "!has(self.suspendUnusedAfter) || has(self.unusedFor)",
            "needs `unusedFor` beside it, which says when a token is flagged; suspension counts from then",
            lambda policy: policy.suspend_unused_after is None or policy.unused_for is not None,
            path=".suspendUnusedAfter",
            reason="FieldValueForbidden",
        ),
    )


class ServiceAccountSpec(Model):
    """What a person writes."""

    display_name: Annotated[Text, Field(max_length=128), NOT_EMPTY] | None = Field(
        default=None,
        description="What people call it, as in CI pipelines.",
    )
    description: Annotated[Text, Field(max_length=1024), NOT_EMPTY] | None = Field(
        default=None,
        description="For people: what uses this account, and whom to ask about it.",
    )
    state: Literal["Active", "Suspended"] | None = Field(
        default=None,
        description=(
            "Suspended refuses every token of this account at once; Active, or nothing, accepts them again. "
            "Their expiry does not wait meanwhile."
        ),
    )
    roles: Annotated[tuple[DnsLabel, ...], Field(max_length=16), ListType("set")] = Field(
        default=(),
        description=(
            "Names of ServiceRoles, as in orders-writer. A role has to list this namespace, and whoever "
            "adds it needs the RBAC verb `use` on it."
        ),
    )
    tokens_not_before_time: TimeCeil | None = Field(
        default=None,
        description=(
            "Kill switch: a moment in RFC 3339 with a time zone, as in 2026-11-01T00:00:00Z. From then on "
            "every credential minted earlier, or in the same second, is refused, and replaced at once "
            "without overlap. A moment still to come schedules that."
        ),
    )
    token_policy: TokenPolicy | None = Field(
        default=None, description="Limits for the tokens of this account."
    )


class ServiceAccountStatus(StatusModel):
    """What the operator answers."""

    token_count: Count | None = Field(
        default=None, description="The number of ServiceTokens that name this account."
    )
    conditions: Conditions = Field(
        default=(),
        description="Ready, Active, RolesAccepted, Enforced; Reconciling and Stalled only while true.",
    )


class ServiceAccount(Model):
    """ServiceAccount (of servicetokens.dev) is a user that is a program: a name, and roles.

    Its credentials are ServiceTokens. It has nothing to do with the core kind of the same name, and no pod
    runs as it.
    """

    metadata: ObjectMeta
    spec: ServiceAccountSpec = Field(description="What you want. Nothing is ever filled in here for you.")
    status: ServiceAccountStatus = Field(
        default=ServiceAccountStatus(),
        description="What the operator found. Only the operator writes it.",
    )
