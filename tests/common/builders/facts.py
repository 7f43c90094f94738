"""Facts for decisions, with everything said that a test does not care about."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from common.builders.planning import plan
from servicetokens.api import names
from servicetokens.api.conditions import Condition
from servicetokens.api.service_account import ServiceAccountSpec, ServiceAccountStatus
from servicetokens.api.service_role import ServiceRoleSpec, ServiceRoleStatus
from servicetokens.api.service_token import (
    Credential,
    ServiceTokenSpec,
    ServiceTokenStatus,
    Verifier,
)
from servicetokens.lifecycle.actions import Plan
from servicetokens.lifecycle.content import desired_content
from servicetokens.lifecycle.snapshot import (
    AccountFacts,
    Controller,
    Keys,
    Memory,
    RoleFacts,
    SecretFacts,
    Snapshot,
    TokenFacts,
)

NOW = 1_800_000_000
HOUR = 3600
DAY = 86400
KEYS = Keys(newest="k1", ids=frozenset({"k1"}))
NO_KEYS = Keys(newest=None, error="The key Secret is gone; restore it from a backup.")


def a_token(*, generation: int = 1, deleting: bool = False, status: Any = None, **spec: Any) -> TokenFacts:
    """Return `team-a/ci-prod` of the account `ci` with *spec* as on the wire; 30 days long by default."""
    end = {} if "expirationTime" in spec or "expiresAfter" in spec else {"expiresAfter": "30d"}
    return TokenFacts(
        name="ci-prod",
        namespace="team-a",
        uid="u-1",
        generation=generation,
        resource_version="10",
        deleting=deleting,
        spec=ServiceTokenSpec.model_validate({"accountRef": {"name": "ci"}, **end, **spec}),
        status=status or ServiceTokenStatus(),
    )


def an_account(*, uid: str = "a-1", deleting: bool = False, status: Any = None, **spec: Any) -> AccountFacts:
    """Return the account `ci`, with *spec* as on the wire."""
    return AccountFacts(
        name="ci",
        namespace="team-a",
        uid=uid,
        generation=1,
        resource_version="5",
        deleting=deleting,
        spec=ServiceAccountSpec.model_validate(spec),
        status=status or ServiceAccountStatus(),
    )


def a_role(name: str, *, deleting: bool = False, **spec: Any) -> RoleFacts:
    """Return a role for every namespace, unless *spec* (as on the wire) says otherwise."""
    return RoleFacts(
        name=name,
        uid=f"r-{name}",
        generation=1,
        resource_version="5",
        deleting=deleting,
        spec=ServiceRoleSpec.model_validate({"allowedNamespaces": ["*"], **spec}),
        status=ServiceRoleStatus(),
    )


def a_credential(serial: int = 1, *, minted: int = NOW, end: int | None = NOW + 30 * DAY) -> Credential:
    """Return a credential; its verifier is the word `verifier-<serial>`."""
    return Credential(
        serial=serial,
        id=f"ID{serial:010}",
        mint_time=minted,
        expiration_time=end,
        verifier=Verifier(algorithm="HMACSHA256", key_id="k1", value=f"verifier-{serial}"),
    )


def a_secret(
    credential: Credential | None = None, *, name: str = "ci-prod", uid: str = "u-1", **changes: Any
) -> SecretFacts:
    """Return the Secret of the token, holding *credential*."""
    controller = Controller(api_version=names.API_VERSION, kind="ServiceToken", name=name, uid=uid)
    found = SecretFacts(
        uid="s-1", resource_version="7", type=names.SECRET_TYPE, controller=controller, marked_for=name
    )
    if credential is not None:
        found = replace(
            found,
            serial=credential.serial,
            mint_time=credential.mint_time,
            verifiers={credential.verifier.key_id: credential.verifier.value},
        )
    return replace(found, **changes)


THE_ACCOUNT = an_account()


def a_snapshot(
    token: TokenFacts | None = None,
    account: AccountFacts | None = THE_ACCOUNT,
    *,
    roles: Mapping[str, RoleFacts | None] | None = None,
    secret: SecretFacts | None = None,
    keys: Keys = KEYS,
    memory: Memory | None = None,
) -> Snapshot:
    """Return what is known at one moment."""
    return Snapshot(
        token=token or a_token(),
        account=account,
        roles=roles or {},
        secret=secret,
        keys=keys,
        memory=memory or Memory(),
    )


def carried_out(snapshot: Snapshot, wanted: Plan) -> Snapshot:
    """Return what is known after *wanted* was carried out, without an accident."""
    token, secret = snapshot.token, snapshot.secret
    if wanted.status is not None:
        token = replace(token, status=wanted.status)
    if wanted.deliver is not None:
        subject = wanted.deliver.subject
        current = token.current
        held = {current.verifier.key_id: current.verifier.value} if current else {}
        controller = Controller(
            api_version=names.API_VERSION, kind="ServiceToken", name=token.name, uid=token.uid
        )
        secret = SecretFacts(
            uid="s-2",
            resource_version="8",
            type=names.SECRET_TYPE,
            controller=controller,
            serial=subject.serial,
            mint_time=subject.mint_time,
            verifiers=held,
            fingerprint=desired_content(token, subject).fingerprint,
            marked_for=token.name,
        )
    return replace(snapshot, token=token, secret=secret, memory=Memory())


def settled(snapshot: Snapshot | None = None, now: int = NOW) -> Snapshot:
    """Return *snapshot* (a new token, if none is given) after the operator has done everything at *now*."""
    found = snapshot or a_snapshot()
    for _ in range(5):
        wanted = plan(found, now)
        if wanted.status is None and wanted.deliver is None:
            return found
        found = carried_out(found, wanted)
    message = "it does not come to rest"
    raise AssertionError(message)


def edited(snapshot: Snapshot, **spec: Any) -> Snapshot:
    """Return *snapshot* after a person has changed the token's spec; None removes a field."""
    token = snapshot.token
    assert token.spec is not None
    new = {key: value for key, value in (_on_the_wire(token.spec) | spec).items() if value is not None}
    changed = replace(token, spec=ServiceTokenSpec.model_validate(new), generation=token.generation + 1)
    return replace(snapshot, token=changed)


def _on_the_wire(spec: ServiceTokenSpec) -> dict[str, Any]:
    """Return a spec as it was written; durations in seconds."""
    wire: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    for part, name in (
        (wire, "expiresAfter"),
        (wire.get("rotation", {}), "every"),
        (wire.get("rotation", {}), "overlap"),
    ):
        if isinstance(part.get(name), int):
            part[name] = f"{part[name]}s"
    return wire


def with_status(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Return *snapshot* after a user has edited the token's status by hand."""
    token = snapshot.token
    return replace(snapshot, token=replace(token, status=token.status.model_copy(update=changes)))


def condition(found: Snapshot | Plan, wanted: str) -> Condition:
    """Return a condition of a token; fails when it does not exist."""
    status = found.status if isinstance(found, Plan) else found.token.status
    assert status is not None
    return next(one for one in status.conditions if one.type == wanted)


def has_condition(found: Snapshot | Plan, wanted: str) -> bool:
    """Say whether a token has a condition of that type."""
    status = found.status if isinstance(found, Plan) else found.token.status
    return status is not None and any(one.type == wanted for one in status.conditions)


def says(found: Snapshot | Plan, wanted: str) -> tuple[str, str]:
    """Return status and reason of a condition."""
    one = condition(found, wanted)
    return one.status, one.reason


def ends(snapshot: Snapshot) -> dict[int, int | None]:
    """Return the ends of the live credentials by serial."""
    return {one.serial: one.expiration_time for one in snapshot.token.status.credentials}


def rotating(**rotation: str) -> Snapshot:
    """Return a settled token of 30 days that rotates."""
    return settled(a_snapshot(a_token(rotation=rotation)))


def now_with(secret: SecretFacts | None, memory: Memory | None = None) -> Snapshot:
    """Return a settled token whose Secret has become *secret*."""
    return replace(settled(), secret=secret, memory=memory or Memory())


def ours(**changes: object) -> SecretFacts:
    """Return the settled Secret with *changes*."""
    secret = settled().secret
    assert secret is not None
    return replace(secret, **changes)  # type: ignore[arg-type] # each test names fields of its own
