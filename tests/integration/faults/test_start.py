"""An operator that starts while everything it asks for fails, one fault after another, gets ready in the end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.drivers.callsites import AT_START, within
from common.drivers.operators import RunningOperator, operator_command
from common.drivers.world import World
from common.fakes.faulty import Fault, FaultyProxy
from controlplane.certificates import KeyPair
from controlplane.ports import free_ports
from controlplane.processes import Process

# Fourteen faults, each of which is recovered from for up to ten seconds; a time-out takes ten more.
PATIENCE = 300.0
# No other process lists meanwhile, so this bounds what all retries together ask for.
MOST_REQUESTS = 300
ADMINISTRATOR = ("system:admin", ("system:masters",))
# Who may not read the CRDs reads the published schema.
CRDS, PUBLISHED = "kube.crds.examine", "kube.crds._examine_published"
# After these the write is there, and is not asked for again.
APPLIED = (Fault.APPLIED_AND_RESET, Fault.APPLIED_AND_HUNG, Fault.SLOW)


def cases() -> Iterator[tuple[str, list[Fault | None]]]:
    """Give every place with all faults, in an order in which each of them happens."""
    for site in AT_START:
        if "keys" in site:
            # After one of these there is a key, and it is not asked for again for minutes.
            last = APPLIED if "create" in site else (Fault.NOT_FOUND, Fault.SLOW)
            others: list[Fault | None] = [fault for fault in Fault if fault not in last]
            yield from ((site, [*others, one]) for one in last)
        elif site == CRDS:
            # After one of these there is an answer, and none is requested again for a minute.
            last = (Fault.FORBIDDEN, Fault.NO_RIGHT, Fault.SLOW)
            others = [fault for fault in Fault if fault not in last]
            yield from ((site, [*others, one]) for one in last)
        elif "leases" in site:
            # Who leads may fail to renew for a while; between the faults it succeeds.
            yield site, [part for fault in Fault for part in (fault, None)]
        else:
            yield site, [*Fault]


@pytest.mark.timeout(700)
def test_the_operator_recovers_from_every_fault_at_every_place(world: World, tmp_path: Path) -> None:
    """Each case has an operator of its own, with keys of its own, and a token to mint at the end."""
    certificate = world.cluster.key_pair(*ADMINISTRATOR)
    found = list(cases())
    with ThreadPoolExecutor(len(found)) as executor:
        starts = [
            executor.submit(start, World(world.cluster), certificate, tmp_path / str(number), *case)
            for number, case in enumerate(found)
        ]
        problems = [(case[0], one.result()) for case, one in zip(found, starts, strict=True)]
    assert [(site, problem) for site, problem in problems if problem] == []


def start(world: World, certificate: KeyPair, directory: Path, site: str, faults: list[Fault | None]) -> str:
    """Run an operator whose requests at *site* fail in every way; return what is wrong with how it went."""
    directory.mkdir()
    home, namespace = world.cluster.create_namespace(), world.cluster.create_namespace()
    world.account(namespace)
    world.token(namespace)
    with FaultyProxy(world.cluster.url, world.cluster.files.authority.certificate, certificate) as proxy:
        at_home = any(word in site for word in ("keys", "leases"))
        rule = proxy.put(within(AT_START[site], home) if at_home else AT_START[site], *faults)
        if site == PUBLISHED:
            proxy.put(AT_START[CRDS], *[Fault.NO_RIGHT] * MOST_REQUESTS)
        (port,) = free_ports(1)
        flags = ["--leader-election", f"--namespace={home}", f"--watch-namespace={namespace}"]
        flags.append("--no-issue-certificate")
        command = operator_command(proxy.kubeconfig(directory / "kubeconfig"), port, *flags)
        with Process("operator", command, log=directory / "operator.log") as process:
            operator = RunningOperator(process, port)
            try:
                world.until(lambda: not rule.left, f"all faults at {site}", timeout=PATIENCE)
                world.until(operator.is_ready, "the operator to be ready", timeout=PATIENCE)
                world.until(lambda: world.status(namespace).get("serial"), "a token", timeout=PATIENCE)
            except TimeoutError as error:
                return f"{error}; still to come: {rule.left}; {operator.page('/readyz')[1]}"
            if "Traceback" in process.output():
                return "a traceback in the log"
        if len(proxy.asked) > MOST_REQUESTS:
            return f"{len(proxy.asked)} requests"
    return ""
