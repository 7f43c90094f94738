"""Carrying out plans: the order of writes, and what is left behind when one of them fails."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from common.clock import FakeClock
from common.entropy import CountingEntropy
from servicetokens.api import names
from servicetokens.controllers import facts
from servicetokens.controllers.cache import Caches
from servicetokens.controllers.execute import Executor
from servicetokens.controllers.gather import Gatherer
from servicetokens.controllers.keys import Key
from servicetokens.controllers.memory import Memories
from servicetokens.kube.errors import (
    AlreadyExists,
    ApiUnavailable,
    Conflict,
    Forbidden,
    KubeError,
    NotFound,
)
from servicetokens.lifecycle.plan import plan
from servicetokens.tokens.format import mint
from servicetokens.tokens.verifier import KeyRing

KEY = Key(names.KIND_TOKEN, "team-a", "ci-prod")
PLACE = ("team-a", "ci-prod")


class Keys:
    """One key."""

    ring: KeyRing | None = KeyRing({"k1": bytes(range(0x20, 0x40))})
    error = ""


class Cluster:
    """One ServiceToken and its Secret, in memory. *fails* has an exception per call that shall fail.

    With `applied` the failing call takes effect all the same, as when its answer got lost.
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

    async def create(self, namespace: str, secret: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create the Secret."""
        self._begin("create secret")
        if self.secret is not None:
            message = "already exists"
            raise AlreadyExists(message)
        meta = {**secret["metadata"], "namespace": namespace, "uid": "s", "resourceVersion": self._next()}
        self.secret = {**secret, "metadata": meta}
        self._end("create secret")
        return self.secret

    async def patch(
        self, _namespace: str, _name: str, resource_version: str, patch: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Merge into the Secret."""
        self._begin("patch secret")
        if self.secret is None or self.secret["metadata"]["resourceVersion"] != resource_version:
            message = "the object has been modified"
            raise Conflict(message)
        self.secret = merged(self.secret, patch)
        self.secret["metadata"]["resourceVersion"] = self._next()
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
        if call in self.fails and not self.applied:
            raise self.fails.pop(call)

    def _end(self, call: str) -> None:
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
        self.gatherer = Gatherer(
            self.caches, self.memories, self.keys, self.cluster, self.cluster, watches_secrets=True
        )
        self.executor = Executor(
            self.caches,
            self.memories,
            self.keys,
            self.cluster,
            self.cluster,
            self.cluster,
            mint=lambda: mint("svt", self._entropy),
            clock=self.clock,
        )

    async def reconcile(self) -> bool:
        """Run one pass."""
        snapshot = await self.gatherer.token(KEY, self.clock.now())
        if snapshot is None:
            return False
        return await self.executor.execute(KEY, snapshot, plan(snapshot, self.clock.now()))

    async def fails_with(self, kind: type[KubeError]) -> None:
        """Run one pass that fails."""
        with pytest.raises(kind):
            await self.reconcile()

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


@pytest.fixture
def it() -> Operator:
    """A token that was just applied."""
    return Operator()


async def test_a_new_token_is_two_writes_status_first(it: Operator) -> None:
    """And no read, and no Event; the second pass does nothing."""
    assert not await it.reconcile()
    assert it.cluster.calls == ["put status", "create secret"]
    assert it.is_delivered()
    assert not await it.reconcile()
    assert it.cluster.calls == ["put status", "create secret"]


async def test_a_crash_between_the_writes_is_healed_by_a_fresh_mint(it: Operator) -> None:
    """The plaintext died with the process, so its credential must not stay."""
    it.cluster.fails["create secret"] = ApiUnavailable("no answer", may_have_been_applied=False)
    await it.fails_with(ApiUnavailable)
    it.restart()
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.token is not None
    assert it.cluster.token["status"]["serial"] == 2


async def test_a_secret_that_fails_for_a_moment_costs_no_second_mint(it: Operator) -> None:
    """The plaintext waits in memory, and is delivered by the next pass."""
    it.cluster.fails["create secret"] = ApiUnavailable("no answer")
    await it.fails_with(ApiUnavailable)
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.token is not None
    assert it.cluster.token["status"]["serial"] == 1
    assert it.cluster.calls == ["put status", "create secret", "get secret", "create secret"]


async def test_a_creation_whose_answer_got_lost_is_looked_up(it: Operator) -> None:
    """It was applied: nothing is minted, nothing is written."""
    it.cluster.applied = True
    it.cluster.fails["create secret"] = ApiUnavailable("timed out")
    await it.fails_with(ApiUnavailable)
    await it.reconcile()
    assert it.cluster.calls.count("create secret") == 1
    assert it.is_delivered()


async def test_a_status_write_whose_answer_got_lost_is_looked_up(it: Operator) -> None:
    """It was applied: the very token that is on status is delivered."""
    it.cluster.applied = True
    it.cluster.fails["put status"] = ApiUnavailable("timed out")
    await it.fails_with(ApiUnavailable)
    assert it.cluster.secret is None
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.calls.count("put status") == 1


async def test_a_status_write_that_was_not_applied_is_made_again(it: Operator) -> None:
    """The token of the first try is forgotten."""
    it.cluster.fails["put status"] = ApiUnavailable("timed out")
    await it.fails_with(ApiUnavailable)
    await it.reconcile()
    assert it.is_delivered()


async def test_a_conflict_is_read_again_before_anything_is_written(it: Operator) -> None:
    """The cache was behind."""
    it.edit(description="changed meanwhile")
    it.caches.tokens._facts[PLACE] = facts.token_facts(
        {
            **(it.cluster.token or {}),
            "metadata": {**(it.cluster.token or {})["metadata"], "resourceVersion": "3"},
        }
    )
    await it.fails_with(Conflict)
    await it.reconcile()
    assert "get token" in it.cluster.calls
    assert it.is_delivered()


async def test_a_token_that_is_gone_is_forgotten(it: Operator) -> None:
    """Found out by the write; there is nothing to deliver any more."""
    it.cluster.token = None
    assert not await it.reconcile()
    assert len(it.memories) == 0
    assert it.cluster.secret is None


async def test_a_namespace_that_goes_is_no_error(it: Operator) -> None:
    """403 with the cause NamespaceTerminating, or 404: final, and not tried again."""
    for failure in (
        Forbidden("being terminated", causes=("NamespaceTerminating",)),
        NotFound("namespaces 'team-a' not found"),
    ):
        it = Operator()
        it.cluster.fails["create secret"] = failure
        assert not await it.reconcile()
        assert len(it.memories) == 0


async def test_a_refused_secret_is_told_and_keeps_its_token(it: Operator) -> None:
    """A quota: the condition says so; nothing new is minted; when it is lifted, that token is delivered."""
    it.cluster.fails["create secret"] = Forbidden("exceeded quota: secrets=10")
    assert await it.reconcile()
    assert not await it.reconcile()
    ready = it.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "SecretMissing")
    assert "exceeded quota" in ready["message"]
    it.clock.advance(10)
    assert await it.reconcile()
    await it.reconcile()
    assert it.is_delivered()
    assert it.condition("Ready")["status"] == "True"
    assert it.cluster.token is not None
    assert it.cluster.token["status"]["serial"] == 1


async def test_a_taken_name_is_found_out_and_the_credential_is_dropped(it: Operator) -> None:
    """Nobody ever got its plaintext. The foreign Secret is not touched."""
    foreign = {"type": "Opaque", "metadata": {"uid": "f", "resourceVersion": "5"}, "data": {"token": "eA=="}}
    it.cluster.secret = foreign
    await it.fails_with(AlreadyExists)
    await it.reconcile()
    assert it.cluster.secret is foreign
    assert it.condition("Stalled")["reason"] == "SecretConflict"
    assert it.cluster.token is not None
    assert "credentials" not in it.cluster.token["status"]


async def test_a_rotation_keeps_what_others_put_on_the_secret(it: Operator) -> None:
    """A merge touches our keys only."""
    await it.reconcile()
    assert it.cluster.secret is not None
    it.cluster.secret["metadata"]["labels"]["team"] = "orders"
    it.cluster.secret["data"]["note"] = "aGk="
    it.edit(rotation={"id": "now"})
    await it.reconcile()
    assert it.cluster.secret["metadata"]["labels"]["team"] == "orders"
    assert it.cluster.secret["data"]["note"] == "aGk="
    assert it.cluster.events == ["TokenRotated"]


async def test_what_leaves_the_template_leaves_the_secret(it: Operator) -> None:
    """And what the template says is rendered with the token that is there."""
    it.edit(secret={"template": {"data": {"header": "Bearer {token}"}, "labels": {"team": "a"}}})
    await it.reconcile()
    assert it.cluster.secret is not None
    header = base64.b64decode(it.cluster.secret["data"]["header"]).decode()
    assert header == "Bearer " + base64.b64decode(it.cluster.secret["data"]["token"]).decode()
    it.edit(secret={"template": {"annotations": {"team": "a"}}})
    await it.reconcile()
    assert set(it.cluster.secret["data"]) == {"token"}
    assert "team" not in it.cluster.secret["metadata"]["labels"]
    assert it.cluster.secret["metadata"]["annotations"]["team"] == "a"
    assert it.is_delivered()
    calls = list(it.cluster.calls)
    await it.reconcile()
    assert it.cluster.calls == calls


async def test_an_immutable_secret_is_made_anew_with_the_same_token(it: Operator) -> None:
    """Deleted and created; what others put there moves along."""
    await it.reconcile()
    assert it.cluster.secret is not None
    value = it.cluster.secret["data"]["token"]
    it.cluster.secret["immutable"] = True
    it.cluster.secret["metadata"]["labels"]["team"] = "orders"
    it.restart()
    await it.reconcile()
    assert it.cluster.calls[-2:] == ["delete secret", "create secret"]
    assert it.cluster.secret["data"]["token"] == value
    assert it.cluster.secret["metadata"]["labels"]["team"] == "orders"
    assert "immutable" not in it.cluster.secret


async def test_a_secret_that_changes_while_it_is_refreshed_is_looked_at_again(it: Operator) -> None:
    """The value is verified once more before it is written back."""
    await it.reconcile()
    it.edit(secret={"template": {"labels": {"team": "a"}}})
    assert it.cluster.secret is not None
    it.cluster.secret["data"]["token"] = base64.b64encode(b"something else").decode()
    await it.fails_with(Conflict)
    await it.reconcile()
    assert it.is_delivered()
    assert it.cluster.events == ["TokenReminted"]


async def test_an_event_that_cannot_be_sent_costs_nothing_else(it: Operator) -> None:
    """Status says the same, and stays."""
    await it.reconcile()
    it.cluster.fails["event"] = Forbidden("events is forbidden")
    it.edit(rotation={"id": "now"})
    assert not await it.reconcile()
    assert it.cluster.events == []
    assert len((it.cluster.token or {})["status"]["credentials"]) == 2


async def test_keys_that_vanish_between_plan_and_mint_stop_the_mint(it: Operator) -> None:
    """Nothing is written; the next pass says KeyMissing."""
    snapshot = await it.gatherer.token(KEY, it.clock.now())
    assert snapshot is not None
    wanted = plan(snapshot, it.clock.now())
    it.keys.ring = None
    with pytest.raises(ApiUnavailable):
        await it.executor.execute(KEY, snapshot, wanted)
    assert it.cluster.calls == []


async def test_a_token_unknown_to_the_cache_is_nothing_to_do(it: Operator) -> None:
    """Its memory is dropped with it."""
    it.caches.drop_token(PLACE)
    assert not await it.reconcile()


async def test_without_a_watch_the_secret_is_read_by_name(it: Operator) -> None:
    """Not before the first mint, and at every look from then on."""
    it.gatherer = Gatherer(it.caches, it.memories, it.keys, it.cluster, it.cluster, watches_secrets=False)
    await it.reconcile()
    assert it.cluster.calls == ["put status", "create secret"]
    it.cluster.secret = None
    await it.reconcile()
    assert it.cluster.calls[2:] == ["get secret", "put status", "create secret", "event"]
    assert it.is_delivered()
