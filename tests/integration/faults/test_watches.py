"""Watches that end, fall silent, repeat themselves, or tell things in another order."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from common.drivers.operators import operator_command
from common.drivers.world import World, unsettled
from common.fakes.faulty import FaultyProxy
from controlplane.ports import free_ports
from controlplane.processes import Process

TOKENS = 12
# kopf takes a watch for dead after 70 seconds without a bookmark, and the API server sends one every minute.
SILENCE = 120.0
# More than the operator waits for other watches to begin before it lists.
CALM = 5.0


@pytest.fixture
def operator(proxy: FaultyProxy, tmp_path: Path) -> Iterator[Process]:
    """An operator behind the proxy."""
    (port,) = free_ports(1)
    command = operator_command(proxy.kubeconfig(tmp_path / "kubeconfig"), port)
    with Process("operator", command, log=tmp_path / "operator.log") as process:
        yield process
        assert "Traceback" not in process.output()


def live(world: World, namespace: str, patience: float = 30) -> None:
    """Create tokens, rotate, revoke, delete and create some again, all together; wait until everything is right."""
    world.account(namespace)

    def one(number: int) -> None:
        own, name = World(world.cluster), f"token-{number}"
        own.token(namespace, name, rotation={"id": "one", "overlap": "0s"})
        own.change(namespace, name, rotation={"id": "two"})
        if number % 3 == 0:
            own.change(namespace, name, state="Revoked")
        if number % 4 == 0:
            own.delete("servicetokens", namespace, name)
            own.token(namespace, name)

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(one, range(TOKENS)))

    def is_right() -> bool:
        names = [f"token-{number}" for number in range(TOKENS)]
        return all(world.is_settled(namespace, name) for name in names) and not unsettled(world, namespace)

    world.until(is_right, f"the tokens of {namespace}", timeout=patience)
    secrets = world.ok("GET", f"/api/v1/namespaces/{namespace}/secrets").body["items"]
    assert len(secrets) == TOKENS


def test_watches_that_are_closed_again_and_again_lose_nothing(
    world: World, namespace: str, proxy: FaultyProxy, operator: Process
) -> None:
    """As behind a load balancer with a short limit."""
    with ThreadPoolExecutor(1) as executor:
        living = executor.submit(live, world, namespace)
        while not living.done():
            proxy.close_watches()
            operator.raise_if_ended()
            wait([living], timeout=0.5)
        living.result()


@pytest.mark.parametrize(("double", "reorder"), [(True, False), (False, True), (True, True)])
def test_events_that_come_twice_or_in_another_order_change_nothing(
    world: World,
    namespace: str,
    proxy: FaultyProxy,
    operator: Process,
    double: bool,
    reorder: bool,
) -> None:
    """Every look is at what is, not at what was reported."""
    proxy.mangling.double, proxy.mangling.reorder = double, reorder
    live(world, namespace)
    operator.raise_if_ended()


def test_a_watch_that_delivers_nothing_any_more_is_noticed(
    world: World, namespace: str, proxy: FaultyProxy, operator: Process
) -> None:
    """Nothing is minted meanwhile; everything is within two minutes, without a restart."""
    world.account(namespace)
    world.token(namespace, "first")
    world.until_ready(namespace, "first")
    # The list that follows the beginning of the watches would find the tokens, too; it comes once in a while.
    world.until(lambda: seconds_since_a_list(proxy) > CALM, "the lists of the start to be over", timeout=60)
    proxy.silence_watches()
    created = ["second", "third"]
    for name in created:
        world.token(namespace, name)
    world.until(lambda: proxy.swallowed >= len(created), "the events to be swallowed")
    assert unsettled(world, namespace) == created
    # Only a watch that begins again reports them.
    world.until(lambda: not unsettled(world, namespace), "the tokens nobody heard of", timeout=SILENCE)
    operator.raise_if_ended()


def seconds_since_a_list(proxy: FaultyProxy) -> float:
    """Return how long ago the operator listed anything."""
    return time.monotonic() - max(asked.at for asked in proxy.asked if asked.is_list)
