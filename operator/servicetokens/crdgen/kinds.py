"""The parts of a CRD other than its schema: names, scope, printer columns, selectable fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from servicetokens.api import names
from servicetokens.api.meta import Model
from servicetokens.api.service_account import ServiceAccount
from servicetokens.api.service_role import ServiceRole
from servicetokens.api.service_token import ServiceToken


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; `wide` ones only with `-o wide`.

    A `date` is printed as an age, and as `<invalid>` while it is in the future, so the times of expiry and rotation are
    strings.
    """

    name: str
    path: str
    description: str
    type: Literal["string", "date"] = "string"
    wide: bool = False

    def to_wire(self) -> dict[str, str | int]:
        """Return the entry for `additionalPrinterColumns`."""
        column: dict[str, str | int] = {"name": self.name, "type": self.type}
        if self.wide:
            column["priority"] = 1
        return {**column, "jsonPath": self.path, "description": self.description}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of our kinds, as declared to the API server."""

    model: type[Model]
    kind: str
    plural: str
    short_name: str
    scope: Literal["Namespaced", "Cluster"]
    columns: tuple[Column, ...]
    selectable_fields: tuple[str, ...] = ()

    @property
    def crd_name(self) -> str:
        """The name of the CRD, which the API server prescribes."""
        return f"{self.plural}.{names.GROUP}"

    def names(self) -> Mapping[str, str | list[str]]:
        """Return the names under which kubectl finds the kind."""
        return {
            "kind": self.kind,
            "listKind": f"{self.kind}List",
            "plural": self.plural,
            "singular": self.kind.lower(),
            "shortNames": [self.short_name],
            "categories": [names.CATEGORY],
        }


def _condition(condition_type: str, field: Literal["status", "reason", "message"]) -> str:
    return f'.status.conditions[?(@.type=="{condition_type}")].{field}'


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "Time since its creation.", type="date")
_READY: Final = "Whether everything that the spec requests is in place."
_MESSAGE: Final = Column(
    "Message",
    _condition("Ready", "message"),
    "Message of the condition Ready.",
    wide=True,
)

SERVICE_ACCOUNT: Final = Kind(
    model=ServiceAccount,
    kind=names.KIND_ACCOUNT,
    plural=names.PLURAL_ACCOUNTS,
    short_name="svcacct",
    scope="Namespaced",
    columns=(
        Column("Display Name", ".spec.displayName", "Display name of the account."),
        Column(
            "Active", _condition("Active", "status"), "Whether the tokens of the account are accepted now."
        ),
        Column("Reason", _condition("Active", "reason"), "Reason of the condition Active."),
        Column("Roles", ".spec.roles", "ServiceRoles that the account requests."),
        _AGE,
        Column(
            "Not Before",
            ".spec.tokensNotBeforeTime",
            "Cut-off: credentials minted earlier are rejected from then on.",
            wide=True,
        ),
        Column(
            "Max Lifetime",
            ".spec.tokenPolicy.maxLifetime",
            "Longest lifetime of its tokens.",
            wide=True,
        ),
        _MESSAGE,
    ),
)

SERVICE_ROLE: Final = Kind(
    model=ServiceRole,
    kind=names.KIND_ROLE,
    plural=names.PLURAL_ROLES,
    short_name="svcrole",
    scope="Cluster",
    columns=(
        Column("Description", ".spec.description", "What the role permits."),
        Column("Namespaces", ".spec.allowedNamespaces", "Namespaces whose accounts may have the role."),
        Column("Max Lifetime", ".spec.maxLifetime", "Longest lifetime of a token with the role."),
        Column("Ready", _condition("Ready", "status"), _READY),
        _AGE,
        Column("Permissions", ".spec.permissions", "Permissions that services see.", wide=True),
    ),
)

SERVICE_TOKEN: Final = Kind(
    model=ServiceToken,
    kind=names.KIND_TOKEN,
    plural=names.PLURAL_TOKENS,
    short_name="svctok",
    scope="Namespaced",
    columns=(
        Column("Account", ".spec.accountRef.name", "Account that the token authenticates as."),
        Column("Active", _condition("Active", "status"), "Whether the token would be accepted now."),
        Column("Reason", _condition("Active", "reason"), "Reason of the condition Active."),
        Column(
            "Expires", ".status.expirationTime", "When the current credential ends; empty when it never does."
        ),
        Column("Rotates", ".status.nextRotationTime", "Time of the next automatic rotation."),
        Column(
            "Last Used",
            ".status.lastUsedTime",
            "How long ago it was last accepted, to the hour.",
            type="date",
        ),
        _AGE,
        Column("Token ID", ".status.tokenID", "Public id in logs, Events and audit.", wide=True),
        Column("Secret", ".status.secretName", "Secret that holds the token.", wide=True),
        Column("Ready", _condition("Ready", "status"), _READY, wide=True),
        _MESSAGE,
    ),
    # For `kubectl get svctok --field-selector`; since Kubernetes 1.31, and ignored by an older API server.
    selectable_fields=(".spec.accountRef.name", ".spec.state"),
)

KINDS: Final = (SERVICE_ACCOUNT, SERVICE_ROLE, SERVICE_TOKEN)
