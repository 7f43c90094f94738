"""Starting, waiting and ending: one clear line for what is wrong, and never a traceback."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from common.drivers.operators import RunningOperator, operator_command
from common.drivers.world import World
from controlplane.cluster import Cluster, Options
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from controlplane.waiting import patient

BINDING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `servicetokens operator` to its end."""
    command = [sys.executable, "-m", "servicetokens", "operator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(30), check=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--wacth-namespace=a"], "No such option"),
        (["--health-address=9090"], "--health-address: '9090' must be an address and a port"),
        (["--health-address=0.0.0.0:99999"], "--health-address"),
        (["--token-prefix=SVT"], "--token-prefix: 'SVT' must be two to ten lowercase letters"),
        (["--watch-namespace=Team_A"], "--watch-namespace: 'Team_A' must be the name of a namespace"),
        (["--log-level=loud"], "--log-level"),
        (["--log-format=xml"], "--log-format"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_2(arguments: list[str], words: str) -> None:
    """It names the flag and says what it has to be."""
    ended = run(*arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stderr.count("Error") == 1
    assert "Traceback" not in ended.stderr


def test_a_flag_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable has the flag's name."""
    monkeypatch.setenv("SERVICETOKENS_TOKEN_PREFIX", "NO")
    ended = run()
    assert ended.returncode == 2
    assert "--token-prefix" in ended.stderr


def test_a_missing_kubeconfig_is_one_line_and_exit_1(tmp_path: Path) -> None:
    """It names the file and the flag."""
    ended = run(f"--kubeconfig={tmp_path}/none", "--health-address=127.0.0.1:0")
    assert ended.returncode == 1
    assert ended.stderr.strip().count("\n") == 0
    assert f"{tmp_path}/none does not exist" in ended.stderr


def test_a_taken_health_port_is_one_line_and_exit_1(world: World) -> None:
    """It names the address and the flag that chooses another."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        address = f"{LOOPBACK}:{taken.getsockname()[1]}"
        ended = run(f"--kubeconfig={world.cluster.kubeconfig}", f"--health-address={address}")
    assert ended.returncode == 1
    assert address in ended.stderr
    assert "--health-address" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_api_server_that_cannot_be_reached_is_waited_for(binaries: Path, tmp_path: Path) -> None:
    """The operator stays up, says so in /readyz and once in the log, and goes on when it comes."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        cluster.stop_api_server()
        with world.operator(tmp_path / "operator.log", wait=False) as operator:
            world.until(lambda: "cannot be reached" in operator.page("/readyz")[1], "the cause in /readyz")
            assert operator.page("/livez")[0] == 200
            cluster.start_api_server()
            world.until(operator.is_ready, "the operator to be ready", timeout=30)
            lines = [json.loads(line) for line in operator.process.output().splitlines()]
            reasons = [line["reason"] for line in lines if line["event"] == "not ready"]
            assert len(reasons) == len(set(reasons))
        assert "Traceback" not in operator.process.output()


def test_missing_crds_are_reported_with_the_command_that_installs_them(
    binaries: Path, tmp_path: Path
) -> None:
    """And the operator waits for them."""
    with Cluster(Options(), binaries=binaries) as cluster:
        (port,) = free_ports(1)
        arguments = operator_command(cluster.kubeconfig, port)
        with Process("operator", arguments, log=tmp_path / "operator.log") as process:
            operator = RunningOperator(process, port)
            World(cluster).until(
                lambda: (
                    "servicetokens crds | kubectl apply --server-side -f -" in operator.page("/readyz")[1]
                ),
                "the command in /readyz",
            )


def test_a_missing_right_is_named(world: World, namespace: str, tmp_path: Path) -> None:
    """Without any it gets no further than the lists; without that on status it says so."""
    with world.operator(tmp_path / "nobody.log", user="nobody", wait=False) as operator:
        world.until(
            lambda: 'cannot list resource "servicetokens"' in operator.page("/readyz")[1], "the right"
        )
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch", "create"]},
    ]
    role = {"metadata": {"name": "reader"}, "rules": rules}
    world.ok("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}
    world.ok("POST", BINDING, {"metadata": {"name": "reader"}, "roleRef": reference, "subjects": [subject]})
    world.token(namespace)
    flags = (f"--watch-namespace={namespace}",)
    with world.operator(tmp_path / "reader.log", *flags, user="reader", wait=False) as operator:
        world.until(lambda: "/status" in operator.page("/readyz")[1], "the missing right")
    assert "Traceback" not in operator.process.output()
    # The Secret is written first, and its value is accepted once it is on status: here it never is.
    assert "credentials" not in world.status(namespace)


def test_sigterm_ends_it_in_order_and_soon(world: World, namespace: str, tmp_path: Path) -> None:
    """Exit 0, also in the middle of work; every token that was begun is finished."""
    with world.operator(tmp_path / "operator.log") as operator:
        for number in range(40):
            world.token(namespace, f"token-{number}")
        operator.process.send(signal.SIGTERM)
        assert operator.process.wait(10) == 0
        for word in ("Traceback", "RuntimeWarning", '"level": "error"'):
            assert word not in operator.process.output(), operator.process.output()
    for number in range(40):
        name = f"token-{number}"
        assert world.status(namespace, name).get("serial") is None or world.holds(namespace, name)
