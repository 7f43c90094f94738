"""Gathering facts: the caches answer, and only what a new spec seems to lack is looked up."""

from typing import Any

import pytest

from common.drivers.reconciling import Keys
from common.fakes.api import SECRETS, FakeApi
from common.fakes.enforcing import NobodyAsked
from servicetokens.api import names
from servicetokens.api.values import parse_time
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches
from servicetokens.controllers.reconcile.gather import Gatherer
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.controllers.reconcile.reading import TokenReader
from servicetokens.kube.errors import Conflict
from servicetokens.kube.object_key import Key

KEY = Key(names.KIND_TOKEN, "team-a", "ci-prod")
ACCOUNT = ("serviceaccounts", "team-a", "ci")
ROLE = ("serviceroles", "", "reader")


class Surroundings:
    """A gatherer over empty caches except one token."""

    def __init__(self, *, answered: bool = False, **spec: Any) -> None:
        self.caches, self.api, keys = Caches(), FakeApi(), Keys()
        reader = TokenReader(
            self.caches, Memories(), keys, self.api.custom, self.api.secrets, watches_secrets=True
        )
        self.gatherer = Gatherer(reader, self.caches, keys, self.api.custom, NobodyAsked())
        meta = {"name": "ci-prod", "namespace": "team-a", "generation": 2, "resourceVersion": "10"}
        status = {"observedGeneration": 2 if answered else -1}
        full = {"accountRef": {"name": "ci"}, "expiresAfter": "30d", **spec}
        self.caches.put_token(facts.token_facts({"metadata": meta, "spec": full, "status": status}))


async def test_an_account_and_a_role_that_no_watch_has_delivered_are_read_for_a_new_token() -> None:
    """They are often applied together with it, and the watches deliver them in any order."""
    it = Surroundings()
    it.api.put(ACCOUNT, {"metadata": {"uid": "ci-1"}, "spec": {"roles": ["reader"]}})
    it.api.put(ROLE, {"spec": {"allowedNamespaces": ["*"]}})
    snapshot = await it.gatherer.token(KEY, 0)
    assert snapshot is not None
    assert snapshot.account is not None
    assert snapshot.account.uid == "ci-1"
    role = snapshot.roles["reader"]
    assert role is not None
    assert role.name == "reader"


async def test_what_was_looked_up_is_left_to_the_watch() -> None:
    """It wakes every other object that waits for it, which it would not do for what the cache knows already."""
    it = Surroundings()
    it.api.put(ACCOUNT, {"spec": {}})
    await it.gatherer.token(KEY, 0)
    assert len(it.caches.accounts) == 0


async def test_what_is_really_missing_is_none() -> None:
    """One look at each."""
    it = Surroundings(roles=["reader"])
    snapshot = await it.gatherer.token(KEY, 0)
    assert snapshot is not None
    assert snapshot.account is None
    assert snapshot.roles == {"reader": None}
    assert it.api.calls == ["get account", "get role"]


@pytest.mark.parametrize(
    "it",
    [Surroundings(answered=True, roles=["reader"]), Surroundings(accountRef={"name": "../../x"})],
    ids=["answered", "unreadable"],
)
async def test_nothing_is_looked_up_for(it: Surroundings) -> None:
    """A spec that has its answer waits for the watch, and one that cannot be read names nothing."""
    await it.gatherer.token(KEY, 0)
    assert it.api.calls == []


async def test_before_an_import_the_secret_of_the_token_is_looked_up_as_a_witness() -> None:
    """It may have lost the label by which it is watched. Then the one to import from, by name; both once only."""
    asked: dict[str, Any] = {
        "import": {"secretRef": {"name": "legacy"}, "until": "2027-01-15T08:00:00Z"},
        "expiresAfter": "30d",
    }
    it = Surroundings(**asked)
    it.caches.accounts.put(("team-a", "ci"), facts.account_facts({"metadata": {"name": "ci"}, "spec": {}}))
    snapshot = await it.gatherer.token(KEY, 0)
    assert snapshot is not None
    assert snapshot.imported is None
    assert it.api.asked == [(SECRETS, "team-a", "ci-prod"), (SECRETS, "team-a", "legacy")]
    meta = {"name": "ci-prod", "namespace": "team-a", "generation": 2, "resourceVersion": "11"}
    spec = {"accountRef": {"name": "ci"}, **asked}
    minted = {"metadata": meta, "status": {"serial": 2}, "spec": spec}
    it.caches.put_token(facts.token_facts(minted))
    await it.gatherer.token(KEY, 0)
    assert len(it.api.calls) == 2


async def test_what_the_caches_know_is_not_looked_up() -> None:
    """So a new token of a known account costs no read."""
    it = Surroundings(roles=["reader"])
    it.api.put(ACCOUNT, {"spec": {}})
    it.api.put(ROLE, {"spec": {"allowedNamespaces": ["*"]}})
    it.caches.accounts.put(("team-a", "ci"), facts.account_facts(it.api.objects[ACCOUNT]))
    it.caches.roles.put(("", "reader"), facts.role_facts(it.api.objects[ROLE]))
    await it.gatherer.token(KEY, 0)
    assert it.api.calls == []


async def test_the_latest_use_of_any_token_is_a_fact_about_each() -> None:
    """It says up to when uses are known to be reported."""
    it = Surroundings(answered=True)
    meta = {"name": "other", "namespace": "team-b", "resourceVersion": "11"}
    spec = {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}
    status = {"lastUsedTime": "2026-11-28T09:00:00Z"}
    it.caches.put_token(facts.token_facts({"metadata": meta, "spec": spec, "status": status}))
    snapshot = await it.gatherer.token(KEY, now=0)
    assert snapshot is not None
    assert snapshot.latest_use == parse_time("2026-11-28T09:00:00Z")


async def test_a_copy_of_another_tokens_secret_is_recognised_by_its_id() -> None:
    """It has no owners and says the right name; the token that its id belongs to is elsewhere, and alive."""
    here = Surroundings()
    marks = {names.ANNOTATION_TOKEN_NAME: "ci-prod", names.ANNOTATION_TOKEN_ID: "ID1"}
    meta = {"name": "ci-prod", "namespace": "team-a", "resourceVersion": "7", "annotations": marks}
    secret = facts.secret_facts({"type": names.SECRET_TYPE, "metadata": meta}, None)
    here.caches.secrets.put(("team-a", "ci-prod"), secret)

    async def copied_from() -> str:
        snapshot = await here.gatherer.token(KEY, 0)
        assert snapshot is not None
        assert snapshot.secret is not None
        return snapshot.secret.copied_from

    assert await copied_from() == ""
    other = {"name": "ci-prod", "namespace": "team-b", "resourceVersion": "11"}
    spec = {"accountRef": {"name": "ci"}, "expiresAfter": "30d"}
    here.caches.put_token(facts.token_facts({"metadata": other, "spec": spec, "status": {"tokenID": "ID1"}}))
    assert await copied_from() == "team-b/ci-prod"
    here.caches.put_token(
        facts.token_facts({"metadata": {**other, "resourceVersion": "12"}, "spec": spec, "status": {}})
    )
    assert await copied_from() == ""
    here.caches.put_token(
        facts.token_facts(
            {"metadata": {**other, "resourceVersion": "13"}, "spec": spec, "status": {"tokenID": "ID1"}}
        )
    )
    here.caches.drop_token(("team-b", "ci-prod"))
    assert await copied_from() == ""


async def test_an_invalidated_token_is_read_again_until_its_deletion_arrives() -> None:
    """A starting API server answers "not found" for existing objects; only the watch or a list reports a deletion."""
    it = Surroundings(answered=True)
    place = ("team-a", "ci-prod")
    it.caches.tokens.invalidate(place)
    for _ in range(2):
        with pytest.raises(Conflict, match="ServiceToken team-a/ci-prod was not found"):
            await it.gatherer.token(KEY, 0)
    assert it.caches.tokens.get(place) is not None
    it.caches.drop_token(place)
    assert await it.gatherer.token(KEY, 0) is None


async def test_an_invalidated_deleted_token_is_settled_by_the_first_answer() -> None:
    """Its deletion was reported before the name was invalidated."""
    it = Surroundings(answered=True)
    it.caches.drop_token(("team-a", "ci-prod"))
    it.caches.tokens.invalidate(("team-a", "ci-prod"))
    assert await it.gatherer.token(KEY, 0) is None
    assert not it.caches.tokens.is_invalidated(("team-a", "ci-prod"))
