"""The caches: never back in time, and able to say who depends on what."""

import gc
import tracemalloc
from dataclasses import replace
from typing import Any

from common.builders.facts import NOW, settled
from servicetokens.controllers.cache import facts
from servicetokens.controllers.cache.caches import Caches, Table
from servicetokens.lifecycle.snapshot import SecretFacts, TokenFacts

PLACE = ("team-a", "one")


def secret(version: str) -> SecretFacts:
    """Return a Secret at a version."""
    return SecretFacts(uid="s", resource_version=version, type="servicetokens.dev/token", controller=None)


def token(version: str = "1", name: str = "one", **spec: Any) -> TokenFacts:
    """Return a token of the account `ci`."""
    return facts.token_facts(
        {
            "metadata": {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": version},
            "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d", **spec},
        }
    )


def test_a_late_event_does_not_overwrite_a_newer_one() -> None:
    """Kopf hands events of a re-created object to another worker, so order is not given."""
    table: Table[SecretFacts] = Table()
    newer, older = secret("20"), secret("9")
    assert table.put(PLACE, newer) is None
    assert table.put(PLACE, older) is older
    assert table.get(PLACE) is newer


def test_versions_are_compared_as_numbers() -> None:
    """As text, 9 would be later than 20."""
    table: Table[SecretFacts] = Table()
    table.put(PLACE, secret("9"))
    newer = secret("20")
    table.put(PLACE, newer)
    assert table.get(PLACE) is newer


def test_the_deletion_of_an_older_object_leaves_the_newer_one() -> None:
    """Deleted and created again under its name: the late deletion is that of the old object."""
    table: Table[SecretFacts] = Table()
    table.put(PLACE, secret("20"))
    assert not table.drop(PLACE, "15")
    assert table.get(PLACE) is not None
    assert table.drop(PLACE, "21")
    assert not table.drop(PLACE)
    assert len(table) == 0


def test_an_invalidated_entry_stays_so_until_it_is_read_or_deleted() -> None:
    """A name that was invalidated is read before it is believed."""
    table: Table[SecretFacts] = Table()
    table.put(PLACE, secret("1"))
    table.invalidate(PLACE)
    assert table.is_invalidated(PLACE)
    table.mark_refreshed(PLACE)
    assert not table.is_invalidated(PLACE)
    table.invalidate(PLACE)
    table.drop(PLACE)
    assert not table.is_invalidated(PLACE)


def test_tokens_are_found_by_account_and_by_secret() -> None:
    """That is the direction in which events have to travel."""
    caches = Caches()
    caches.put_token(token(name="one"))
    caches.put_token(token(name="two", secret={"name": "one"}))
    assert sorted(caches.tokens_of_account(("team-a", "ci"))) == [("team-a", "one"), ("team-a", "two")]
    assert sorted(caches.tokens_of_secret(("team-a", "one"))) == [("team-a", "one"), ("team-a", "two")]
    assert caches.drop_token(("team-a", "one"))
    assert caches.tokens_of_account(("team-a", "ci")) == [("team-a", "two")]
    assert not caches.drop_token(("team-a", "one"))


def test_an_index_follows_a_changed_spec_and_ignores_a_late_one() -> None:
    """A spec that becomes unreadable names no account any more."""
    caches = Caches()
    caches.put_token(token("5"))
    caches.put_token(token("6", expiresAfter="soon"))
    assert caches.tokens_of_account(("team-a", "ci")) == []
    caches.put_token(token("4"))
    assert caches.tokens_of_account(("team-a", "ci")) == []


def test_holders_of_a_role_are_found() -> None:
    """Accounts list roles, and so may tokens."""
    caches = Caches()
    account = {"metadata": {"name": "ci", "namespace": "team-a"}, "spec": {"roles": ["reader"]}}
    caches.accounts.put(("team-a", "ci"), facts.account_facts(account))
    caches.put_token(token(name="one", roles=["writer"]))
    assert caches.accounts_with_role("reader") == [("team-a", "ci")]
    assert caches.accounts_with_role("writer") == []
    assert caches.tokens_with_role("writer") == [("team-a", "one")]


def test_the_latest_use_of_any_token_is_known() -> None:
    """Also when the token was deleted, but not after the history was forgotten; a late event tells nothing."""
    caches = Caches()
    caches.put_token(token())
    known = [caches.latest_use]
    for name, version, used in (("one", "3", 300), ("two", "2", 200), ("one", "1", 900)):
        found = token(version, name)
        status = found.status.model_copy(update={"last_used_time": used})
        caches.put_token(replace(found, status=status))
        known.append(caches.latest_use)
    assert caches.drop_token(PLACE)
    known.append(caches.latest_use)
    caches.clear()
    assert [*known, caches.latest_use] == [None, 300, 300, 300, 300, None]


def test_a_token_comes_out_of_the_cache_as_it_went_in() -> None:
    """Also one whose spec cannot be read, and one that is being deleted."""
    caches = Caches()
    for facts_in in (token(roles=["writer"]), token("2", expiresAfter="soon"), settled().token):
        caches.put_token(replace(facts_in, resource_version="9", deleting=True, created_at=NOW))
        found = caches.token((facts_in.namespace, facts_in.name))
        assert found == replace(facts_in, resource_version="9", deleting=True, created_at=NOW)
        assert caches.drop_token((facts_in.namespace, facts_in.name))
        assert caches.token((facts_in.namespace, facts_in.name)) is None


def test_what_is_known_is_what_is_as_late_or_later() -> None:
    """An echo and a late event need not be read at all; an object that is new, or changed, must be."""
    caches = Caches()
    caches.put_token(token("20"))
    assert [caches.tokens.is_known(PLACE, version) for version in ("9", "20", "21")] == [True, True, False]
    assert not caches.tokens.is_known(("team-a", "two"), "9")


def test_conditions_and_keys_are_counted_while_their_token_is_there() -> None:
    """A scrape of the metrics must not read every token; a state that no token has any more is removed."""
    caches = Caches()
    minted = settled().token
    caches.put_token(minted)
    caches.put_token(replace(minted, name="other"))
    assert caches.states["Ready", "True", "Minted"] == 2
    assert caches.keys == {"k1": 2}
    caches.put_token(
        replace(minted, resource_version="11", status=minted.status.model_copy(update={"conditions": ()}))
    )
    assert caches.states["Ready", "True", "Minted"] == 1
    assert caches.drop_token(("team-a", "other"))
    assert caches.drop_token(("team-a", "ci-prod"))
    assert (caches.states, caches.keys) == ({}, {})


def test_a_minted_token_at_rest_takes_less_than_two_kilobytes() -> None:
    """Indexes included; as models it took 6.2 KB without them, and an operator has tens of thousands."""
    minted, count = settled().token, 500
    tokens = [facts.token_facts(_as_stored(minted, number)) for number in range(count)]
    caches = Caches()
    caches.put_token(minted)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for one in tokens:
            caches.put_token(one)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(caches.tokens) == count + 1
    assert taken / count < 2048


def _as_stored(minted: TokenFacts, number: int) -> dict[str, Any]:
    """Return *minted* as another object from the API server, with an id and a Secret of its own."""
    assert minted.spec is not None
    name, status = f"token-{number}", minted.status.to_wire()
    meta = {"name": name, "namespace": "team-a", "uid": f"uid-{number}", "resourceVersion": str(number + 1)}
    return {
        "metadata": meta,
        "spec": {"accountRef": {"name": "ci"}, "expiresAfter": "30d"},
        "status": {**status, "tokenID": f"ID{number:010}", "secretName": name},
    }
