"""The validator's own decision about a token, made from the objects that a person can read. No I/O.

The objects go through the validator's tables into its index, and its authenticator decides: what is explained here can
never differ from what is enforced there. Three things only a validator has: the operator's keys, with which it verifies
the value itself (here the value counts as right), its own settings, and the client's connection.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from servicetokens.authn import wire
from servicetokens.authn.addresses import Address, Origin, parse_address
from servicetokens.authn.authenticator import make_authenticator
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Decision
from servicetokens.authn.index import Index
from servicetokens.authn.records import Credential, TokenRecord
from servicetokens.authn.requests import HttpRequest
from servicetokens.authn.roles import asks_for_roles, effective_roles
from servicetokens.authn.tables import AccountTable, RoleTable, TokenTable
from servicetokens.cli.views import Raw, View, mapping
from servicetokens.kube.watch import Identity
from servicetokens.runtime.clock import Clock
from servicetokens.tokens.format import Token
from servicetokens.tokens.verifier import KEY_BYTES, KeyRing

# The index answers from what it was given a moment ago, for as long as one command takes.
_FRESH: Final = 1e9
_VALUE_LENGTH: Final = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What a person says of the request in which the token is presented; None is not said.

    *client* is an IP address. A request is described when a method, a path or a host is.
    """

    method: str | None = None
    path: str | None = None
    host: str | None = None
    audience: str | None = None
    client: str | None = None

    @property
    def http(self) -> HttpRequest | None:
        """The HTTP request, if one is described: `GET /` where only a part is said."""
        if self.method is None and self.path is None and self.host is None:
            return None
        path = (self.path or "/").partition("?")[0]
        return HttpRequest((self.method or "GET").upper(), (self.host or "").lower(), path)


@dataclass(frozen=True, slots=True)
class Objects:
    """A ServiceToken and what it depends on, as JSON objects.

    *account* None: it does not exist. *roles* None: they may not be read, and then every role counts as granted.
    """

    token: Raw
    account: Raw | None
    roles: Iterable[Raw] | None = None


@dataclass(frozen=True, slots=True)
class SimulatedDecision:
    """What a validator would decide, and the records by which it would.

    Attributes:
        decision: for the request as far as it is described: what is not described restricts nothing.
        record: the token; None when the validator cannot read the object at all.
        credential: the one that is presented; None when the object does not have it (any more).
        roles: the names of the effective roles.
        asks_for_roles: whether it is meant to have any.
        knows_roles: whether the ServiceRoles could be read.
    """

    decision: Decision
    record: TokenRecord | None
    credential: Credential | None
    roles: tuple[str, ...]
    asks_for_roles: bool
    knows_roles: bool

    @property
    def is_accepted(self) -> bool:
        """Whether the token is accepted."""
        return isinstance(self.decision, Accepted)


class _RightValue(KeyRing):
    """Accepts every value as the one that was minted: the user has no key. Never used to authenticate."""

    def verify(self, value: str, key_id: str, uid: str, serial: int, presented: str) -> bool:  # noqa: ARG002
        """Say yes, unless the verifier is one that no key fits: that of an unknown id has only zeros."""
        return bool(key_id) and len(value) == _VALUE_LENGTH and value.strip("0") != ""


def simulate(objects: Objects, presented: Token, request: Request, clock: Clock) -> SimulatedDecision:
    """Return what a validator would decide about *presented* by *objects*, if its value is the one that was minted."""
    index = Index(max_staleness=_FRESH)
    accounts, roles, tokens = (
        AccountTable(index, "accounts"),
        RoleTable(index, "roles"),
        TokenTable(index, "tokens"),
    )
    if objects.account is not None:
        _put(accounts, objects.account, wire.AccountObject)
    for role in _roles_of(objects) if objects.roles is None else objects.roles:
        _put(roles, role, wire.RoleObject)
    _put(tokens, objects.token, wire.TokenObject)
    index.set_keys(_RightValue({"k1": bytes(KEY_BYTES)}))
    for table in (accounts, roles, tokens):
        table.end()
        table.confirm(clock.monotonic())
    record = index.by_id.get(presented.id)
    credential = next((one for one in record.credentials if one.id == presented.id), None) if record else None
    granted = effective_roles(record, credential, index.roles) if record and credential else ()
    authenticator = make_authenticator(index, clock, prefix=presented.reveal().partition("_")[0])
    return SimulatedDecision(
        decision=authenticator.authenticate(_presented(presented, request, record)),
        record=record,
        credential=credential,
        roles=tuple(role.name for role in granted),
        asks_for_roles=record is not None and asks_for_roles(record),
        knows_roles=objects.roles is not None,
    )


def _presented(token: Token, request: Request, record: TokenRecord | None) -> AuthenticationRequest:
    """Return the occasion: what was not said of it is as the token wants it."""
    http = request.http
    audiences: tuple[str, ...] | None = () if record is None else record.restrictions.audiences
    if request.audience is not None:
        audiences = (request.audience,)
    elif request.host is not None:
        audiences = None
    networks = () if record is None else record.restrictions.networks
    address = parse_address(request.client) if request.client is not None else None
    if request.client is None and networks:
        address = Address(networks[0].version, networks[0].value)
    return AuthenticationRequest(
        token.reveal(),
        audiences=audiences,
        origin=Origin(address),
        original=None if http is None else lambda: http,
    )


def _put(table: AccountTable | RoleTable | TokenTable, raw: Raw, kind: type[T]) -> None:
    try:
        table.put(msgspec.convert(raw, kind))  # type: ignore[arg-type]
    except msgspec.ValidationError:
        view = View(raw)
        table.put_unreadable(Identity(view.uid, view.name, view.namespace))


def _roles_of(objects: Objects) -> list[Raw]:
    """Return a role for each that the account names, granted everywhere and for every request."""
    spec = mapping((objects.account or {}).get("spec"))
    listed = spec.get("roles")
    return [
        {"metadata": {"name": name, "uid": name}, "spec": {"allowedNamespaces": ["*"]}}
        for name in (listed if isinstance(listed, list) else ())
        if isinstance(name, str)
    ]
