"""Removing a role, a rule, a namespace or a permission never turns a no into a yes."""

import copy
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from common.builders.presenting import Surroundings
from servicetokens.authn.decision import Accepted
from servicetokens.authn.requests import HttpRequest
from servicetokens.kube.watch import Identity

ROLES: Final = ("admin", "reader", "writer")
_HOSTS: Final = ("a.example.com", "b.example.com")
_METHODS: Final = ("GET", "DELETE")
_PATHS: Final = ("/", "/x", "/x/*", "/**")
_PERMISSIONS: Final = ("servicetokens:introspect", "x:read")

World = dict[str, Any]
"""What an administrator can write: the account's roles, the token's (None: all of them), and the catalogue."""


def _some(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, min_size=least)


_rules = st.fixed_dictionaries(
    {},
    optional={"hosts": _some(_HOSTS, 1), "methods": _some(_METHODS, 1), "paths": _some(_PATHS, 1)},
).filter(bool)
_catalogued = st.fixed_dictionaries(
    {
        "allowedNamespaces": st.just(["*"]) | _some(("team-a", "team-b"), 1),
        "permissions": _some(_PERMISSIONS),
    },
    optional={
        "http": st.lists(_rules, min_size=1, max_size=2),
        "maxLifetime": st.sampled_from(("7d", "90d", "never")),
    },
)
_worlds: st.SearchStrategy[World] = st.fixed_dictionaries(
    {
        "account": _some(ROLES),
        "token": st.none() | _some(ROLES, 1),
        "catalogue": st.fixed_dictionaries(dict.fromkeys(ROLES, _catalogued)),
    }
)


Removal = tuple[str | int, ...]
"""The way to something in a world; its last step is what is taken out."""


def _removals(world: World) -> Iterator[Removal]:
    """Give everything that can be taken out of *world*."""
    for place in range(len(world["account"])):
        yield ("account", place)
    for place in range(len(world["token"] or ())):
        yield ("token", place)
    for name, role in world["catalogue"].items():
        yield ("catalogue", name)
        for field in ("allowedNamespaces", "permissions", "http"):
            for place in range(len(role.get(field, ()))):
                yield ("catalogue", name, field, place)
        for number, rule in enumerate(role.get("http", ())):
            for field, values in rule.items():
                for place in range(len(values)):
                    yield ("catalogue", name, "http", number, field, place)


def _without(world: World, removal: Removal) -> World:
    """Return *world* without that."""
    changed: Any = copy.deepcopy(world)
    found = changed
    for step in removal[:-1]:
        found = found[step]
    del found[removal[-1]]
    return dict(changed)


def _fill(it: Surroundings, world: World) -> None:
    """Let *world* be what there is."""
    it.put_account(roles=world["account"])
    it.put_token(**({} if world["token"] is None else {"roles": world["token"]}))
    for name in ROLES:
        if name in world["catalogue"]:
            it.put_role(name, **world["catalogue"][name])
        else:
            it.roles.remove(Identity(f"r-{name}", name))


def _granted(it: Surroundings, requests: list[HttpRequest | None]) -> set[tuple[object, ...]]:
    """Return every yes: to requests, with and without required roles, and what services receive with it."""
    found: set[tuple[object, ...]] = set()
    for request in requests:
        for required in ((), *((role,) for role in ROLES)):
            decision = it.present(original=lambda request=request: request, required_roles=required)
            if isinstance(decision, Accepted):
                found.add((request, required))
                found |= {(request, required, role.name) for role in decision.roles}
                found |= {(request, required, permission) for permission in decision.permissions}
    told = it.accepted()
    return found | {("told", role.name) for role in told.roles} | {("told", one) for one in told.permissions}


_requests = st.builds(
    HttpRequest,
    st.sampled_from(_METHODS),
    st.sampled_from((*_HOSTS, "")),
    st.sampled_from(("/", "/x", "/x/y", "/x/y/z", "/x/../y")),
)


# Each example takes many steps.
@settings(max_examples=100)
@given(world=_worlds, requests=st.lists(st.none() | _requests, min_size=1, max_size=4), data=st.data())
def test_removing_never_grants(world: World, requests: list[HttpRequest | None], data: st.DataObject) -> None:
    """Whatever is removed, and however much of it, one after the other: each step grants the same or less."""
    it = Surroundings()
    _fill(it, world)
    before = _granted(it, requests)
    while removals := list(_removals(world)):
        world = _without(world, data.draw(st.sampled_from(removals), label="removal"))
        _fill(it, world)
        after = _granted(it, requests)
        assert after <= before
        before = after


def test_a_role_whose_last_namespace_is_removed_is_granted_nowhere() -> None:
    """The namespace of the token was not even listed before; that the list is empty does not mean all."""
    world: World = {
        "account": ["reader"],
        "token": None,
        "catalogue": {name: {"allowedNamespaces": ["team-b"], "permissions": ["x:read"]} for name in ROLES},
    }
    it = Surroundings()
    _fill(it, world)
    before = _granted(it, [None])
    _fill(it, _without(world, ("catalogue", "reader", "allowedNamespaces", 0)))
    assert _granted(it, [None]) == before == set()
