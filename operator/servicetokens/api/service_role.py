"""ServiceRole (cluster-scoped): what a role means, and which namespaces may use it."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from servicetokens.api import texts
from servicetokens.api.conditions import Conditions
from servicetokens.api.fields import NOT_EMPTY, Lifetime, ListType, Text
from servicetokens.api.meta import Model, ObjectMeta, RuledModel, StatusModel
from servicetokens.api.rules import Rule, Shape, cannot_be_removed

EVERY_NAMESPACE = "*"

Permission = Annotated[
    Text,
    Field(max_length=128),
    Shape(
        "^[A-Za-z0-9][A-Za-z0-9:._/*+@-]*$",
        "must start with a letter or a digit and consist of letters, digits and : . _ / * + @ -, as in 'orders:read'; "
        "write each permission as an entry of its own",
    ),
]
NamespaceName = Annotated[
    Text,
    Field(max_length=63),
    Shape(
        "^([a-z0-9]([-a-z0-9]*[a-z0-9])?|[*])$",
        "must be the name of a namespace (lowercase letters, digits and '-'), or '*' alone for all of them; patterns "
        "such as 'team-*' are not supported",
    ),
]
HostName = Annotated[
    Text,
    Field(max_length=253),
    Shape(
        texts.DNS_SUBDOMAIN,
        "must be a host name in lowercase letters, digits, '-' and '.', as in orders.example.com",
        mistakes=(
            ("://", "must be a host name alone, without a scheme, as in orders.example.com"),
            ("[*]", "must be a host name in full: wildcards are not supported; list each host"),
            ("/", "must be a host name alone, without a path, as in orders.example.com; `paths` is for that"),
            (":[0-9]*$", "must be a host name alone, without a port, as in orders.example.com"),
            ("[A-Z]", "must be in lowercase, as in orders.example.com"),
            ("[.]$", "must have no dot at its end, as in orders.example.com"),
        ),
    ),
]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# White space is spelled out: `\s` is ASCII for the API server and Unicode for pydantic.
PathPattern = Annotated[
    Text,
    Field(max_length=256),
    Shape(
        r"^/$|^(/(\*|[^/*?#\t\n\f\r ]+))+(/\*\*|/)?$|^/\*\*$",
        "must be a path, as in /orders/*: it starts with a slash, one * stands for one segment, and ** at the end for "
        "everything below; it has no white space, '?' and '#'",
        mistakes=(
            ("^[^/]", "must start with a slash, as in /orders/*; no regular expression, scheme or host"),
            ("[?#]", "must be a path alone, without '?' and '#': queries are not compared"),
            (
                r"[\t\n\f\r ]",
                "must have no white space: the path is compared as the client sends it, as in /my%20orders",
            ),
            ("//", "must have no empty segment, which is '//'"),
            (
                r"[*]{2}.",
                "may have ** only at the end, for everything below, as in /orders/**; use * for one segment",
            ),
            (r"[*]", "must have * as a whole segment, as in /orders/*/items, or ** at the end"),
        ),
    ),
    Rule(
        "!self.split('/').exists(s, s == '.' || s == '..')",
        "must have no '.' or '..' segment; such a path never matches",
        texts.has_no_dot_segments,
    ),
]


# The lists of an entry of `http` that allow everything if omitted.
_RESTRICTIONS: Final = ("hosts", "methods", "paths")


def _any_of(condition: str) -> str:
    return " || ".join(f"({condition.format(name)})" for name in _RESTRICTIONS)


def _all_of(condition: str) -> str:
    return " && ".join(condition.format(name) for name in _RESTRICTIONS)


class HttpRule(RuledModel):
    """One kind of request that the role lets pass."""

    hosts: (
        Annotated[
            tuple[HostName, ...],
            Field(min_length=1, max_length=16),
            ListType("set"),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Full host names, as in orders.example.com; no scheme, port or wildcard. If omitted, every host."
        ),
    )
    methods: Annotated[tuple[Method, ...], Field(min_length=1, max_length=7), ListType("set")] | None = Field(
        default=None,
        description="HTTP methods in upper case, as in GET. If omitted, every method.",
    )
    paths: Annotated[tuple[PathPattern, ...], Field(min_length=1, max_length=32), ListType("set")] | None = (
        Field(
            default=None,
            description=(
                "Paths that start with a slash, as in /orders/*. A * matches exactly one segment, a ** at the "
                "end matches everything below. Compared with the path as the client sent it, not decoded. If "
                "omitted, every path."
            ),
        )
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.hosts) || has(self.methods) || has(self.paths)",
            "must restrict `hosts`, `methods` or `paths`: an empty entry would let every request pass",
            lambda rule: not (rule.hosts is None and rule.methods is None and rule.paths is None),
        ),
    )


class ServiceRoleSpec(RuledModel):
    """The desired state of a ServiceRole."""

    description: Annotated[Text, Field(max_length=256), NOT_EMPTY] | None = Field(
        default=None,
        description="Description for people: what this role permits.",
    )
    permissions: Annotated[tuple[Permission, ...], Field(max_length=64), ListType("set")] = Field(
        default=(),
        description=(
            "Permissions that services see, as in orders:read: the OAuth scope and the permissions "
            "header. No spaces or commas."
        ),
    )
    allowed_namespaces: Annotated[
        tuple[NamespaceName, ...],
        Field(min_length=1, max_length=1024),
        ListType("set"),
        Rule(
            "!('*' in self) || size(self) == 1",
            "'*' stands for all namespaces, so it must be the only entry",
            lambda names: EVERY_NAMESPACE not in names or len(names) == 1,
        ),
    ] = Field(
        description=(
            "Names of the namespaces whose accounts may have this role, as in team-a; or '*' alone for "
            "all. Labels are not used, because anyone who can label a namespace could grant the role to "
            "it."
        ),
    )
    max_lifetime: Lifetime | None = Field(
        default=None,
        description=(
            "Longest lifetime of a token with this role, as in 90d. A token that lives longer, or never "
            "expires, does not get the role; `never`, or no value, is no limit. The shortest of several "
            "limits applies. Can be changed, but not removed once it exists."
        ),
    )
    http: (
        Annotated[
            tuple[HttpRule, ...],
            Field(min_length=1, max_length=32),
            ListType("atomic"),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "HTTP requests that proxies may pass for this role; a request must match one entry. If "
            "omitted, every request. Entries can be changed, but once there are some, not all can be "
            "removed."
        ),
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.http) || has(self.http)",
            "cannot be removed: without it, every request passes; if you want that, write "
            "`http: [{paths: ['/**']}]`",
            path=".http",
            reason="FieldValueForbidden",
        ),
        cannot_be_removed(
            "maxLifetime",
            "without it, tokens of any lifetime get the role; if you want that, write `maxLifetime: never`",
        ),
        Rule(
            # A new entry `n` is an old entry `o` from which a whole list is missing and to which nothing was
            # added. `o` may stay while the list grows: `n` was added then, and removing `o` afterwards
            # removes no restriction. Whether the first of a list is in the other is asked first, which keeps
            # large roles within the cost limit.
            "!has(oldSelf.http) || !has(self.http) || self.http.all(n, n in oldSelf.http || !oldSelf.http.exists(o, "
            f"({_any_of('has(o.{0}) && !has(n.{0})')}) && "
            f"{_all_of('(!has(n.{0}) || (has(o.{0}) && n.{0}[0] in o.{0}))')} && "
            f"{_all_of('(!has(n.{0}) || sets.contains(o.{0}, n.{0}))')} && "
            "(!(o in self.http) || size(self.http) <= size(oldSelf.http))))",
            "cannot be widened by removing `hosts`, `methods` or `paths` from an entry, which then allows any; list "
            "what is allowed, or add the wider entry in one update and remove the old entry in the next",
            path=".http",
            reason="FieldValueForbidden",
        ),
    )


class ServiceRoleStatus(StatusModel):
    """The observed state of a ServiceRole."""

    conditions: Conditions = Field(default=(), description="Ready; Reconciling and Stalled only while true.")


class ServiceRole(Model):
    """ServiceRole defines a role for the whole cluster: what it permits, and which namespaces may use it.

    A role without a ServiceRole has no effect.
    """

    metadata: ObjectMeta
    spec: ServiceRoleSpec = Field(description="Desired state. No defaults are ever written here.")
    status: ServiceRoleStatus = Field(
        default=ServiceRoleStatus(),
        description="Observed state, written by the operator only.",
    )
