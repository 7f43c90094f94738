"""ServiceToken (namespaced): one long-lived credential of an account, as requested and as reported.

This shape of a token is the model of everything that users may write, with its rules: the CRD is generated from it.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from servicetokens.api import texts, values
from servicetokens.api.fields import (
    NOT_EMPTY,
    DnsLabel,
    DnsSubdomain,
    Lifetime,
    ListType,
    Text,
    Time,
)
from servicetokens.api.importing import ONE_ACT, ImportSpec
from servicetokens.api.meta import Model, ObjectMeta, RuledModel
from servicetokens.api.rotation import Rotation
from servicetokens.api.rules import Rule, Shape, cannot_be_removed, cel_matches, cel_seconds
from servicetokens.api.secret_template import RESERVED_NAME_RULE, RESERVED_OWN_NAME_RULE, SecretTemplate
from servicetokens.api.token_status import Credential, ServiceTokenStatus, Verifier

# What callers need to build or read a ServiceToken, in one module.
__all__ = [
    "NEVER",
    "AccountRef",
    "Credential",
    "ImportSpec",
    "Rotation",
    "SecretSpec",
    "SecretTemplate",
    "ServiceToken",
    "ServiceTokenSpec",
    "ServiceTokenStatus",
    "Verifier",
]

NEVER: Final = values.NEVER

Audience = Annotated[
    Text,
    # Printable ASCII without space, quotation mark and backslash: it is a member of JSON lists and of
    # headers.
    Field(max_length=256),
    Shape(
        r"^[!#-\[\]-~]+$",
        "must consist of printable ASCII characters without spaces, quotation marks and backslashes, as in "
        "https://orders.example.com or orders",
    ),
    Rule(
        "!self.contains('://') || " + cel_matches("self", texts.URL),
        "must be one plain word, or a URL in full as in https://orders.example.com",
        texts.is_audience,
    ),
]
Network = Annotated[
    Text,
    # "::/0", and a whole IPv6 address with its mask.
    Field(min_length=4, max_length=43),
    Rule(
        "isCIDR(self) && cidr(self) == cidr(self).masked()",
        "must be a network with its mask and no bits beyond it, as in 10.0.0.0/8, 192.0.2.7/32 or "
        "2001:db8::/32",
        texts.is_network,
    ),
]


class AccountRef(Model):
    """The account that the token authenticates as."""

    name: Annotated[
        DnsLabel,
        Rule(
            "self == oldSelf",
            "cannot be changed, a token stays with its account; create another ServiceToken for the other "
            "account",
            reason="FieldValueForbidden",
        ),
    ] = Field(description="Name of the account.")


class SecretSpec(Model):
    """Where the token is delivered."""

    name: Annotated[DnsSubdomain, RESERVED_NAME_RULE] | None = Field(
        default=None,
        description=(
            "Name of the Secret; defaults to the name of this object. Cannot be changed, added or removed "
            "later. A Secret of that name that belongs to something else is not touched."
        ),
    )
    template: SecretTemplate | None = Field(default=None, description="Additional content of the Secret.")


def _has_one_end_or_more(spec: "ServiceTokenSpec") -> bool:
    return spec.expires_after is not None or spec.expiration_time is not None


def _has_one_end_or_less(spec: "ServiceTokenSpec") -> bool:
    return spec.expires_after is None or spec.expiration_time is None


def _explains_only_a_revocation(spec: "ServiceTokenSpec") -> bool:
    return spec.revocation_reason is None or spec.state == "Revoked"


def _rotates_before_it_expires(spec: "ServiceTokenSpec") -> bool:
    if not isinstance(spec.expires_after, int) or spec.rotation is None or spec.rotation.every is None:
        return True
    return spec.rotation.every < spec.expires_after


def _outlives_its_overlap(spec: "ServiceTokenSpec") -> bool:
    if not isinstance(spec.expires_after, int) or spec.rotation is None:
        return True
    every, overlap = spec.rotation.every, spec.rotation.overlap
    if every is None or overlap is None or every >= spec.expires_after:  # the last is the rule before
        return True
    return every + overlap <= spec.expires_after


_NO_CLOCK: Final = (
    "!has(self.expiresAfter) || !has(self.rotation) || !has(self.rotation.every) || "
    f"![self.expiresAfter, self.rotation.every].all(e, {cel_matches('e', values.DURATION_PATTERN)}) || "
)


class ServiceTokenSpec(RuledModel):
    """The desired state of a ServiceToken. The expiration is required, `never` included, so no typo omits it."""

    account_ref: AccountRef = Field(
        description=(
            "ServiceAccount (of servicetokens.dev, not the core kind) in this namespace that the token "
            "authenticates as. It may be created later. Cannot be changed."
        ),
    )
    description: Annotated[Text, Field(max_length=1024), NOT_EMPTY] | None = Field(
        default=None,
        description="Description for people: what uses this token, and who to ask before revoking it.",
    )
    state: Literal["Active", "Revoked"] | None = Field(
        default=None,
        description=(
            "Revoked makes every validator reject the token within moments; Active, or no value, makes "
            "the same token valid again, unless it has expired meanwhile."
        ),
    )
    revocation_reason: values.RevocationReason | None = Field(
        default=None,
        description=(
            "Reason of the revocation, for audits. Only together with `state: Revoked`. With "
            "`KeyCompromise` rotations have no overlap, and an overlap that is running ends: when the token "
            "is restored, only its newest credential is accepted."
        ),
    )
    in_use_time: Time | None = Field(
        default=None,
        description=(
            "Declares that the token was needed at this moment, in RFC 3339 with a time zone, as in "
            "2026-11-28T09:00:00Z. Counts as a use for the account's `unusedFor`, and lifts an earlier "
            "suspension. A moment in the future exempts the token until then."
        ),
    )
    expires_after: Lifetime | None = Field(
        default=None,
        description=(
            "Lifetime of a credential, counted from its mint, as in 30d (units s, m = minutes, h, d, w, y "
            "= 365d); or never. Either this or `expirationTime` is required. A change moves the "
            "expiration of the current credential."
        ),
    )
    expiration_time: Time | None = Field(
        default=None,
        description=(
            "Expiration time, in RFC 3339 with a time zone, as in 2027-01-31T00:00:00Z; rotations do not "
            "move it. Either this or `expiresAfter` is required."
        ),
    )
    roles: Annotated[tuple[DnsLabel, ...], Field(min_length=1, max_length=16), ListType("set")] | None = (
        Field(
            default=None,
            description=(
                "Names of ServiceRoles, as in orders-reader, to have fewer than the account. Nothing is "
                "minted until the account has all of them. If omitted, all roles of the account. The list can "
                "be changed, but not removed once it exists."
            ),
        )
    )
    audiences: Annotated[tuple[Audience, ...], Field(min_length=1, max_length=16), ListType("set")] | None = (
        Field(
            default=None,
            description=(
                "Services that may accept the token, as in https://orders.example.com or orders; compared "
                "exactly. If omitted, every service."
            ),
        )
    )
    allowed_cidrs: (
        Annotated[tuple[Network, ...], Field(min_length=1, max_length=64), ListType("set")] | None
    ) = Field(
        default=None,
        description=(
            "Networks that the token may be used from, as in 10.0.0.0/8 or 2001:db8::/32. If omitted, "
            "every network."
        ),
    )
    rotation: Rotation | None = Field(
        default=None,
        description=(
            "Rotation: automatically at an interval (`every`), when `id` changes, or both. If omitted, "
            "the token expires and is not replaced."
        ),
    )
    secret: SecretSpec | None = Field(
        default=None,
        description=(
            "Secret that the operator writes the token to. If omitted, it has the name of this object and "
            "the one key `token`."
        ),
    )
    import_: ImportSpec | None = Field(
        default=None,
        alias="import",
        description=(
            "Existing credential that is accepted alongside the token until a cut-over date. Can only be "
            "set when this object is created; removing it makes that value invalid."
        ),
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        cannot_be_removed(
            "roles",
            "without it, the token has all roles of the account; list the roles that the token must have",
        ),
        Rule(
            "has(self.expiresAfter) || has(self.expirationTime)",
            "must say when the token expires, as in '90d', or 'never' (or set `expirationTime`)",
            _has_one_end_or_more,
            path=".expiresAfter",
            reason="FieldValueRequired",
        ),
        Rule(
            "!(has(self.expiresAfter) && has(self.expirationTime))",
            "cannot be combined with `expiresAfter`; remove one of them",
            _has_one_end_or_less,
            path=".expirationTime",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.revocationReason) || (has(self.state) && self.state == 'Revoked')",
            "needs `state: Revoked` as well (a reason alone revokes nothing); set that, or remove the reason",
            _explains_only_a_revocation,
            path=".revocationReason",
            reason="FieldValueForbidden",
        ),
        Rule(
            _NO_CLOCK + cel_seconds(["self.rotation.every", "self.expiresAfter"], "v[0] < v[1]"),
            "must be shorter than `expiresAfter`, or the token expires before its rotation is due",
            _rotates_before_it_expires,
            path=".rotation.every",
        ),
        Rule(
            _NO_CLOCK
            + "!has(self.rotation.overlap) || "
            + f"!{cel_matches('self.rotation.overlap', values.OVERLAP_PATTERN)} || "
            + cel_seconds(
                ["self.rotation.every", "self.rotation.overlap", "self.expiresAfter"],
                "v[0] >= v[2] || v[0] + v[1] <= v[2]",
            ),
            "must fit into `expiresAfter` together with `every`, or the old credential expires in "
            "the middle of its overlap",
            _outlives_its_overlap,
            path=".rotation.overlap",
        ),
    )


class ServiceToken(RuledModel):
    """ServiceToken requests one long-lived credential of a ServiceAccount (of servicetokens.dev).

    The operator mints the token and writes it to a Secret in the same namespace. The spec declares its
    lifetime, rotation and restrictions, and revokes and restores it.
    """

    metadata: ObjectMeta
    spec: ServiceTokenSpec = Field(description="Desired state. No defaults are ever written here.")
    status: ServiceTokenStatus = Field(
        default=ServiceTokenStatus(),
        description="Observed state, written by the operator; `lastUsedTime` by the validator.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        # At the root, where `metadata.name` is available: a rule on the field itself would be skipped when it
        # appears or is removed. Not `.?` and orValue(): an optional has no size bound, and the cost estimate
        # rejects it.
        Rule(
            "(has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : "
            "self.metadata.name) == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) ? "
            "oldSelf.spec.secret.name : oldSelf.metadata.name)",
            "cannot be changed, added or removed; create another ServiceToken, move the workload, then "
            "delete this one",
            path=".spec.secret.name",
            reason="FieldValueForbidden",
        ),
        RESERVED_OWN_NAME_RULE,
        ONE_ACT,
    )
