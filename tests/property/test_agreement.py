"""What the operator says of a token is what a validator does with it, by the same objects at the same moment."""

import base64
from typing import Final

from hypothesis import event, given, settings
from hypothesis import strategies as st

from common.builders.presenting import RING
from common.fakes.clock import FakeClock
from property.stored_objects import (
    ACCOUNTS,
    DAY,
    NAMES,
    NOW,
    OTHER,
    PRESENTED,
    ROLES,
    TOKENS,
    UID,
    Raw,
    credential,
    decide,
    maybe,
    some,
    stored,
)
from servicetokens.api import names
from servicetokens.api.conditions import ConditionType
from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import Credential, ServiceTokenStatus
from servicetokens.api.values import format_time
from servicetokens.authn.decision import Accepted, Rejected
from servicetokens.cli.simulation import Objects, Request, simulate
from servicetokens.controllers.cache import facts
from servicetokens.lifecycle.actions import Mint
from servicetokens.lifecycle.conditions import find
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.snapshot import Keys, SecretFacts, Snapshot, roles_asked_for
from servicetokens.policy.acceptance import CHECKS
from servicetokens.tokens.format import Token, mint

MINTED: Final = mint("svt", lambda size: b"\x02" * size)
VALUES: Final = {token.id: token for token in (PRESENTED, OTHER, MINTED)}
# The decisions of a validator that does not find the presented id, or cannot verify the value: it checks nothing else.
NOT_VERIFIED: Final = frozenset(
    {Reason.UNKNOWN, Reason.UNKNOWN_KEY, Reason.WRONG_SECRET, Reason.REPLACED, Reason.EXPIRED}
)


_recent: Final = st.sampled_from((-40 * DAY, -20 * DAY, -DAY, -60, 0, 30)).map(
    lambda shift: format_time(NOW + shift)
)
_mostly_there: Final = st.sampled_from(({}, {}, {}, {"deletionTimestamp": format_time(NOW - 60)}))


@st.composite
def live_tokens(draw: st.DrawFn) -> Raw:
    """Return a token as the operator may have left it: one credential, perhaps changed from outside since."""
    serial, minted = draw(st.integers(1, 4)), draw(_recent)
    presented = draw(st.sampled_from((PRESENTED, PRESENTED, PRESENTED, OTHER)))
    spec = draw(
        maybe(
            state=st.sampled_from(("Active", "Revoked")),
            roles=some(NAMES),
            inUseTime=_recent,
        )
    )
    status = draw(maybe(suspensionTime=_recent, unusedSinceTime=_recent, lastUsedTime=_recent))
    return {
        "meta": draw(_mostly_there),
        "spec": spec | draw(st.sampled_from(({"expiresAfter": "30d"}, {"expiresAfter": "never"}))),
        "status": status
        | {
            "accountUID": draw(st.sampled_from(("a-1", "a-1", "a-1", "a-2"))),
            "serial": serial,
            "mintTime": minted,
            "tokenID": presented.id,
            "credentials": [credential(presented, serial, minted, None, "k1")],
        },
    }


_live_accounts: Final = st.fixed_dictionaries(
    {
        "meta": _mostly_there,
        "spec": maybe(
            state=st.sampled_from(("Active", "Suspended")),
            roles=some(NAMES),
            tokensNotBeforeTime=_recent,
            tokenPolicy=st.sampled_from(
                ({"unusedFor": "1d"}, {"unusedFor": "1d", "suspendUnusedAfter": "1d"}, {"maxLifetime": "90d"})
            ),
        ),
    }
)


def secret(token: Token, serial: int) -> SecretFacts:
    """Return the token's own Secret, which holds *token*."""
    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND_TOKEN, "name": "ci-prod", "uid": UID}
    meta = {
        "name": "ci-prod",
        "namespace": "team-a",
        "uid": "s-1",
        "ownerReferences": [owner | {"controller": True}],
        "annotations": {names.ANNOTATION_SERIAL: str(serial)},
    }
    data = {names.SECRET_KEY: base64.b64encode(token.reveal().encode()).decode()}
    return facts.secret_facts({"metadata": meta, "type": names.SECRET_TYPE, "data": data}, RING)


def settle(snapshot: Snapshot) -> ServiceTokenStatus:
    """Return the status that is written once the plan is carried out, with its token minted and delivered."""

    def mint_it(wanted: Mint) -> Credential:
        value = RING.sign(wanted.key_id, UID, wanted.serial, MINTED.reveal())
        return wanted.credential(MINTED.id, value)

    return plan(snapshot, NOW, mint_it).status or snapshot.token.status


@settings(max_examples=600)
@given(
    token=live_tokens() | live_tokens() | live_tokens() | TOKENS,
    account=_live_accounts | _live_accounts | ACCOUNTS,
    roles=st.lists(ROLES, max_size=3, unique_by=lambda one: str(one["name"])),
    held=st.sampled_from((PRESENTED, PRESENTED, OTHER)),
    moved=st.sampled_from((0, 0, 0, 1)),
)
def test_active_and_roles_accepted_say_what_validators_do(
    token: Raw, account: Raw | None, roles: list[Raw], held: Token, moved: int
) -> None:
    """With the reason; `verify` says the same. Nothing but an unreadable spec is answered differently."""
    raw = stored(token, "ci-prod", UID)
    raw["spec"]["accountRef"] = {"name": "ci"}
    raw_account = None if account is None else stored(account, "ci", "a-1")
    raw_roles = [stored(role, role["name"], f"r-{role['name']}") for role in roles]
    token_facts = facts.token_facts(raw)
    account_facts = facts.account_facts(raw_account) if raw_account is not None else None
    catalogue = {role["metadata"]["name"]: facts.role_facts(role) for role in raw_roles}
    asked = roles_asked_for(token_facts, account_facts)
    snapshot = Snapshot(
        token=token_facts,
        account=account_facts,
        roles={name: catalogue.get(name) for name in asked},
        secret=secret(held, (token_facts.status.serial or 1) + moved),
        keys=Keys(newest="k1", ids=frozenset({"k1"})),
        latest_use=NOW,
    )
    status = settle(snapshot)
    active = find(status.conditions, ConditionType.ACTIVE)
    if active is None:
        assert token_facts.deleting
        return
    event(active.reason)
    if active.status == "Unknown":
        assert active.reason == Reason.INVALID_SPEC
        return
    # What was on status next to the newest one is not what `Active` is about.
    presented = VALUES.get(status.token_id or "", PRESENTED)
    objects = Objects({**raw, "status": status.to_wire()}, raw_account, raw_roles)
    decision = decide(objects, Request(), presented)
    assert (active.status == "True") == isinstance(decision, Accepted), (active, decision)
    explained = simulate(objects, presented, Request(), FakeClock())
    assert explained.is_accepted == isinstance(decision, Accepted)
    if isinstance(decision, Rejected):
        is_shared = active.reason in {reason for reason, _ in CHECKS}
        assert decision.reason == active.reason or decision.reason in NOT_VERIFIED, (active, decision)
        assert is_shared or decision.reason in NOT_VERIFIED
    accepted_roles = find(status.conditions, ConditionType.ROLES_ACCEPTED)
    # A role that limits lifetimes may be withheld from a token that lives longer: `Ready` says so (LifetimeTooLong).
    limits = any("maxLifetime" in role["spec"] for role in raw_roles)
    if isinstance(decision, Accepted) and not limits:
        assert accepted_roles is not None
        effective = {role.name for role in decision.roles}
        assert (accepted_roles.status == "True") == (effective == set(asked)), (accepted_roles, effective)
