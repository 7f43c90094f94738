"""One life of a token under every fault at every place where the operator asks for something.

All lives run together, each in a namespace of its own, served by one operator: so one that fails has to leave the
others alone, too. One more life goes on without a fault; it says how many requests are normal.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from common.drivers.callsites import OF_A_TOKEN, within
from common.drivers.operators import operator_command
from common.drivers.world import GROUPS, OPERATOR, World, unsettled
from common.fakes.faulty import Fault, FaultyProxy, Rule
from controlplane.ports import free_ports
from controlplane.processes import Process
from controlplane.waiting import wait_until

# A rejected Secret is retried after 10 s and 20 s; a time-out is noticed after 10 s.
PATIENCE = 90.0
TWICE = frozenset(Fault) - {Fault.FORBIDDEN, Fault.NO_RIGHT, Fault.UNPROCESSABLE, Fault.APPLIED_AND_HUNG}
# What one fault may cost: a rejected Secret is reported (status, Event), read and tried again, and that is reported.
COST = 10
# Two changes that arrive together cost one pass less: without a fault a life has taken 26 to 28 requests.
VARIES = 2
# The lives share a process with the proxy: a hundred that ask twenty times a second would slow down what they wait for.
POLL_SECONDS = 0.5
# An Event that is answered slowly twice is still on its way when its lifetime is over.
SETTLE_SECONDS = 10.0
CALM_SECONDS = 3.0
# The first test has to wait until all of them have run.
pytestmark = pytest.mark.timeout(400)


@dataclass
class Life:
    """One namespace, what goes wrong there, and how it ended."""

    site: str
    fault: Fault | None
    namespace: str
    rule: Rule | None = None
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.fault} at {self.site}" if self.fault else "no fault"


@dataclass
class Lives:
    """All of them, what the proxy saw, and since when nothing should happen any more."""

    all: list[Life]
    proxy: FaultyProxy
    quiet_since: float


def live(world: World, namespace: str) -> None:
    """Mint, rotate, heal, recreate, revoke and restore twice; wait for each to be done."""

    def until(condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what=f"{what} in {namespace}", timeout=PATIENCE, poll=POLL_SECONDS)

    def done(what: str, serial: int | None = None, active: str = "True") -> None:
        until(
            lambda: (
                world.is_settled(namespace)
                and world.condition(namespace, "Active").get("status") == active
                and serial in {None, world.status(namespace).get("serial")}
                and not unsettled(world, namespace)
            ),
            what,
        )

    world.token(namespace, rotation={"id": "one", "overlap": "0s"})
    done("minting", 1)
    world.change(namespace, rotation={"id": "two"})
    done("rotating", 2)
    surrounds = {"metadata": {"annotations": {"servicetokens.dev/expires": "never"}}}
    world.edit_secret(namespace, surrounds)
    until(lambda: expires(world, namespace) not in {"", "never"}, "healing")
    world.edit_secret(namespace, {"immutable": True, **surrounds})
    until(lambda: expires(world, namespace) not in {"", "never"}, "replacing the immutable Secret")
    # Where the Secret was deleted and this was not recorded, status gets the serial of one more mint meanwhile.
    for _ in range(2):
        world.change(namespace, state="Revoked")
        done("revoking", active="False")
        world.change(namespace, state="Active")
        done("restoring")


def expires(world: World, namespace: str) -> str:
    """Return what the Secret says of its end; nothing when it does not exist."""
    metadata = (world.secret(namespace) or {}).get("metadata", {})
    return str(metadata.get("annotations", {}).get("servicetokens.dev/expires", ""))


@pytest.fixture(scope="module")
def lives(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Everything that happened, in one run."""
    directory = tmp_path_factory.mktemp("faults")
    authority = world.cluster.files.authority.certificate
    certificate = world.cluster.key_pair(OPERATOR, GROUPS)
    found = [Life("", None, world.cluster.create_namespace())]
    found += [Life(site, fault, world.cluster.create_namespace()) for site in OF_A_TOKEN for fault in Fault]
    with FaultyProxy(world.cluster.url, authority, certificate) as proxy:
        (port,) = free_ports(1)
        command = operator_command(proxy.kubeconfig(directory / "kubeconfig"), port)
        with Process("operator", command, log=directory / "operator.log") as operator:
            for life in found:
                if life.fault is not None:
                    site = within(OF_A_TOKEN[life.site], life.namespace)
                    if life.site.endswith("ObjectStore.get"):
                        # It is asked only about what is in doubt.
                        proxy.put(
                            within(OF_A_TOKEN["kube.objects.ObjectStore.put_status"], life.namespace),
                            Fault.CONFLICT,
                        )
                    life.rule = proxy.put(site, *[life.fault] * (2 if life.fault in TWICE else 1))
            with ThreadPoolExecutor(len(found)) as executor:
                list(executor.map(lambda life: _try(world, life), found))
            time.sleep(SETTLE_SECONDS)
            quiet_since = time.monotonic()
            time.sleep(CALM_SECONDS)
            operator.raise_if_ended()
            assert "Traceback" not in operator.output()
        yield Lives(found, proxy, quiet_since)


def _try(world: World, life: Life) -> None:
    own = World(world.cluster)
    try:
        own.account(life.namespace)
        live(own, life.namespace)
    except (TimeoutError, AssertionError) as error:
        life.problem = str(error)[:500]


def test_every_life_comes_to_its_end(lives: Lives) -> None:
    """Whatever fails, and however: it converges, with the one credential whose plaintext is in the Secret."""
    assert {str(life): life.problem for life in lives.all if life.problem} == {}


def test_every_fault_happened(lives: Lives) -> None:
    """A case in which no request failed would prove nothing."""
    unmet = [str(life) for life in lives.all if life.rule is not None and not life.rule.fired]
    assert unmet == []


def test_nothing_is_left_over(world: World, lives: Lives) -> None:
    """One Secret, one credential."""
    for life in lives.all:
        secrets = world.ok("GET", f"/api/v1/namespaces/{life.namespace}/secrets").body["items"]
        assert [secret["metadata"]["name"] for secret in secrets] == ["ci-prod"], str(life)
        assert len(world.status(life.namespace)["credentials"]) == 1, str(life)


def test_requests_stop_after_recovery(lives: Lives) -> None:
    """A fault costs a few requests, and at the end there is silence."""
    found, proxy = lives.all, lives.proxy
    asked = {
        life.namespace: [one for one in proxy.asked if one.namespace == life.namespace] for life in found
    }
    normal = len(asked[found[0].namespace])
    costs = {
        str(life): (len(asked[life.namespace]), normal)
        for life in found
        if len(asked[life.namespace]) > normal + VARIES + COST * len(life.rule.fired if life.rule else [])
    }
    assert costs == {}
    late = [
        (str(life), one.method, one.path)
        for life in found
        for one in asked[life.namespace]
        if one.at > lives.quiet_since
    ]
    assert late == []


def test_a_write_that_was_applied_without_an_answer_is_not_repeated(world: World, lives: Lives) -> None:
    """Status or Secret, cut off or hung: each such life has minted twice, for it was asked to rotate once.

    Where an immutable Secret was deleted and this was not recorded, its value is lost, and one more is minted.
    """
    applied = {Fault.APPLIED_AND_RESET, Fault.APPLIED_AND_HUNG}
    serials = {
        str(life): (world.status(life.namespace)["serial"], 3 if "delete" in life.site else 2)
        for life in lives.all
        if life.fault in applied
    }
    assert {life: found for life, (found, most) in serials.items() if not 2 <= found <= most} == {}
