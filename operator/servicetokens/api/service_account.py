"""ServiceAccount (namespaced): a synthetic user, whose credentials are ServiceTokens."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from servicetokens.api.conditions import Conditions
from servicetokens.api.fields import (
    NOT_EMPTY,
    Count,
    DnsLabel,
    Lifetime,
    ListType,
    Text,
    TimeCeil,
    UnusedPeriod,
)
from servicetokens.api.meta import Model, ObjectMeta, RuledModel, StatusModel
from servicetokens.api.rules import Rule, cannot_be_removed


class TokenPolicy(RuledModel):
    """Limits for all tokens of one account."""

    max_lifetime: Lifetime | None = Field(
        default=None,
        description=(
            "Longest lifetime that a token of this account may request, as in 90d. A token that requests "
            "more, or `never`, is not minted, and its condition Ready says so. `never`, or no value, is no "
            "limit."
        ),
    )
    unused_for: UnusedPeriod | None = Field(
        default=None,
        description=(
            "Flags tokens that were not used for this long, as in 90d: their condition Unused becomes "
            "true. A use, or `inUseTime` on the token, removes the flag."
        ),
    )
    suspend_unused_after: UnusedPeriod | None = Field(
        default=None,
        description=(
            "Suspends tokens that stay unused for this long after they were flagged, as in 30d: they are "
            "rejected until `inUseTime` on the token says that it is needed. If omitted, tokens are only "
            "flagged."
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
            "needs `unusedFor` as well, which says when a token is flagged; the suspension counts from then",
            lambda policy: policy.suspend_unused_after is None or policy.unused_for is not None,
            path=".suspendUnusedAfter",
            reason="FieldValueForbidden",
        ),
        cannot_be_removed(
            "maxLifetime",
            "without it, tokens may request any lifetime; if you want that, write `maxLifetime: never`",
        ),
        cannot_be_removed(
            "unusedFor",
            "without it, tokens that are suspended as unused are accepted again; if you want that, write "
            "`unusedFor: 100y`",
        ),
        cannot_be_removed(
            "suspendUnusedAfter",
            "without it, tokens that are suspended as unused are accepted again; if you want that, write "
            "`suspendUnusedAfter: 100y`",
        ),
    )


class ServiceAccountSpec(RuledModel):
    """The desired state of a ServiceAccount."""

    display_name: Annotated[Text, Field(max_length=128), NOT_EMPTY] | None = Field(
        default=None,
        description="Display name for people, as in CI pipelines.",
    )
    description: Annotated[Text, Field(max_length=1024), NOT_EMPTY] | None = Field(
        default=None,
        description="Description for people: what uses this account, and who is responsible for it.",
    )
    state: Literal["Active", "Suspended"] | None = Field(
        default=None,
        description=(
            "Suspended rejects every token of this account immediately; Active, or no value, accepts them "
            "again. Expiration times do not change meanwhile."
        ),
    )
    roles: Annotated[tuple[DnsLabel, ...], Field(max_length=16), ListType("set")] = Field(
        default=(),
        description=(
            "Names of the ServiceRoles of this account, as in orders-writer. Each role must allow this "
            "namespace, and the person who adds it needs the RBAC verb `use` on it."
        ),
    )
    tokens_not_before_time: TimeCeil | None = Field(
        default=None,
        description=(
            "Cut-off: a moment in RFC 3339 with a time zone, as in 2026-11-01T00:00:00Z. From then on, "
            "every credential that was minted earlier, or in the same second, is rejected, and replaced "
            "immediately without overlap. A moment in the future schedules this. Can be changed, but not "
            "removed once it exists."
        ),
    )
    token_policy: TokenPolicy | None = Field(
        default=None,
        description=(
            "Limits for the tokens of this account. They can be changed, but not removed once they exist."
        ),
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        cannot_be_removed(
            "tokenPolicy",
            "without it, its limits end, and suspensions of unused tokens with them; if you want that, write "
            "`maxLifetime: never` and `unusedFor: 100y` for those that are set",
        ),
        cannot_be_removed(
            "tokensNotBeforeTime",
            "without it, tokens that it rejects could be accepted again; it does not affect tokens that are "
            "minted later",
        ),
    )


class ServiceAccountStatus(StatusModel):
    """The observed state of a ServiceAccount."""

    token_count: Count | None = Field(
        default=None, description="Number of ServiceTokens that refer to this account."
    )
    conditions: Conditions = Field(
        default=(),
        description="Ready, Active, RolesAccepted, Enforced; Reconciling and Stalled only while true.",
    )


class ServiceAccount(Model):
    """ServiceAccount (of servicetokens.dev) is a synthetic user, for a program: a name, and roles.

    Its credentials are ServiceTokens. It is not related to the core kind of the same name, and no pod runs as
    it.
    """

    metadata: ObjectMeta
    spec: ServiceAccountSpec = Field(description="Desired state. No defaults are ever written here.")
    status: ServiceAccountStatus = Field(
        default=ServiceAccountStatus(),
        description="Observed state, written by the operator only.",
    )
