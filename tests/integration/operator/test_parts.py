"""Each task of the operator is ended in turn: `/readyz` names the missing part, which returns, or the process ends."""

import re
from functools import partial

import pytest

from common.drivers.hosted import Host, Recorded
from common.drivers.world import GROUPS, OPERATOR, World
from servicetokens.controllers.process import Operator
from servicetokens.controllers.settings import OperatorSettings
from servicetokens.kube.client import Api
from servicetokens.runtime.clock import SystemClock
from servicetokens.runtime.entropy import os_entropy

# A restart lists everything and has kopf look at all kinds; the machine may be busy.
PATIENCE = 60.0
# One of a kind is enough of these.
MANY = re.compile(r"worker ([1-9][0-9]*)$|supervision of worker [1-9]")
# kopf makes these again again and again, and goes on when one is cancelled; "startup/cleanup activities" only waits for
# the others to end, also when it is cancelled. What is unnamed is asyncio's and aiohttp's, or waits for an answer.
PASSING = re.compile(
    r"pause-waiter|insights revision waiter|worker for |Task-[0-9]+$|stop-flag waiter|depletion|startup/cleanup"
)
# Ending one of these ends the process.
ENDS_ALL = {f"supervision of {name}" for name in ("leader election", "workers", "watches", "signals")}
# At least these there have to be; the others are found by looking.
PARTS = {
    "leader election",
    "workers",
    "worker 0",
    "watches",
    "deadlines",
    "key ring",
    "proof of revocations",
    "resync",
    "certificate",
    "visits",
}


def start(
    world: World, namespace: str, *, watch_secrets: bool = True, recorded: Recorded | None = None
) -> Host:
    """Start an operator, and return when it is ready."""
    settings = OperatorSettings(watch_namespace=(namespace,), watch_secrets=watch_secrets, lease_duration=60)

    def make(api: Api) -> Operator:
        return Operator(api, settings, clock=SystemClock(), entropy=os_entropy)

    host = Host(str(world.cluster.user(OPERATOR, GROUPS)), make, recorded.run if recorded else Operator.run)
    host.start()
    world.until(lambda: not host.missing(), "the operator to be ready", timeout=PATIENCE)
    return host


def test_an_operator_that_is_ready_stays_so(world: World, namespace: str) -> None:
    """Not for an instant before all of it works: seen at every turn of the event loop, until a token is minted."""
    recorded = Recorded(Operator.run)
    host = start(world, namespace, recorded=recorded)
    try:
        world.token(namespace, "first")
        world.until_ready(namespace, "first")
        assert recorded.changes == [True]
    finally:
        host.stop()


@pytest.mark.timeout(900)
def test_each_task_that_ends_is_missed_and_comes_back(world: World, namespace: str) -> None:
    """Also those of kopf; a token is minted after each."""
    hosts = [start(world, namespace, watch_secrets=False)]
    try:
        world.token(namespace, "first")
        world.until_ready(namespace, "first")
        names = {re.sub(r"0x[0-9a-f]+", "", name): name for name in hosts[0].tasks()}
        named = [name for name in names if not PASSING.search(name) and not MANY.search(name)]
        assert set(named) >= PARTS | ENDS_ALL
        assert len([name for name in named if name.startswith("watcher for ")]) == 3
        for name in sorted(named):
            end(world, namespace, hosts, name)
    finally:
        hosts[-1].stop()


def end(world: World, namespace: str, hosts: list[Host], name: str) -> None:
    """End the task *name*, see that it is missed, and that a token is minted afterwards."""
    host = hosts[-1]

    def found() -> list[str]:
        return [one for one in host.tasks() if re.sub(r"0x[0-9a-f]+", "", one) == name]

    # Workers are there once it leads, which a standby that is ready does not yet.
    world.until(found, f"'{name}' to be back", timeout=PATIENCE)
    assert host.cancel(found()[0]), name
    world.until(host.missing, f"/readyz to miss '{name}'", timeout=PATIENCE)
    if name in ENDS_ALL:
        world.until(lambda: not host.is_alive(), f"the process to end after '{name}'", timeout=PATIENCE)
        assert "supervision" in str(host.error), name
        hosts.append(start(world, namespace, watch_secrets=False))
        return
    said = " ".join(host.missing())
    # What ends with all that watches is named by that.
    assert name.removeprefix("supervision of ") in said or "watches" in said or "the watch of" in said, (
        name,
        said,
    )
    world.until(partial(is_ready, hosts[-1]), f"the operator to be ready after '{name}'", timeout=PATIENCE)
    token = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    world.token(namespace, token)
    world.until_ready(namespace, token)


def is_ready(host: Host) -> bool:
    """Say whether nothing is missing; raise when it has ended."""
    assert host.is_alive(), host.error
    return not host.missing()


@pytest.mark.timeout(300)
def test_a_watch_that_cannot_be_opened_is_named(world: World, namespace: str) -> None:
    """As when the permission to watch was withdrawn: kopf alone would try indefinitely, and tell its log only."""
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/servicetokens-operator"
    rules = world.ok("GET", role).body["rules"]
    host = start(world, namespace)
    try:
        without = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "watch"]} for rule in rules]
        world.ok("PATCH", role, {"rules": without})
        for name in [one for one in host.tasks() if one.startswith("watcher for servicetokens")]:
            host.cancel(name)
        world.until(
            lambda: any("watch" in one and "servicetokens" in one for one in host.missing()),
            "the watch to be missed",
            timeout=PATIENCE,
        )
        world.ok("PATCH", role, {"rules": rules})
        world.until(partial(is_ready, host), "the operator to be ready", timeout=PATIENCE)
        world.token(namespace)
        world.until_ready(namespace)
    finally:
        world.ok("PATCH", role, {"rules": rules})
        host.stop()
