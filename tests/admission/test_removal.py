"""Whatever is removed from the entries of a role, the API server lets none become wider."""

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admission.server import Server
from admission.table import DEFAULT_NAME, Manifest
from servicetokens.api import names
from servicetokens.authn.requests import HttpRequest, compile_rule, is_allowed

LISTS: Final = {
    "hosts": ("a.example.com", "b.example.com"),
    "methods": ("GET", "PUT"),
    "paths": ("/a", "/b"),
}
# The last one of each is in no entry: an entry that allows it allows any.
REQUESTS: Final = [
    HttpRequest(method, host, path)
    for host in (*LISTS["hosts"], "c.example.com")
    for method in (*LISTS["methods"], "DELETE")
    for path in (*LISTS["paths"], "/c")
]
# As the CRD: what an entry, and the list of entries, may have at most.
MOST: Final = {"hosts": 16, "paths": 32}
MOST_ENTRIES: Final = 32

Entries = list[dict[str, list[str]]]

_entries: st.SearchStrategy[Entries] = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(st.sampled_from(values), min_size=1, unique=True) for name, values in LISTS.items()
        },
    ).filter(bool),
    min_size=1,
    max_size=4,
)


def role(entries: Entries) -> Manifest:
    """Return a ServiceRole with *entries*."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND_ROLE,
        "metadata": {"name": DEFAULT_NAME},
        "spec": {"allowedNamespaces": ["*"], "http": entries},
    }


def allowed(entries: Entries) -> set[HttpRequest]:
    """Return which of the requests *entries* allow."""
    rules = [compile_rule(*(entry.get(name) for name in LISTS)) for entry in entries]
    return {request for request in REQUESTS if is_allowed(request, rules)}


def without_some(entries: Entries, data: st.DataObject) -> Entries:
    """Return *entries* without some of them, of their lists, and of what is in those."""
    left: Entries = []
    for entry in entries:
        if not data.draw(st.integers(0, 3), label="removed entirely if 0"):
            continue
        less: dict[str, list[str]] = {}
        for name, values in entry.items():
            kept = [value for value in values if data.draw(st.integers(0, 2), label=f"{value} goes if 0")]
            less |= {name: kept} if kept else {}
        left += [less] if less else []
    return left


# Each example is three requests.
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(entries=_entries, data=st.data())
def test_an_update_that_only_removes_allows_no_further_request(
    server: Server, entries: Entries, data: st.DataObject
) -> None:
    """It is rejected if it would, and accepted if no entry lost one of its lists."""
    fewer = without_some(entries, data)
    created = server.create(role(entries))
    assert created.ok, created.body
    try:
        version = created.body["metadata"]["resourceVersion"]
        answer = server.replace(role(fewer), version=version, dry_run=True)
    finally:
        server.delete(names.KIND_ROLE)
    if answer.ok:
        assert allowed(fewer) <= allowed(entries)
    else:
        assert answer.status == 422, answer.body
        assert not fewer or any(set(entry) != set(LISTS) for entry in fewer)


def largest(number: int, paths: list[str]) -> dict[str, list[str]]:
    """Return an entry that has as much as the CRD allows, and every method but one."""
    return {
        "hosts": [f"h{host}.example.com" for host in range(MOST["hosts"])],
        "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        "paths": [path.format(number) for path in paths],
    }


@pytest.mark.parametrize(
    ("more", "paths", "is_accepted"),
    [
        pytest.param([], ["/{}/%d"], False, id="the methods go"),
        pytest.param(["/another"], ["/{}/%d"], True, id="the methods go, and a path comes"),
        # Every pair of entries shares 31 of 32 paths: too much to compare.
        pytest.param(["/another"], ["/%d"], False, id="entries that are nearly the same"),
    ],
)
def test_the_largest_roles_are_compared(
    server: Server, more: list[str], paths: list[str], *, is_accepted: bool
) -> None:
    """What the API server may spend on one rule suffices to compare each entry with each; if not, it rejects."""
    before = [path % number for number in range(MOST["paths"]) for path in paths]
    after = [*before[: len(before) - len(more)], *more]
    created = server.create(role([largest(number, before) for number in range(MOST_ENTRIES)]))
    assert created.ok, created.body
    changed = [largest(number, after) for number in range(MOST_ENTRIES)]
    for entry in changed:
        del entry["methods"]
    try:
        version = created.body["metadata"]["resourceVersion"]
        answer = server.replace(role(changed), version=version, dry_run=True)
    finally:
        server.delete(names.KIND_ROLE)
    assert answer.ok == is_accepted, answer.body
    assert answer.ok or "cannot be widened" in answer.body["message"], answer.body
