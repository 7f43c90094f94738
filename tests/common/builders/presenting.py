"""An index filled with objects as the API server sends them, and tokens to present to its authenticator."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from common.fakes.clock import FakeClock
from common.fakes.entropy import CountingEntropy
from servicetokens.api.values import format_time
from servicetokens.authn import wire
from servicetokens.authn.authenticator import Authenticator, make_authenticator
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Decision, Rejected
from servicetokens.authn.index import Index
from servicetokens.authn.tables import AccountTable, RoleTable, TokenTable
from servicetokens.kube.watch import Identity
from servicetokens.tokens.format import Token, mint
from servicetokens.tokens.verifier import ALGORITHM, KeyRing
from servicetokens.validator.use_reporting import UseReporter

RING: Final = KeyRing({"k1": bytes(range(0x20, 0x40))})
DAY: Final = 86400
STALENESS: Final = 60.0


class Surroundings:
    """The account `team-a/ci` with its token `ci-prod`, in an index that is complete."""

    def __init__(
        self, *, on_use: Callable[[Accepted, AuthenticationRequest], None] | None = None, **authenticator: Any
    ) -> None:
        self.clock = FakeClock()
        self.index = Index(max_staleness=STALENESS)
        self.accounts = AccountTable(self.index, "accounts")
        self.roles = RoleTable(self.index, "roles")
        self.tokens = TokenTable(self.index, "tokens")
        self.authenticator: Authenticator = make_authenticator(
            self.index, self.clock, **({"prefix": "svt"} | authenticator)
        )
        if on_use is not None:
            self.authenticator = UseReporter(self.authenticator, self.clock, on_use)
        self._entropy = CountingEntropy()
        self.put_account()
        self.token = self.mint()
        self.put_token()
        self.complete()

    # Filling.

    def complete(self) -> None:
        """Let all lists be complete, and the keys be read."""
        self.index.set_keys(RING)
        for table in (self.accounts, self.roles, self.tokens):
            table.end()
            table.confirm(self.clock.monotonic())

    def confirm(self) -> None:
        """Let all watches give a sign of life."""
        for table in (self.accounts, self.roles, self.tokens):
            table.confirm(self.clock.monotonic())

    def mint(self) -> Token:
        """Make another token; no object claims it."""
        return mint("svt", self._entropy)

    def put_account(self, *, uid: str = "a-1", deleting: bool = False, **spec: Any) -> None:
        """Put the account, with *spec* as on the wire."""
        meta = _meta("ci", uid, deleting=deleting)
        self.accounts.put(_decoded(wire.account_decoder, {"metadata": meta, "spec": spec}))

    def put_role(self, name: str, *, deleting: bool = False, **spec: Any) -> None:
        """Put a role for all namespaces, unless *spec* says otherwise."""
        meta = _meta(name, f"r-{name}", deleting=deleting)
        del meta["namespace"]
        body = {"metadata": meta, "spec": {"allowedNamespaces": ["*"], **spec}}
        self.roles.put(_decoded(wire.role_decoder, body))

    def put_token(
        self,
        *,
        uid: str = "u-1",
        name: str = "ci-prod",
        deleting: bool = False,
        account_uid: str = "a-1",
        credentials: Sequence[Mapping[str, Any]] | None = None,
        suspended: str | None = None,
        status: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        """Put the token, 30 days long unless *spec* says otherwise, with one credential unless others are given.

        *suspended* is the time since when it is, because it was not used; *status* is what status says in addition,
        where numbers in `…Time` are Unix seconds.
        """
        more = {
            name: format_time(value) if name.endswith("Time") and isinstance(value, int) else value
            for name, value in (status or {}).items()
        }
        end = {} if "expirationTime" in spec or "expiresAfter" in spec else {"expiresAfter": "30d"}
        stored = [self.credential(self.token, uid=uid)] if credentials is None else list(credentials)
        body = {
            "metadata": _meta(name, uid, deleting=deleting),
            "spec": {"accountRef": {"name": "ci"}, **end, **spec},
            "status": {"accountUID": account_uid, "credentials": stored, "suspensionTime": suspended, **more},
        }
        self.tokens.put(_decoded(wire.token_decoder, body))

    def credential(
        self,
        token: Token,
        *,
        uid: str = "u-1",
        serial: int = 1,
        minted: int | None = None,
        end: int | None = None,
        ring: KeyRing = RING,
        **changes: Any,
    ) -> dict[str, Any]:
        """Return an entry of `status.credentials`."""
        verifier = {
            "algorithm": ALGORITHM,
            "keyID": ring.newest,
            "value": ring.sign(ring.newest, uid, serial, token.reveal()),
        }
        entry = {
            "serial": serial,
            "id": token.id,
            "mintTime": format_time(self.clock.now() if minted is None else minted),
            "verifier": verifier,
        }
        if end is not None:
            entry["expirationTime"] = format_time(end)
        return entry | changes

    def remove_token(self, uid: str = "u-1") -> None:
        """Delete the token."""
        self.tokens.remove(Identity(uid, "ci-prod", "team-a"))

    # Presenting.

    def present(self, token: Token | str | None = None, **occasion: Any) -> Decision:
        """Present a token (the one there is, if none is given)."""
        presented = token if isinstance(token, str) else (token or self.token).reveal()
        return self.authenticator.authenticate(AuthenticationRequest(presented, **occasion))

    def accepted(self, token: Token | str | None = None, **occasion: Any) -> Accepted:
        """Present a token that must be accepted."""
        decision = self.present(token, **occasion)
        assert isinstance(decision, Accepted), decision
        return decision

    def reason(self, token: Token | str | None = None, **occasion: Any) -> str:
        """Present a token that must be rejected, and return why."""
        decision = self.present(token, **occasion)
        assert isinstance(decision, Rejected), decision
        return decision.reason.value


def _meta(name: str, uid: str, *, deleting: bool) -> dict[str, Any]:
    meta = {"name": name, "namespace": "team-a", "uid": uid}
    return meta | ({"deletionTimestamp": "2027-01-15T08:00:00Z"} if deleting else {})


def _decoded(decoder: Any, body: Mapping[str, Any]) -> Any:
    return decoder.decode(json.dumps(body).encode())
