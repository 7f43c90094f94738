"""One ServiceToken in a cluster that is only a few dictionaries, and the parts of the operator that work on it."""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from common.fakes.clock import FakeClock
from common.fakes.enforcing import NobodyAsked
from common.fakes.entropy import CountingEntropy
from servicetokens.api import names
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.reconcile.delivery import Delivery
from servicetokens.controllers.reconcile.execute import Executor
from servicetokens.controllers.reconcile.gather import Gatherer
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.controllers.reconcile.minting import TokenMint
from servicetokens.controllers.reconcile.reading import TokenReader
from servicetokens.controllers.reconcile.reports import Reports
from servicetokens.controllers.reconcile.statuses import Statuses
from servicetokens.kube.errors import (
    AlreadyExists,
    ApiUnavailable,
    Conflict,
    KubeError,
    NotFound,
)
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import Plan
from servicetokens.lifecycle.plan import plan
from servicetokens.lifecycle.snapshot import Snapshot
from servicetokens.tokens.format import mint
from servicetokens.tokens.verifier import KeyRing

KEY = Key(names.KIND_TOKEN, "team-a", "ci-prod")
PLACE = ("team-a", "ci-prod")
_WRITES = frozenset({"put status", "create secret", "patch secret"})


class Keys:
    """One key."""

    ring: KeyRing | None = KeyRing({"k1": bytes(range(0x20, 0x40))})
    error = ""


class Cluster:
    """One ServiceToken and its Secret, in memory. *fails* has an exception per call that must fail.

    With `applied` the failing call takes effect nevertheless, as when its answer got lost.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails: dict[str, KubeError] = {}
        self.applied = False
        self.version = 10
        self.token: dict[str, Any] | None = {
            "metadata": {
                "name": "ci-prod",
                "namespace": "team-a",
                "uid": "u-1",
                "generation": 1,
                "resourceVersion": "10",
            },
            "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
        }
        self.secret: dict[str, Any] | None = None
        #: The number of the write that must get no answer, counted from now on.
        self.fails_at: int | None = None
        #: Asked after each write; see `observed`.
        self.observe: Callable[[], bool] | None = None
        self.observed: list[bool] = []
        self.events: list[str] = []

    async def put_status(
        self,
        _plural: str,
        _kind: str,
        *,
        namespace: str,
        name: str,
        resource_version: str,
        status: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """Replace the status."""
        self._begin("put status")
        if self.token is None:
            message = f"{namespace}/{name} is not there"
            raise NotFound(message)
        if resource_version != self.token["metadata"]["resourceVersion"]:
            message = "the object has been modified"
            raise Conflict(message)
        meta = {**self.token["metadata"], "resourceVersion": self._next()}
        self.token = {**self.token, "metadata": meta, "status": dict(status)}
        self._end("put status")
        return self.token

    async def get(self, *place: str) -> Mapping[str, Any]:
        """Return the token (plural, namespace, name) or the Secret (namespace, name)."""
        found = self.token if len(place) == 3 else self.secret
        self._begin("get token" if len(place) == 3 else "get secret")
        if found is None:
            message = f"{place} is not there"
            raise NotFound(message)
        return found

    async def create(
        self,
        namespace: str,
        secret: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
        dry_run: bool = False,
    ) -> Mapping[str, Any]:
        """Create the Secret, or say whether that would be accepted; as in an API server, the name comes last."""
        assert hidden
        self._begin("rehearse secret" if dry_run else "create secret")
        if self.secret is not None:
            message = "already exists"
            raise AlreadyExists(message)
        if dry_run:
            return secret
        meta = {**secret["metadata"], "namespace": namespace, "uid": "s", "resourceVersion": self._next()}
        self.secret = {**secret, "metadata": meta}
        self._end("create secret")
        return self.secret

    async def patch(
        self,
        _namespace: str,
        _name: str,
        resource_version: str,
        patch: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
    ) -> Mapping[str, Any]:
        """Merge into the Secret."""
        assert hidden
        self._begin("patch secret")
        if self.secret is None or self.secret["metadata"]["resourceVersion"] != resource_version:
            message = "the object has been modified"
            raise Conflict(message)
        self.secret = merged(self.secret, patch)
        self.secret["metadata"]["resourceVersion"] = self._next()
        self._end("patch secret")
        return self.secret

    async def delete(self, _namespace: str, _name: str, *, uid: str, resource_version: str) -> None:
        """Delete the Secret that was seen."""
        self._begin("delete secret")
        assert self.secret is not None
        assert (uid, resource_version) == ("s", self.secret["metadata"]["resourceVersion"])
        self.secret = None

    async def send(self, _regarding: object, _kind: str, reason: str, _note: str) -> None:
        """Note an Event."""
        self._begin("event")
        self.events.append(reason)

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        if self.fails_at is not None and call in _WRITES:
            if self.fails_at == 0:
                self.fails[call] = ApiUnavailable("no answer")
            self.fails_at = self.fails_at - 1 if self.fails_at else None
        if call in self.fails and not self.applied:
            raise self.fails.pop(call)

    def _end(self, call: str) -> None:
        if self.observe is not None:
            self.observed.append(self.observe())
        if call in self.fails:
            raise self.fails.pop(call)

    def _next(self) -> str:
        self.version += 1
        return str(self.version)


def merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a merge patch (RFC 7386)."""
    result = dict(old)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = value
    return result


class Operator:
    """Gather, plan and execute over one fake cluster."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.clock = FakeClock()
        self.keys = Keys()
        self._entropy = CountingEntropy()
        self.restart()

    def restart(self) -> None:
        """Forget everything that is in memory, as a crash does."""
        self.caches, self.memories = Caches(), Memories()
        assert self.cluster.token is not None
        self.caches.put_token(facts.token_facts(self.cluster.token))
        account = {"metadata": {"name": "ci", "namespace": "team-a", "uid": "a-1"}, "spec": {}}
        self.caches.accounts.put(("team-a", "ci"), facts.account_facts(account))
        if self.cluster.secret is not None:
            self.caches.secrets.put(PLACE, facts.secret_facts(self.cluster.secret, self.keys.ring))
        reader = TokenReader(
            self.caches, self.memories, self.keys, self.cluster, self.cluster, watches_secrets=True
        )
        self.gatherer = Gatherer(reader, self.caches, self.keys, self.cluster, NobodyAsked())
        self.reports = Reports(self.memories, self.cluster, self.clock)
        self.executor = Executor(
            self.memories,
            Statuses(self.caches, self.cluster),
            Delivery(self.caches, self.memories, self.keys, self.cluster, self.clock),
            self.reports,
            self.clock,
        )
        self.minting = TokenMint(self.memories, self.keys, lambda: mint("svt", self._entropy))

    async def reconcile(self) -> bool:
        """Run one pass."""
        snapshot = await self.gatherer.token(KEY, self.clock.now())
        if snapshot is None:
            return False
        return await self.executor.execute(KEY, snapshot, self.plan(snapshot))

    def plan(self, snapshot: Snapshot) -> Plan:
        """Return the plan for *snapshot*, with what was minted for it."""
        return plan(snapshot, self.clock.now(), partial(self.minting.mint, KEY, snapshot))

    async def fails_with(self, kind: type[KubeError]) -> None:
        """Run one pass that fails."""
        with pytest.raises(kind):
            await self.reconcile()

    def status(self) -> Mapping[str, Any]:
        """Return the token's status."""
        assert self.cluster.token is not None
        found: Mapping[str, Any] = self.cluster.token.get("status", {})
        return found

    def credentials(self) -> list[dict[str, Any]]:
        """Return the credentials on status."""
        return list(self.status().get("credentials", []))

    def value(self) -> str:
        """Return the value in the Secret; nothing when there is none."""
        return base64.b64decode((self.cluster.secret or {}).get("data", {}).get("token", "")).decode()

    def is_known_value(self) -> bool:
        """Say whether status lists the value in the Secret."""
        ring = self.keys.ring
        return ring is not None and any(
            ring.verify(
                one["verifier"]["value"], one["verifier"]["keyID"], "u-1", one["serial"], self.value()
            )
            for one in self.credentials()
        )

    def see_secret(self) -> None:
        """Deliver the stored Secret through the watch."""
        assert self.cluster.secret is not None
        self.cluster.secret["metadata"]["resourceVersion"] = self.cluster._next()
        self.caches.secrets.put(PLACE, facts.secret_facts(self.cluster.secret, self.keys.ring))

    def lose_secret(self) -> None:
        """Delete the Secret, and deliver that through the watch."""
        self.cluster.secret = None
        self.caches.secrets.drop(PLACE)

    def is_delivered(self) -> bool:
        """Say whether the Secret's value is the one and only credential on status."""
        assert self.cluster.token is not None
        credentials = self.cluster.token["status"]["credentials"]
        if self.cluster.secret is None or len(credentials) != 1 or self.keys.ring is None:
            return False
        value = base64.b64decode(self.cluster.secret["data"]["token"]).decode()
        stored = credentials[0]["verifier"]
        return self.keys.ring.verify(stored["value"], stored["keyID"], "u-1", credentials[0]["serial"], value)

    def edit(self, **spec: Any) -> None:
        """Change the spec, as a user does."""
        assert self.cluster.token is not None
        meta = self.cluster.token["metadata"]
        meta = {**meta, "generation": meta["generation"] + 1, "resourceVersion": self.cluster._next()}
        self.cluster.token = {
            **self.cluster.token,
            "metadata": meta,
            "spec": {**self.cluster.token["spec"], **spec},
        }
        self.caches.put_token(facts.token_facts(self.cluster.token))

    def condition(self, wanted: str) -> Mapping[str, Any]:
        """Return a condition of the token."""
        assert self.cluster.token is not None
        return next(c for c in self.cluster.token["status"]["conditions"] if c["type"] == wanted)
