"""Restarts and violent ends, with hundreds of tokens. No other operator may run during these tests."""

import random
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common.drivers.audited import requests
from common.drivers.world import OPERATOR, World, decode, encode, unsettled

MANY = 300
KILLS = 6


def apply(world: World, namespace: str, numbers: Iterable[int]) -> None:
    """Apply a token for each number, several together."""
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda number: world.token(namespace, f"token-{number}"), numbers))


def test_a_restart_with_hundreds_of_tokens_writes_nothing(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """It lists, looks at each of them, and finds everything as it should be."""
    with world.operator(tmp_path / "first.log"):
        apply(world, namespace, range(MANY))
        world.until(lambda: not unsettled(world, namespace), "all tokens", timeout=60)
        world.until(
            lambda: world.get(namespace, "ci", "serviceaccounts")["status"].get("tokenCount") == MANY,
            "the count",
        )
    mark = world.cluster.audit.mark()
    # Of the certificate it reminds people at every start, if other tests have changed the CA.
    with world.operator(tmp_path / "second.log", "--no-issue-certificate") as second:
        time.sleep(5)
        assert second.is_ready()
    assert world.cluster.audit.writes(mark, user=OPERATOR).total() == 0
    assert requests(world, mark, namespace) == {}


def test_an_operator_that_is_killed_repeatedly_loses_nothing(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """SIGKILL at random moments of 300 mints: afterwards one valid token per Secret, and no orphan."""
    moments = random.Random(20261125)
    unfinished = 0
    for life in range(KILLS):
        with world.operator(tmp_path / f"{life}.log") as running, ThreadPoolExecutor(1) as executor:
            applying = executor.submit(apply, world, namespace, range(life, MANY, KILLS))
            time.sleep(moments.uniform(0.05, 0.4))
            running.process.kill()
            applying.result()
        unfinished += len(unsettled(world, namespace))
    assert unfinished, "every kill came too late"
    with world.operator(tmp_path / "last.log"):
        world.until(lambda: not unsettled(world, namespace), "all tokens", timeout=60)
        for number in range(MANY):
            assert world.condition(namespace, "Ready", f"token-{number}")["reason"] == "Minted"
    secrets = world.ok("GET", f"/api/v1/namespaces/{namespace}/secrets").body["items"]
    owners = Counter(
        secret["metadata"]["ownerReferences"][0]["name"]
        for secret in secrets
        if secret["type"] == "servicetokens.dev/token"
    )
    assert owners == {f"token-{number}": 1 for number in range(MANY)}


def test_two_operators_without_election_settle_nevertheless(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Each mints what the other is in the middle of: needless, but resourceVersions let one of them win in the end."""
    with world.operator(tmp_path / "one.log") as one, world.operator(tmp_path / "two.log") as two:
        apply(world, namespace, range(100))
        world.until(lambda: not unsettled(world, namespace), "all tokens", timeout=60)
        for number in range(20):
            world.edit_secret(namespace, {"data": {"token": encode("edited")}}, f"token-{number}")
            world.delete_secret(namespace, f"token-{number + 20}")
        world.until(
            lambda: (
                not any(
                    decode(secret["data"]["token"]) == "edited"
                    for secret in world.ok("GET", f"/api/v1/namespaces/{namespace}/secrets").body["items"]
                )
                and not unsettled(world, namespace)
            ),
            "all to be healed",
            timeout=60,
        )
        for running in (one, two):
            assert "defect" not in running.process.output()
