"""What the operator asks of the API server, by the server's own audit log: as little as can be."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.world import OPERATOR, World
from controlplane.audit import AuditRecord

MANY = 300


def requests(world: World, mark: int, namespace: str) -> Counter[str]:
    """Return what the operator did in *namespace* since *mark*, watches and its account's counter aside."""
    return Counter(
        f"{record.verb} {record.resource}"
        for record in world.cluster.audit.records(mark)
        if record.user == OPERATOR and record.namespace == namespace and not _is_aside(record)
    )


def _is_aside(record: AuditRecord) -> bool:
    return record.verb == "watch" or record.resource == "serviceaccounts/status"


def apply_many(world: World, namespace: str) -> None:
    """Apply 300 tokens, several at once."""
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda number: world.token(namespace, f"token-{number}"), range(MANY)))


def unsettled(world: World, namespace: str) -> list[str]:
    """Return the tokens whose Secret does not hold the one credential on their status."""
    tokens = world.ok("GET", world.path("servicetokens", namespace)).body["items"]
    return [
        token["metadata"]["name"]
        for token in tokens
        if len(token.get("status", {}).get("credentials") or []) != 1
        or not world.holds(namespace, token["metadata"]["name"])
    ]


@pytest.mark.usefixtures("operator")
def test_a_new_token_costs_two_writes_and_no_read(world: World, namespace: str) -> None:
    """One status, one Secret; no look at either, and no Event."""
    mark = world.cluster.audit.mark()
    for number in range(10):
        world.token(namespace, f"token-{number}")
    for number in range(10):
        world.until_ready(namespace, f"token-{number}")
    assert requests(world, mark, namespace) == {"update servicetokens/status": 10, "create secrets": 10}


@pytest.mark.usefixtures("operator")
def test_the_account_counts_a_burst_of_tokens_with_few_writes(world: World, namespace: str) -> None:
    """Not one for each of them."""
    mark = world.cluster.audit.mark()
    for number in range(30):
        world.token(namespace, f"token-{number}")
    world.until(
        lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == 30, "the count"
    )
    writes = world.cluster.audit.writes(mark, user=OPERATOR, resource="serviceaccounts/status")
    assert writes.total() <= 4


@pytest.mark.usefixtures("operator")
def test_what_changes_nothing_writes_nothing(world: World, namespace: str) -> None:
    """Labels, annotations, the same spec again; an account's name for people; a role nobody has."""
    world.token(namespace)
    world.until_ready(namespace)
    world.until(
        lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == 1, "the count"
    )
    mark = world.cluster.audit.mark()
    metadata = {"labels": {"team": "a"}, "annotations": {"example.com/note": "b"}}
    for plural, name in (("servicetokens", "ci-prod"), ("serviceaccounts", "ci")):
        path = world.path(plural, namespace, name)
        world.ok("PATCH", path, {"metadata": metadata}, content_type="application/merge-patch+json")
    world.change(namespace, expiresAfter="30d")
    world.edit_secret(namespace, {"metadata": {"labels": {"team": "a"}}})
    time.sleep(2)
    assert requests(world, mark, namespace) == {}
    world.change(namespace, "ci", "serviceaccounts", displayName="CI")
    time.sleep(2)
    assert requests(world, mark, namespace) == {}


def test_a_restart_with_hundreds_of_tokens_writes_nothing(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """It lists, looks at each of them, and finds everything as it should be."""
    with world.operator(tmp_path / "first.log"):
        apply_many(world, namespace)
        world.until(lambda: not unsettled(world, namespace), "all tokens", timeout=60)
        world.until(
            lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == MANY,
            "the count",
        )
    mark = world.cluster.audit.mark()
    with world.operator(tmp_path / "second.log") as second:
        time.sleep(5)
        assert second.is_ready()
    assert world.cluster.audit.writes(mark, user=OPERATOR).total() == 0
    assert requests(world, mark, namespace) == {}


def test_an_operator_that_is_killed_again_and_again_loses_nothing(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """SIGKILL at random moments of 300 mints: afterwards one valid token per Secret, and no orphan."""
    moments = random.Random(20261125)
    for life in range(5):
        with world.operator(tmp_path / f"{life}.log") as running:
            if life == 0:
                with ThreadPoolExecutor(8) as executor:
                    list(executor.map(lambda n: world.token(namespace, f"token-{n}"), range(MANY // 2)))
                    applying = executor.map(
                        lambda n: world.token(namespace, f"token-{n}"), range(MANY // 2, MANY)
                    )
                    time.sleep(moments.uniform(0.1, 0.8))
                    running.process.kill()
                    list(applying)
            elif life < 4:
                time.sleep(moments.uniform(0.05, 0.5))
                running.process.kill()
            else:
                world.until(lambda: not unsettled(world, namespace), "all tokens", timeout=60)
    secrets = world.ok("GET", f"/api/v1/namespaces/{namespace}/secrets").body["items"]
    owners = Counter(
        secret["metadata"]["ownerReferences"][0]["name"]
        for secret in secrets
        if secret["type"] == "servicetokens.dev/token"
    )
    assert owners == {f"token-{number}": 1 for number in range(MANY)}
