"""Readers of a whole cluster survive any object that can be stored in it.

An API server stores what today's schema rejects: objects are older than its rules, and ratcheting keeps them. So every
reader is given the rows of the admission tables that are rejected, too, statuses at their extremes, and anything that
is JSON at all.
"""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admission.table import KINDS, accepted, refused
from common.builders.facts import NOW, a_snapshot, an_account
from common.builders.planning import plan
from common.fakes.clock import FakeClock
from property.odd import statuses
from servicetokens.api import names
from servicetokens.authn import tables, wire
from servicetokens.authn.index import Index
from servicetokens.cli import checks, listing, simulation, verifying
from servicetokens.cli.keys import key_ids_of
from servicetokens.cli.reporting.inventory import Inventory
from servicetokens.cli.reporting.page import Limits, build
from servicetokens.cli.simulation import Objects, Request
from servicetokens.cli.story import timeline
from servicetokens.cli.views import AccountView, TokenView
from servicetokens.cli.workloads import users_of
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.kube.leases import Lease
from servicetokens.kube.watch import Identity
from servicetokens.lifecycle.account import account_status
from servicetokens.lifecycle.role import role_status
from servicetokens.lifecycle.snapshot import Enforcement
from servicetokens.propagation.record import ValidatorLease
from servicetokens.tokens.format import assemble

Raw = Mapping[str, Any]
# Five readers share them; a wrong type is found within a few dozen.
EXAMPLES = 200
PRESENTED = assemble("svt", "0123456789AB", bytes(range(32)))
IDENTITY = Identity("u-1", "one", "team-a")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["2999-12-31T23:59:59-00:01", "0000-01-01T00:00:00Z", "9999999999y", "::/0", "a/*/**"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def an_object(kind: str, spec: Any, status: Any) -> dict[str, Any]:
    """Return an object as an API server has it; only its metadata is sure to make sense."""
    metadata = {
        "name": "one",
        "namespace": "team-a",
        "uid": "u-1",
        "generation": 3,
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-25T04:00:00Z",
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


def the_operator(found: Raw) -> None:
    """Squeeze it, decide about it, and keep it."""
    caches = Caches()
    if found["kind"] == names.KIND_TOKEN:
        token = facts.token_facts(found)
        caches.put_token(token)
        plan(a_snapshot(token), NOW)
        caches.drop_token(("team-a", "one"))
    elif found["kind"] == names.KIND_ACCOUNT:
        account = facts.account_facts(found)
        account_status(account, {}, 1, Enforcement(), NOW)
        plan(a_snapshot(account=account), NOW)
    else:
        role = facts.role_facts(found)
        role_status(role, NOW)
        plan(a_snapshot(account=an_account(roles=["one"]), roles={"one": role}), NOW)


def the_validator(found: Raw) -> None:
    """Take it into the index, as a feed does."""
    index, data = Index(max_staleness=60), json.dumps(found).encode()
    sink: Any
    decoder: Any
    sink, decoder = {
        names.KIND_TOKEN: (tables.TokenTable(index, "tokens"), wire.token_decoder),
        names.KIND_ACCOUNT: (tables.AccountTable(index, "accounts"), wire.account_decoder),
        names.KIND_ROLE: (tables.RoleTable(index, "roles"), wire.role_decoder),
    }[found["kind"]]
    sink.begin()
    try:
        item = decoder.decode(data)
    except msgspec.MsgspecError:
        sink.put_unreadable(IDENTITY)
    else:
        sink.put(item)
    sink.end()


def the_report(found: Raw) -> None:
    """Count it, and show it on the page."""
    inventory, data = Inventory(NOW), json.dumps(found).encode()
    (inventory.add_account if found["kind"] == names.KIND_ACCOUNT else inventory.add_token)(data)
    assert "one" in build(inventory, Limits()) or inventory.unreadable == 1


def the_keys(found: Raw) -> None:
    """Count on which keys it depends."""
    key_ids_of(json.dumps(found).encode(), NOW)


def the_plugin(found: Raw) -> None:
    """List, describe, verify and warn."""
    account, token = AccountView(found), TokenView(found)
    account.state, account.from_git, token.ids, token.rotation, token.secret  # noqa: B018 - that they can be read
    listing.account_row(account, NOW, wide=True)
    listing.token_row(token, NOW, wide=True)
    timeline(token, [dict(found)])
    users_of("one", [dict(found)])
    for roles in ([found], None):
        simulated = simulation.simulate(Objects(found, found, roles), PRESENTED, Request(), FakeClock(NOW))
        list(verifying.of_object(token, simulated, Request(), NOW))
    token.expires_before(NOW)
    token.unused_since(NOW)
    [listing.exact(one.end, NOW) for one in token.credentials]


READERS: Mapping[str, Callable[[Raw], None]] = {
    "operator": the_operator,
    "validator": the_validator,
    "report": the_report,
    "keys": the_keys,
    "plugin": the_plugin,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_every_row_of_the_admission_tables_is_survived(reader: Callable[[Raw], None]) -> None:
    """Also those that are rejected today: some version of the schema may have let them in."""
    for case in (*accepted(), *refused()):
        found = {**copy.deepcopy(dict(case.manifest))}
        metadata = an_object("", None, None)["metadata"]
        found["metadata"] = {**metadata, **found["metadata"]}
        try:
            reader(found)
        except Exception as error:
            error.add_note(f"the row: {case.name}")
            raise


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.differing_executors])
@given(kind=st.sampled_from(sorted(KINDS)), status=statuses)
def test_every_status_is_survived(reader: Callable[[Raw], None], kind: str, status: dict[str, Any]) -> None:
    """At the extremes of its numbers and times."""
    spec: dict[str, Any] = {"allowedNamespaces": ["*"]} if kind == names.KIND_ROLE else {}
    if kind == names.KIND_TOKEN:
        spec = {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}
    reader(an_object(kind, spec, status))


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.differing_executors])
@given(kind=st.sampled_from(sorted(KINDS)), spec=JSON, status=JSON)
def test_anything_at_all_is_survived(
    reader: Callable[[Raw], None], kind: str, spec: Any, status: Any
) -> None:
    """Whatever its spec and status are."""
    reader(an_object(kind, spec, status))


@given(annotations=st.dictionaries(st.text(max_size=20), st.text(max_size=50)), spec=st.none() | st.just({}))
def test_any_lease_is_survived(annotations: dict[str, str], spec: Any) -> None:
    """A Lease without annotations proves nothing."""
    meta = {"namespace": "n", "name": "l", "resourceVersion": "5", "annotations": annotations}
    lease = Lease.from_raw({"metadata": meta, "spec": spec})
    assert not ValidatorLease.read(lease).has_applied("servicetokens", "team-a", 1)


def test_nothing_of_doctor_depends_on_more_than_views() -> None:
    """Its checks look at tokens through what was fuzzed above."""
    assert set(checks.CHECKS) >= {"tokens", "orphans", "GitOps", "keys"}
