"""The caches: never back in time, and able to say who depends on what."""

from dataclasses import replace
from typing import Any

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
    """Deleted and created again under its name: the late deletion is the old one's."""
    table: Table[SecretFacts] = Table()
    table.put(PLACE, secret("20"))
    assert not table.drop(PLACE, "15")
    assert table.get(PLACE) is not None
    assert table.drop(PLACE, "21")
    assert not table.drop(PLACE)
    assert len(table) == 0


def test_an_invalidated_entry_stays_so_until_it_is_read_or_deleted() -> None:
    """A place in doubt is read before it is believed."""
    table: Table[SecretFacts] = Table()
    table.put(PLACE, secret("1"))
    table.doubt(PLACE)
    assert table.is_doubted(PLACE)
    table.settle(PLACE)
    assert not table.is_doubted(PLACE)
    table.doubt(PLACE)
    table.drop(PLACE)
    assert not table.is_doubted(PLACE)


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
