"""The facts that a decision is made from. `None` means "does not exist", never "could not be read".

The operator's shape of a token is its model with what the model lacks: metadata, and the error if the spec cannot be
read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from servicetokens.api import names
from servicetokens.api.service_account import ServiceAccountSpec, ServiceAccountStatus
from servicetokens.api.service_role import EVERY_NAMESPACE, ServiceRoleSpec, ServiceRoleStatus
from servicetokens.api.service_token import Credential, ServiceTokenSpec, ServiceTokenStatus, Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    """What the three kinds share. A spec that violates today's rules is None, and `spec_error` has the reason."""

    name: str
    namespace: str = ""
    uid: str
    generation: int
    resource_version: str
    deleting: bool = False
    spec_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts(ObjectFacts):
    """One ServiceToken. `created_at` is when the object was created, in Unix seconds, as far as that is known."""

    spec: ServiceTokenSpec | None
    status: ServiceTokenStatus
    created_at: int | None = None

    @property
    def account_name(self) -> str:
        """The account it names; empty when its spec cannot be read."""
        return self.spec.account_ref.name if self.spec else ""

    @property
    def secret_name(self) -> str:
        """The Secret that it is delivered in; the name can never change (the CRD enforces it)."""
        if self.spec and self.spec.secret and self.spec.secret.name:
            return self.spec.secret.name
        return self.name

    @property
    def current(self) -> Credential | None:
        """The credential delivered last, if it is still known."""
        delivered = (one for one in self.status.credentials if not self.status.is_undelivered(one))
        return max(delivered, key=lambda credential: credential.serial, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts(ObjectFacts):
    """One ServiceAccount (of servicetokens.dev)."""

    spec: ServiceAccountSpec | None
    status: ServiceAccountStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFacts(ObjectFacts):
    """One ServiceRole."""

    spec: ServiceRoleSpec | None
    status: ServiceRoleStatus

    def grants(self, namespace: str) -> bool:
        """Return whether accounts of *namespace* may have this role. A role that cannot be read grants nothing."""
        return self.spec is not None and (
            namespace in self.spec.allowed_namespaces or EVERY_NAMESPACE in self.spec.allowed_namespaces
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """An owner reference of a Secret; usually its controller."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFacts:
    """One Secret, without its values: only what decisions need of them is kept.

    `verifiers` holds, per key of ours, the verifier of the value found, computed for the controller's uid and the
    serial that the Secret claims; `mint_time` is what it claims, too. `fingerprint` digests what else the operator
    wrote (see `content`), and `template` is its own note of which keys a template put there. `changed_by` is the field
    manager that wrote last, for messages.

    `other_owners` are those other than the controller. Only of a Secret without owners is known: in `marked_for` the
    name of the ServiceToken that it says it is of, in `token_id` the public id that it claims, and in `copied_from`
    another ServiceToken that has this id.
    """

    uid: str
    resource_version: str
    type: str
    controller: Controller | None
    serial: int = 0
    mint_time: int | None = None
    verifiers: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    template: str = ""
    immutable: bool = False
    changed_by: str = ""
    other_owners: tuple[Controller, ...] = ()
    marked_for: str = ""
    token_id: str = ""
    copied_from: str = ""

    def holds(self, credential: Credential) -> bool:
        """Return whether the value found is that of *credential*. The verifier is public: no constant time needed."""
        found = self.verifiers.get(credential.verifier.key_id)
        return self.serial == credential.serial and found == credential.verifier.value

    def belongs_to(self, token: TokenFacts) -> bool:
        """Return whether *token* is its controller."""
        return (
            self.type == names.SECRET_TYPE
            and self.controller is not None
            and self.controller.uid == token.uid
        )

    def is_foreign_to(self, token: TokenFacts) -> bool:
        """Return whether it must not be changed for *token*.

        A Secret that a backup tool restored may be adopted, i.e. overwritten unread: a Secret of our own type all of
        whose owners are ServiceTokens of exactly this name (with another uid), or one without owners that is marked for
        this name and is not a copy of another token's Secret. A user who may write ServiceTokens but no Secrets must
        not gain access to another Secret through us.
        """
        if self.type != names.SECRET_TYPE:
            return True
        if self.belongs_to(token):
            return False
        if self.owners:
            mine = (names.API_VERSION, names.KIND_TOKEN, token.name)
            return any((owner.api_version, owner.kind, owner.name) != mine for owner in self.owners)
        return self.marked_for != token.name or bool(self.copied_from)

    @property
    def owners(self) -> tuple[Controller, ...]:
        """All owners, the controller first."""
        return (*((self.controller,) if self.controller else ()), *self.other_owners)

    def describe_holder(self, token: TokenFacts) -> str:
        """Return its owner when it is foreign to *token*, as a relative clause; empty if unknown."""
        mine = (names.KIND_TOKEN, token.name)
        owner = next((owner for owner in self.owners if (owner.kind, owner.name) != mine), None)
        if owner is not None:
            return f", which belongs to {owner.kind} '{owner.name}'"
        if self.type != names.SECRET_TYPE:
            return ""
        if self.copied_from:
            return f", which is a copy of that of ServiceToken {self.copied_from}"
        if self.marked_for:
            return f", which is that of ServiceToken '{self.marked_for}'"
        return ", which does not name the ServiceToken that it belongs to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The available keys. `newest` is None when there is none, and `error` says what to do about it."""

    newest: str | None
    ids: frozenset[str] = frozenset()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """State of one token that only this process has; losing it costs a new mint, never safety.

    `minted` is a credential that status does not list as delivered yet, while its plaintext is still here; `minted_for`
    is the uid of its account. `delivery_error` says why the last attempt to write the Secret failed, `not_before` when
    the next re-mint or attempt is due (Unix seconds). `namespace_ends` means that the API server has rejected a
    creation because the namespace is being deleted.
    """

    minted: Credential | None = None
    minted_for: str | None = None
    delivery_error: str = ""
    not_before: int = 0
    namespace_ends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """Whether every live validator has applied the present generation of one object.

    `validators` is how many there are; None while they have not been listed yet. `awaited` names those that have not
    applied it after a while; at first it is empty, since naming all for a moment would be one more write.
    """

    passed: bool = False
    validators: int | None = None
    awaited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Importable:
    """The value that is to be imported, hashed immediately."""

    handle: str
    verifier: Verifier


@dataclass(frozen=True, slots=True)
class NotImportable:
    """A value that must not be imported. *fault* is the reason, as the end of a sentence that begins with "it"."""

    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that `plan` looks at, gathered at one moment.

    `roles` has an entry for every role asked for. `latest_use` is the latest time of use that is known of any token: up
    to then it is known that uses are reported at all.
    """

    token: TokenFacts
    account: AccountFacts | None
    roles: Mapping[str, RoleFacts | None] = field(default_factory=dict)
    secret: SecretFacts | None = None
    keys: Keys
    memory: Memory = Memory()
    enforcement: Enforcement = Enforcement()
    latest_use: int | None = None
    imported: Importable | NotImportable | None = None


def find_role(roles: Mapping[str, RoleFacts | None], name: str) -> RoleFacts | None:
    """Return the role called *name*; None when there is none, or it is being deleted, also behind a finalizer."""
    role = roles.get(name)
    return None if role is None or role.deleting else role


def roles_asked_for(token: TokenFacts, account: AccountFacts | None) -> tuple[str, ...]:
    """Return the roles that *token* requests: its own list, or all of its account's."""
    if token.spec is not None and token.spec.roles is not None:
        return token.spec.roles
    return account.spec.roles if account and account.spec else ()
