"""Each task of the validator is ended in turn: `/readyz` names the missing part, which returns, or the process ends."""

import asyncio
import http.client
import re
from functools import partial

import pytest

from common.builders.stored import StoredToken
from common.drivers.hosted import Host, Recorded
from common.drivers.world import VALIDATOR, World
from controlplane.ports import LOOPBACK, free_ports
from controlplane.waiting import patient
from servicetokens.kube.client import Api
from servicetokens.runtime.settings import Address
from servicetokens.validator.process import Validator
from servicetokens.validator.settings import ValidatorSettings

PATIENCE = 60.0
# What is unnamed is asyncio's and aiohttp's, or waits for an answer.
UNNAMED = re.compile(r"Task-[0-9]+$")
# A wait that is cancelled has everything listed again, as if it were over.
PASSING = {"list again"}
LISTENERS = ("forwardauth", "extauthz-http", "extauthz-grpc")
# Without these, answers are as right as before.
NOT_ESSENTIAL = {
    "lastUsedTime",
    "certificate",
    "memory",
    "audit",
    *(f"listener {name}" for name in LISTENERS),
}
PARTS = {"schema", "Lease", "watches", "keys", *NOT_ESSENTIAL}


async def run(validator: Validator, stop: asyncio.Event) -> None:
    """Serve until *stop*, without waiting for clients at the end."""
    hurry = asyncio.Event()
    hurry.set()
    await validator.run(stop, hurry)


def start(world: World, *, recorded: Recorded | None = None) -> tuple[Host, int]:
    """Start a validator, and return it with its forward-auth port when it is ready."""
    forward, http, grpc = free_ports(3)
    settings = ValidatorSettings(
        token_review_address=None,
        introspection_address=None,
        forward_auth_address=Address(LOOPBACK, forward),
        ext_authz_address=Address(LOOPBACK, http),
        ext_authz_grpc_address=Address(LOOPBACK, grpc),
    )

    def make(api: Api) -> Validator:
        return Validator(api, settings, None)

    groups = ("system:serviceaccounts", "system:authenticated")
    host = Host(str(world.cluster.user(VALIDATOR, groups)), make, recorded.run if recorded else run)
    host.start()
    world.until(lambda: not host.missing(), "the validator to be ready", timeout=PATIENCE)
    return host, forward


def test_a_validator_that_is_ready_stays_so(world: World, token: StoredToken) -> None:
    """Not for an instant before all of it works: seen at every turn of the event loop, until a token is accepted."""
    recorded = Recorded(run)
    host, port = start(world, recorded=recorded)
    try:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=patient(10))
        connection.request("GET", "/validate", headers={"Authorization": f"Bearer {token.text}"})
        assert connection.getresponse().status == 200
        connection.close()
        assert recorded.changes == [True]
    finally:
        host.stop()


@pytest.mark.timeout(900)
def test_each_task_that_ends_is_missed_and_comes_back(world: World, token: StoredToken) -> None:
    """Whatever the part, it is missed within seconds; what no answer depends on makes nothing unready."""
    host, _ = start(world)
    try:
        names = {name for name in host.tasks() if not UNNAMED.search(name)}
        supervisions = {f"supervision of {name}" for name in (*PARTS, "signals")}
        assert names >= PARTS | supervisions
        assert len([name for name in names if name.startswith("watch ")]) == 3
        for name in sorted(names - PASSING):
            host = end(world, host, name)
    finally:
        host.stop()


def end(world: World, host: Host, name: str) -> Host:
    """End the task *name*, see that it is missed and comes back; return a new validator where it ended the process."""
    assert host.cancel(name), f"'{name}' has not come back"
    if name.startswith("supervision of "):
        world.until(lambda: not host.is_alive(), f"the process to end after '{name}'", timeout=PATIENCE)
        assert "supervision" in str(host.error), name
        return start(world)[0]
    world.until(host.missing, f"/readyz to miss '{name}'", timeout=PATIENCE)
    said = " ".join(host.missing())
    assert f"'{name}'" in said or ("'watches'" in said and name.startswith("watch ")), (name, said)
    assert bool(host.hosted.missing()) is (name not in NOT_ESSENTIAL), name
    world.until(partial(is_whole, host), f"the validator to be whole after '{name}'", timeout=PATIENCE)
    return host


def is_whole(host: Host) -> bool:
    """Say whether nothing is missing; raise when it has ended."""
    assert host.is_alive(), host.error
    return not host.missing()
