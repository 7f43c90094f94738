"""ServiceToken (namespaced): one long-lived credential of an account, as asked for and as answered."""

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
from servicetokens.api.rules import Rule, Shape, cel_matches, cel_seconds
from servicetokens.api.secret_template import RESERVED_NAME_RULE, SecretTemplate
from servicetokens.api.token_status import Credential, ServiceTokenStatus, Verifier

# What callers need to build or read a ServiceToken, under one name.
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
    """Which account the credential is of."""

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
            "Name of the Secret; the name of this object when left out. It can never be changed, nor added "
            "or taken away later. A Secret of that name that is somebody else's is left alone."
        ),
    )
    template: SecretTemplate | None = Field(
        default=None, description="What the Secret has besides the token."
    )


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
    """What a person writes. A token says when it ends, or `never` in words: no typo makes one eternal."""

    account_ref: AccountRef = Field(
        description=(
            "The ServiceAccount (of servicetokens.dev, not the core kind) in this namespace that the token "
            "speaks for. It may be created later. Cannot be changed."
        ),
    )
    description: Annotated[Text, Field(max_length=1024), NOT_EMPTY] | None = Field(
        default=None,
        description="For people: what holds this token, and whom to ask before it is revoked.",
    )
    state: Literal["Active", "Revoked"] | None = Field(
        default=None,
        description=(
            "Revoked refuses the token within moments; Active, or nothing, makes the very same token work "
            "again, unless it has expired meanwhile."
        ),
    )
    revocation_reason: values.RevocationReason | None = Field(
        default=None,
        description="Why it was revoked, for the audit. Only together with `state: Revoked`.",
    )
    in_use_time: Time | None = Field(
        default=None,
        description=(
            "Says that the token was needed at this moment, in RFC 3339 with a time zone, as in "
            "2026-11-28T09:00:00Z; counts as a use for the account's `unusedFor`, and brings back what was "
            "suspended before. A moment still to come exempts it until then."
        ),
    )
    expires_after: Lifetime | None = Field(
        default=None,
        description=(
            "How long a credential lives, counted from its mint, as in 30d (units s, m = minutes, h, d, w, "
            "y = 365d); or never. Either this or `expirationTime` has to be there. A change moves the end "
            "of the live credential."
        ),
    )
    expiration_time: Time | None = Field(
        default=None,
        description=(
            "The moment when it ends, in RFC 3339 with a time zone, as in 2027-01-31T00:00:00Z; a rotation "
            "does not move it. Either this or `expiresAfter` has to be there."
        ),
    )
    roles: Annotated[tuple[DnsLabel, ...], Field(min_length=1, max_length=16), ListType("set")] | None = (
        Field(
            default=None,
            description=(
                "Names of ServiceRoles, as in orders-reader, to have fewer than the account. Nothing is minted until "
                "the account has all of them. All of the account's roles when left out; once listed, the list can "
                "be changed, and not be taken away."
            ),
        )
    )
    audiences: Annotated[tuple[Audience, ...], Field(min_length=1, max_length=16), ListType("set")] | None = (
        Field(
            default=None,
            description=(
                "Which services may accept it, as in https://orders.example.com or orders; compared letter "
                "by letter. Any service when left out."
            ),
        )
    )
    allowed_cidrs: (
        Annotated[tuple[Network, ...], Field(min_length=1, max_length=64), ListType("set")] | None
    ) = Field(
        default=None,
        description=(
            "Networks from which it may be presented, as in 10.0.0.0/8 or 2001:db8::/32. Any network when "
            "left out."
        ),
    )
    rotation: Rotation | None = Field(
        default=None,
        description=(
            "When a new credential takes over: by the clock (`every`), when `id` changes, or both. Left "
            "out, the token expires and that is all."
        ),
    )
    secret: SecretSpec | None = Field(
        default=None,
        description=(
            "The Secret that the token is delivered in. Left out, it has the name of this object and the "
            "one key `token`."
        ),
    )
    import_: ImportSpec | None = Field(
        default=None,
        alias="import",
        description=(
            "A value that is in use already, to be accepted beside the token until a cut-over. It can only be "
            "asked for when this object is created; taking it away ends that value."
        ),
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.roles) || has(self.roles)",
            "cannot be taken away: left out, it means all of the account's roles; list the roles that the "
            "token is to have",
            path=".roles",
            reason="FieldValueForbidden",
        ),
        Rule(
            "has(self.expiresAfter) || has(self.expirationTime)",
            "has to say when the token ends, as in '90d', or 'never' (or set `expirationTime`)",
            _has_one_end_or_more,
            path=".expiresAfter",
            reason="FieldValueRequired",
        ),
        Rule(
            "!(has(self.expiresAfter) && has(self.expirationTime))",
            "cannot stand beside `expiresAfter`; remove one of them",
            _has_one_end_or_less,
            path=".expirationTime",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.revocationReason) || (has(self.state) && self.state == 'Revoked')",
            "needs `state: Revoked` beside it (a reason alone revokes nothing); set that, or remove the "
            "reason",
            _explains_only_a_revocation,
            path=".revocationReason",
            reason="FieldValueForbidden",
        ),
        Rule(
            _NO_CLOCK + cel_seconds(["self.rotation.every", "self.expiresAfter"], "v[0] < v[1]"),
            "must be shorter than `expiresAfter`, or the token is dead before its rotation is due",
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
    """ServiceToken asks for one long-lived credential of a ServiceAccount (of servicetokens.dev).

    The operator mints the token and delivers it in a Secret beside this object. Here you say how long it
    lives, how it rotates and what it is good for, and here you revoke and restore it.
    """

    metadata: ObjectMeta
    spec: ServiceTokenSpec = Field(description="What you want. Nothing is ever filled in here for you.")
    status: ServiceTokenStatus = Field(
        default=ServiceTokenStatus(),
        description="What the operator found and did; `lastUsedTime` comes from the validator.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        # At the root, where metadata.name is to be seen: a rule on the field itself would be skipped when it
        # appears or goes away. Not `.?` and orValue(): an optional has no size bound, and the cost estimate
        # refuses it.
        Rule(
            "(has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : "
            "self.metadata.name) == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) ? "
            "oldSelf.spec.secret.name : oldSelf.metadata.name)",
            "cannot be changed, added or taken away; create another ServiceToken, move the workload, then "
            "delete this one",
            path=".spec.secret.name",
            reason="FieldValueForbidden",
        ),
        ONE_ACT,
    )
