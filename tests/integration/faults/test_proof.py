"""The proof of a revocation while the Leases cannot be listed, nor those of dead validators deleted."""

from pathlib import Path

from common.drivers.callsites import OF_THE_PROOF
from common.drivers.operators import operator_command
from common.drivers.validating import validator
from common.drivers.witness import leases
from common.drivers.world import World
from common.fakes.faulty import Fault, FaultyProxy
from controlplane.ports import free_ports
from controlplane.processes import Process

PATIENCE = 110.0


def test_a_revocation_is_proven_after_every_fault(
    world: World, namespace: str, proxy: FaultyProxy, tmp_path: Path
) -> None:
    """Never before: `Enforced` is not True while validators cannot be listed."""
    (port,) = free_ports(1)
    world.account(namespace)
    world.token(namespace)
    command = operator_command(proxy.kubeconfig(tmp_path / "kubeconfig"), port)
    with (
        Process("operator", command, log=tmp_path / "operator.log") as operator,
        validator(world, tmp_path / "first.log", "--max-staleness=10s") as dead,
        validator(world, tmp_path / "second.log", "--max-staleness=10s"),
    ):
        world.until_ready(namespace)
        listing = proxy.put(OF_THE_PROOF["kube.leases.LeaseStore.list"], *Fault)
        deleting = proxy.put(OF_THE_PROOF["kube.leases.LeaseStore.delete"], *Fault)
        dead.process.kill()
        world.change(namespace, state="Revoked")
        world.until(lambda: is_proven(world, namespace), "the proof", timeout=PATIENCE)
        assert listing.left == []
        # Leases are looked at while a proof is requested, and the Lease of an exited validator is deleted.
        while deleting.left and len(leases(world)) > 1:
            for state in ("Active", "Revoked"):
                world.change(namespace, state=state)
                world.until(lambda: is_proven(world, namespace), "the next proof", timeout=PATIENCE)
        assert len(deleting.fired) > 1
        assert len(leases(world)) == 1
        assert "Traceback" not in operator.output()


def is_proven(world: World, namespace: str) -> bool:
    """Say whether every validator answers by the present spec."""
    enforced = world.condition(namespace, "Enforced")
    generation = world.get(namespace)["metadata"]["generation"]
    return (enforced.get("status"), enforced.get("observedGeneration")) == ("True", generation)
