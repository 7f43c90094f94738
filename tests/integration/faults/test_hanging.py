"""A webhook for Secrets that hangs in one namespace: it is reported there, and does not affect tokens elsewhere."""

from pathlib import Path

from common.drivers.callsites import OF_A_TOKEN, within
from common.drivers.operators import RunningOperator, operator_command
from common.drivers.world import World
from common.fakes.faulty import FaultyProxy
from controlplane.ports import free_ports
from controlplane.processes import Process

# An attempt is given up after ten seconds, and the one that is under way when the cause is removed has to end.
PATIENCE = 90.0


def test_a_hanging_webhook_is_reported_with_the_token_and_stops_no_other_token(
    world: World, proxy: FaultyProxy, namespace: str, tmp_path: Path
) -> None:
    """The old token stays valid and the operator ready; one credential waits, and is delivered when it can be."""
    elsewhere = world.cluster.create_namespace()
    for one in (namespace, elsewhere):
        world.account(one)
    (port,) = free_ports(1)
    command = operator_command(proxy.kubeconfig(tmp_path / "kubeconfig"), port)
    with Process("operator", command, log=tmp_path / "operator.log") as process:
        operator = RunningOperator(process, port)
        world.until(operator.is_ready, "the operator to be ready", timeout=PATIENCE)
        world.token(namespace, rotation={"id": "a", "overlap": "1s"})
        old = world.until_ready(namespace)
        proxy.hold(within(OF_A_TOKEN["kube.secrets.SecretStore.patch"], namespace))
        world.change(namespace, rotation={"id": "b"})
        world.until(
            lambda: world.condition(namespace, "Ready").get("reason") == "DeliveryFailed",
            "the failure to be told",
            timeout=PATIENCE,
        )
        assert "did not answer in time" in world.condition(namespace, "Ready")["message"]
        assert world.condition(namespace, "SecretSynced")["status"] == "False"
        assert world.condition(namespace, "Active")["status"] == "True"
        assert world.serial_of(old, namespace) == 1
        assert operator.is_ready()
        world.token(elsewhere)
        world.until_ready(elsewhere)
        world.until(lambda: "DeliveryFailed" in world.events(namespace), "the Event", timeout=PATIENCE)
        told = [line for line in process.output().splitlines() if "failed to write the Secret" in line]
        assert len(told) == 1
        assert namespace in told[0]
        proxy.release()
        world.until(
            lambda: world.value(namespace) != old and world.holds(namespace),
            "the delivery",
            timeout=PATIENCE,
        )
        world.until_ready(namespace)
        assert world.status(namespace)["serial"] == 2
        assert "Traceback" not in process.output()
