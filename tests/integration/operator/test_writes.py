"""What the operator asks of the API server, by the server's own audit log: as little as can be."""

import time

import pytest

from common.drivers.audited import requests, writes
from common.drivers.world import World

pytestmark = pytest.mark.usefixtures("operator")


def until_counted(world: World, namespace: str, tokens: int) -> None:
    """Wait until the operator knows the account and has counted its tokens."""
    world.until(
        lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == tokens,
        f"the account to count {tokens} tokens",
    )


def test_a_new_token_costs_two_writes_and_no_read(world: World, namespace: str) -> None:
    """One status, one Secret; no look at either, and no Event."""
    # An account that no watch has told of yet would be looked up.
    until_counted(world, namespace, 0)
    mark = world.cluster.audit.mark()
    for number in range(10):
        world.token(namespace, f"token-{number}")
    for number in range(10):
        world.until_ready(namespace, f"token-{number}")
    assert requests(world, mark, namespace) == {"update servicetokens/status": 10, "create secrets": 10}


def test_the_account_counts_a_burst_of_tokens_with_few_writes(world: World, namespace: str) -> None:
    """Not one for each of them: one for each second that they take, however slow the machine is."""
    mark, began = world.cluster.audit.mark(), time.monotonic()
    for number in range(30):
        world.token(namespace, f"token-{number}")
    until_counted(world, namespace, 30)
    took = time.monotonic() - began
    assert writes(world, mark, namespace)["update serviceaccounts/status"] <= 3 + took


def test_what_changes_nothing_writes_nothing(world: World, namespace: str) -> None:
    """Labels, annotations, the same spec again; an account's name for people; a role that no account has."""
    world.token(namespace)
    world.until_ready(namespace)
    until_counted(world, namespace, 1)
    mark = world.cluster.audit.mark()
    metadata = {"labels": {"team": "a"}, "annotations": {"example.com/note": "b"}}
    for plural, name in (("servicetokens", "ci-prod"), ("serviceaccounts", "ci")):
        path = world.path(plural, namespace, name)
        world.ok("PATCH", path, {"metadata": metadata})
    world.change(namespace, expiresAfter="30d")
    world.role(f"nobody-in-{namespace}")
    world.edit_secret(namespace, {"metadata": {"labels": {"team": "a"}}})
    time.sleep(2)
    assert requests(world, mark, namespace) == {}
    assert writes(world, mark, namespace) == {}
    world.change(namespace, "ci", "serviceaccounts", displayName="CI")
    time.sleep(2)
    assert requests(world, mark, namespace) == {}
    assert writes(world, mark, namespace) == {"update serviceaccounts/status": 1}
