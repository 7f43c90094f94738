"""Stored objects as they may be, odd ones included, and what a validator decides by them."""

import json
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from common.builders.presenting import RING, STALENESS
from common.fakes.clock import FakeClock
from servicetokens.api.values import format_time
from servicetokens.authn import wire
from servicetokens.authn.addresses import Origin, parse_address
from servicetokens.authn.authenticator import make_authenticator
from servicetokens.authn.decision import AuthenticationRequest, Decision
from servicetokens.authn.index import Index
from servicetokens.authn.requests import HttpRequest
from servicetokens.authn.tables import AccountTable, RoleTable, TokenTable
from servicetokens.cli.simulation import Objects, Request
from servicetokens.kube.watch import Identity
from servicetokens.tokens.format import Token, mint
from servicetokens.tokens.verifier import ALGORITHM

NOW: Final = FakeClock().now()
DAY: Final = 86400
UID: Final = "11111111-1111-1111-1111-111111111111"
PRESENTED: Final = mint("svt", bytes)
OTHER: Final = mint("svt", lambda size: b"\x01" * size)
NAMES: Final = ("reader", "writer")
AUDIENCES: Final = ("https://a.example.com", "b.example.com")
NETWORKS: Final = ("10.0.0.0/8", "2001:db8::/32")

Raw = dict[str, Any]
_times = st.sampled_from((-40 * DAY, -31 * DAY, -DAY, -1, 0, 1, 30, 120, DAY, 400 * DAY)).map(
    lambda shift: format_time(NOW + shift)
)
_odd_times = st.one_of(_times, st.sampled_from(("soon", "", "2027-01-31")))


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Raw]:
    """Each of *fields*, or not."""
    return st.fixed_dictionaries({}, optional=fields)


def some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """Up to two of *values*."""
    return st.lists(st.sampled_from(values), unique=True, max_size=2)


def credential(token: Token, serial: int, minted: str, end: str | None, key: str) -> Raw:
    """Return an entry of `status.credentials` whose hash is right, unless *key* is another one."""
    value = RING.sign("k1", UID, serial, token.reveal())
    verifier = {"algorithm": ALGORITHM if key else "Other", "keyID": key or "k1", "value": value}
    found = {"serial": serial, "id": token.id, "mintTime": minted, "verifier": verifier}
    return found if end is None else {**found, "expirationTime": end}


_credentials = st.lists(
    st.builds(
        credential,
        st.sampled_from((PRESENTED, PRESENTED, OTHER)),
        st.integers(1, 4),
        _odd_times,
        st.none() | _odd_times,
        # The key is known, or the hash is of another algorithm; a key that was removed only validators miss.
        st.sampled_from(("k1", "k1", "k1", "")),
    ),
    max_size=3,
    unique_by=lambda one: one["id"],
)
_deleting = maybe(deletionTimestamp=_times)
TOKENS: Final = st.fixed_dictionaries(
    {
        "meta": _deleting,
        "spec": maybe(
            state=st.sampled_from(("Active", "Revoked", "Paused")),
            expiresAfter=st.sampled_from(("30d", "90d", "never", "1x")),
            expirationTime=_odd_times,
            roles=some(NAMES),
            audiences=some(AUDIENCES),
            allowedCIDRs=some((*NETWORKS, "10.0.0.1/8")),
            rotation=maybe(every=st.sampled_from(("1d", "20d")), overlap=st.sampled_from(("0s", "1h", "1x"))),
            inUseTime=_odd_times,
        ),
        "status": maybe(
            accountUID=st.sampled_from(("a-1", "a-1", "a-2")),
            suspensionTime=_odd_times,
            credentials=_credentials,
            serial=st.integers(1, 5),
            mintTime=_odd_times,
            tokenID=st.sampled_from((PRESENTED.id, OTHER.id)),
        ),
    }
)
ACCOUNTS: Final = st.none() | st.fixed_dictionaries(
    {
        "meta": _deleting,
        "spec": maybe(
            state=st.sampled_from(("Active", "Suspended", "x")),
            roles=some(NAMES),
            tokensNotBeforeTime=_odd_times,
        ),
    }
)
ROLES: Final = st.fixed_dictionaries(
    {
        "meta": _deleting,
        "name": st.sampled_from(NAMES),
        "spec": st.fixed_dictionaries(
            {"allowedNamespaces": st.sampled_from((["*"], ["team-a"], ["team-b"], ["*", "x"]))},
            optional={
                "maxLifetime": st.sampled_from(("7d", "90d", "1x")),
                "http": st.sampled_from(([{"methods": ["GET"]}], [{"paths": ["/x/*"]}], [{}])),
            },
        ),
    }
)
REQUESTS: Final = st.builds(
    Request,
    method=st.none() | st.sampled_from(("GET", "POST")),
    path=st.none() | st.sampled_from(("/", "/x/1", "/y")),
    host=st.none() | st.sampled_from(("a.example.com", "b.example.com")),
    audience=st.none() | st.sampled_from(AUDIENCES),
    client=st.none() | st.sampled_from(("10.1.1.1", "192.0.2.1", "2001:db8::1")),
)


def stored(parts: Raw, name: str, uid: str) -> Raw:
    """Return a whole object."""
    meta = {"name": name, "namespace": "team-a", "uid": uid, **parts["meta"]}
    return {
        "metadata": meta,
        **{field: value for field, value in parts.items() if field in {"spec", "status"}},
    }


def decide(objects: Objects, request: Request, presented_token: Token = PRESENTED) -> Decision:
    """Return what a validator decides about *presented_token* that has read *objects* as they are on the wire."""
    clock = FakeClock()
    index = Index(max_staleness=STALENESS)
    accounts, roles, tokens = AccountTable(index, "a"), RoleTable(index, "r"), TokenTable(index, "t")
    feeds: list[tuple[Any, Any, list[Any]]] = [
        (accounts, wire.account_decoder, [objects.account] if objects.account else []),
        (roles, wire.role_decoder, list(objects.roles or ())),
        (tokens, wire.token_decoder, [objects.token]),
    ]
    for table, decoder, items in feeds:
        for item in items:
            meta = item["metadata"]
            try:
                table.put(decoder.decode(json.dumps(item).encode()))
            except msgspec.MsgspecError:
                table.put_unreadable(Identity(meta["uid"], meta["name"], meta["namespace"]))
    index.set_keys(RING)
    for table, _, _ in feeds:
        table.end()
        table.confirm(clock.monotonic())
    spec = objects.token["spec"]
    audiences = tuple(spec.get("audiences") or ())
    if request.audience is not None:
        audiences = (request.audience,)
    elif request.host is not None:
        audiences = (request.host, f"https://{request.host}", f"http://{request.host}")
    # What was not said of the request fits: an address of the first network.
    networks = spec.get("allowedCIDRs") or ["192.0.2.0/24"]
    address = parse_address(request.client or networks[0].partition("/")[0])
    is_described = request.method or request.path or request.host
    http = HttpRequest(request.method or "GET", request.host or "", request.path or "/")
    presented = AuthenticationRequest(
        presented_token.reveal(),
        audiences=audiences,
        origin=Origin(address),
        original=(lambda: http) if is_described else None,
    )
    return make_authenticator(index, clock, prefix="svt").authenticate(presented)
