"""One token's objects in a fake API, and what people and accidents do to them.

All durations are tiny (1 to 12 seconds), so that expiry, rotation and overlap collide all the time. The schema would
reject them. So specs are stored as models without rules that are read already, which pydantic passes on as they are.
"""

import base64
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, Literal

from common.drivers.reconciling import ACCOUNT, RING, SECRET, TOKEN, UID, Cluster, value_in
from common.fakes.clock import FakeClock
from property.ledger import end_by
from servicetokens.api import names
from servicetokens.api.service_account import ServiceAccountSpec, TokenPolicy
from servicetokens.api.service_role import ServiceRoleSpec
from servicetokens.api.service_token import (
    AccountRef,
    Credential,
    Rotation,
    ServiceTokenSpec,
    ServiceTokenStatus,
)
from servicetokens.api.values import format_time
from servicetokens.kube.errors import Forbidden

ROLE: Final = "reader"
START: Final = 1_800_000_000
#: uid and name of the ServiceToken that a Secret belongs to.
Owner = tuple[str, str]
_OURS: Final = (UID, "ci-prod")
_ROLE: Final = (names.PLURAL_ROLES, "", ROLE)
_OTHER: Final = (names.PLURAL_TOKENS, "team-b", "other")
_WRITES_OF_SECRETS: Final = ("create secret", "rehearse secret", "patch secret")


class QuickToken(ServiceTokenSpec):
    """What no rule of the schema is asked about, as a token that rotates more often than it lives."""

    RULES = ()


class QuickAccount(ServiceAccountSpec):
    """As above."""

    RULES = ()


class QuickRole(ServiceRoleSpec):
    """As above."""

    RULES = ()


@dataclass(frozen=True)
class StoredSecret:
    """The Secret as it is stored. *owner* is that of the controlling ServiceToken."""

    value: str
    serial: int
    owner: Owner | None
    type: str
    immutable: bool

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "StoredSecret":
        """Read it."""
        meta = raw["metadata"]
        owners = meta.get("ownerReferences") or []
        return cls(
            value=value_in(raw),
            serial=int((meta.get("annotations") or {}).get(names.ANNOTATION_SERIAL, 0)),
            owner=(owners[0]["uid"], owners[0]["name"]) if owners else None,
            type=raw["type"],
            immutable=raw.get("immutable", False),
        )

    @property
    def is_foreign(self) -> bool:
        """It is of another type, or another token's."""
        return self.type != names.SECRET_TYPE or (self.owner is not None and self.owner[1] != "ci-prod")


class Objects:
    """What is stored, and what follows from it without asking the operator."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.cluster = Cluster()
        self.account_number = 0
        self.keys_are_there = True
        # What was read last, and what it says: invariants ask thousands of times.
        self._read_status: tuple[object, ServiceTokenStatus] = (None, ServiceTokenStatus())
        self._read_secret: tuple[object, StoredSecret | None] = (None, None)
        self.spec = spec_of(expires_after=10)
        self.create_account()

    # Time.

    @property
    def now(self) -> int:
        """The Unix second, for everyone."""
        return self.clock.now()

    @now.setter
    def now(self, now: int) -> None:
        self.clock.set(now)

    # The token.

    @property
    def spec(self) -> ServiceTokenSpec:
        """What the token asks for."""
        spec: ServiceTokenSpec = self.cluster.objects[TOKEN]["spec"]
        return spec

    @spec.setter
    def spec(self, spec: ServiceTokenSpec) -> None:
        token = self.cluster.objects[TOKEN]
        generation = {"generation": token["metadata"]["generation"] + 1}
        self.cluster.put(TOKEN, {**token, "metadata": token["metadata"] | generation, "spec": spec})

    @property
    def status(self) -> ServiceTokenStatus:
        """What was written of it."""
        raw = self.cluster.objects[TOKEN].get("status")
        if raw is not self._read_status[0]:
            self._read_status = (raw, ServiceTokenStatus.read(raw))
        return self._read_status[1]

    @status.setter
    def status(self, status: ServiceTokenStatus) -> None:
        self.cluster.put(TOKEN, {**self.cluster.objects[TOKEN], "status": status.to_wire()})

    def edit(self, **changes: object) -> None:
        """Change the spec."""
        self.spec = self.spec.model_copy(update=changes)

    # The account and the role.

    @property
    def account(self) -> ServiceAccountSpec | None:
        """The account, if there is one."""
        spec: ServiceAccountSpec | None = self.cluster.objects.get(ACCOUNT, {}).get("spec")
        return spec

    def create_account(self) -> None:
        """Create the account, or another one of its name, with another uid."""
        self.account_number += 1
        self.cluster.remove(ACCOUNT)
        self._put_account(QuickAccount())

    def delete_account(self) -> None:
        """Delete the account."""
        self.cluster.remove(ACCOUNT)

    def edit_account(self, **changes: object) -> None:
        """Change the account's spec, if there is an account."""
        if self.account is not None:
            self._put_account(self.account.model_copy(update=changes))

    def _put_account(self, spec: ServiceAccountSpec) -> None:
        meta = {"uid": self.account_uid, "generation": self.cluster.version}
        self.cluster.put(ACCOUNT, {"metadata": meta, "spec": spec})

    @property
    def account_uid(self) -> str:
        """The uid of the account that is there, or was last."""
        return f"a-{self.account_number}"

    @property
    def is_limited(self) -> bool:
        """The account has a longest lifetime."""
        policy = self.account.token_policy if self.account else None
        return policy is not None and policy.max_lifetime is not None

    def limit(self, seconds: int | None) -> None:
        """Set the account's longest lifetime, or remove it."""
        self.edit_policy(max_lifetime=seconds)

    def edit_policy(self, **changes: int | None) -> None:
        """Change the account's policy, by periods that are shorter than the schema allows; without any it goes."""
        if self.account is not None:
            policy = self.account.token_policy or TokenPolicy.model_construct()
            changed = policy.model_copy(update=changes)
            self.edit_account(token_policy=changed if any(vars(changed).values()) else None)

    @property
    def role(self) -> ServiceRoleSpec | None:
        """The role in the catalogue, if there is one."""
        spec: ServiceRoleSpec | None = self.cluster.objects.get(_ROLE, {}).get("spec")
        return spec

    @role.setter
    def role(self, spec: ServiceRoleSpec | None) -> None:
        if spec is None:
            self.cluster.remove(_ROLE)
        else:
            self.cluster.put(_ROLE, {"metadata": {"uid": "r-1", "generation": 1}, "spec": spec})

    def use_others(self, at: int) -> None:
        """Let another token be used, and its use be reported."""
        status = {"lastUsedTime": format_time(at)}
        spec = {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}
        self.cluster.put(
            _OTHER, {"metadata": {"uid": "u-o", "generation": 1}, "spec": spec, "status": status}
        )

    # The Secret.

    @property
    def secret(self) -> StoredSecret | None:
        """The Secret of the token's name, also if it belongs to something else."""
        raw = self.cluster.secret
        if raw is None:
            return None
        if raw is not self._read_secret[0]:
            self._read_secret = (raw, StoredSecret.of(raw))
        return self._read_secret[1]

    def touch_secret(self, how: str, value: str = "") -> None:
        """Delete the Secret, edit its *value*, or edit its marks: all but a deletion, which has none, in place."""
        raw = deepcopy(self.cluster.secret)
        assert raw is not None
        meta = raw["metadata"]
        if how == "deleted":
            self.cluster.remove(SECRET)
            return
        if how == "edited":
            raw["data"][names.SECRET_KEY] = base64.b64encode(value.encode()).decode()
        elif how == "renumbered":
            serial = int(meta["annotations"][names.ANNOTATION_SERIAL])
            meta["annotations"][names.ANNOTATION_SERIAL] = str(serial + 3)
        elif how == "relabelled":
            meta["annotations"][names.ANNOTATION_EXPIRES] = "drift"
        elif how == "disowned":
            meta.pop("ownerReferences", None)
        elif how == "restored":
            meta["ownerReferences"] = [_reference(("u-0", "ci-prod"))]
        else:
            assert how == "immutable"
            raw["immutable"] = True
        self.cluster.put(SECRET, raw)

    def put_foreign_secret(self, *, owner: Owner | None) -> Mapping[str, Any]:
        """Put a Secret of another type there, or one that belongs to another token; return what is stored."""
        self.cluster.remove(SECRET)
        meta: dict[str, Any] = {}
        if owner is not None:
            meta = {"labels": {names.LABEL_TOKEN_SECRET: "true"}, "ownerReferences": [_reference(owner)]}
        secret_type = "Opaque" if owner is None else names.SECRET_TYPE
        data = {names.SECRET_KEY: base64.b64encode(b"theirs").decode()}
        return self.cluster.put(SECRET, {"metadata": meta, "type": secret_type, "data": data})

    @property
    def refuses_secrets(self) -> bool:
        """No Secret can be written, as with a quota."""
        return bool(self.cluster.rejects)

    @refuses_secrets.setter
    def refuses_secrets(self, is_so: bool) -> None:
        refusal = Forbidden("exceeded quota", status=403)
        self.cluster.rejects = dict.fromkeys(_WRITES_OF_SECRETS, refusal) if is_so else {}

    # What follows from the objects.

    def is_value_of(self, credential: Credential, value: str) -> bool:
        """Say whether *value* is the plaintext of *credential*, for this object."""
        verifier = credential.verifier
        return RING.verify(verifier.value, verifier.key_id, UID, credential.serial, value)

    @property
    def asks_for_role(self) -> bool:
        """The token wants the role, itself or through its account."""
        wanted = self.spec.roles
        return bool(wanted if wanted is not None else self.account and self.account.roles)

    @property
    def role_is_granted(self) -> bool:
        """Nothing is requested that catalogue or account reject."""
        if not self.asks_for_role:
            return True
        account, role = self.account, self.role
        return (
            account is not None
            and ROLE in account.roles
            and role is not None
            and role.allowed_namespaces == ("*",)
        )

    def is_over_limit(self, mint_time: int) -> bool:
        """Say whether what is minted at *mint_time* lives longer than account or role allow."""
        policy = self.account.token_policy if self.account else None
        limits = [policy.max_lifetime if policy else None]
        limits.append(self.role.max_lifetime if self.role and self.asks_for_role else None)
        end = end_by(self.spec, mint_time)
        return any(isinstance(limit, int) and (end is None or end - mint_time > limit) for limit in limits)

    @property
    def current(self) -> Credential | None:
        """The current credential on status: the newest that was delivered, if status does not know of a later one."""
        delivered = [one for one in self.status.credentials if not one.is_pending]
        newest = max(delivered, key=lambda one: one.serial, default=None)
        if newest is None or newest.id == self.status.token_id or self.status.token_id is None:
            return newest
        return None if newest.serial < (self.status.serial or 0) else newest

    @property
    def secret_holds_current(self) -> bool:
        """The Secret may be written to, and its value is the current token, whatever its marks say."""
        secret, current = self.secret, self.current
        if secret is None or current is None or secret.is_foreign:
            return False
        return self.is_value_of(current, secret.value)

    @property
    def secret_is_in_order(self) -> bool:
        """The Secret is ours, and its value is the current token."""
        secret, current = self.secret, self.current
        return (
            secret is not None
            and current is not None
            and self.secret_holds_current
            and secret.owner == _OURS
            and secret.serial == current.serial
        )


def spec_of(
    *, expires_after: int | Literal["never"] | None = None, expiration_time: int | None = None
) -> ServiceTokenSpec:
    """Return a spec with an end that is shorter than the schema allows."""
    return QuickToken.model_construct(
        account_ref=AccountRef.model_construct(name="ci"),
        expires_after=expires_after,
        expiration_time=expiration_time,
    )


def rotation_of(*, every: int | None, overlap: int | None, number: str | None) -> Rotation:
    """Return a rotation that is quicker than the schema allows."""
    return Rotation.model_construct(every=every, overlap=overlap, id=number)


def role_of(*, namespaces: tuple[str, ...], longest: int | None) -> ServiceRoleSpec:
    """Return a role with a limit that is shorter than the schema allows."""
    return QuickRole.model_construct(allowed_namespaces=namespaces, max_lifetime=longest)


def _reference(owner: Owner) -> dict[str, Any]:
    uid, name = owner
    kind = {"apiVersion": names.API_VERSION, "kind": names.KIND_TOKEN}
    return {**kind, "name": name, "uid": uid, "controller": True}
