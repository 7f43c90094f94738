"""Operator and validator as real processes in the environment of the image and the chart's pods, and in no other.

The user has no entry in passwd, the root file system is read-only, nothing can be written anywhere, $USER is not set,
and credentials are those that the kubelet mounts. Arguments are those of the rendered chart.
"""

import base64
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.drivers import image
from common.drivers.operators import RunningOperator
from common.drivers.validating import Ports, RunningValidator
from common.drivers.world import HOME, World, world_of
from common.repository import ROOT
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from servicetokens.api.names import VALIDATOR_TLS_SECRET

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
MANIFESTS = list(yaml.safe_load_all((ROOT / "config" / "manager" / "manager.yaml").read_text()))
# Container runtimes set it to / for an unknown user, and some do not set it at all.
HOMES: list[dict[str, str]] = [{}, {"HOME": "/"}, {"HOME": "/nonexistent"}]
# Two processes start, and a token is minted, on a machine that may be busy.
PATIENCE = 90.0
# The first test waits for pip to fetch and unpack everything, too.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def world(binaries: Path) -> Iterator[World]:
    """A cluster with the ServiceAccounts of both processes."""
    with world_of(binaries) as world:
        for name in ("servicetokens-operator", "servicetokens-validator"):
            body = {"metadata": {"name": name}}
            world.ok("POST", f"/api/v1/namespaces/{HOME}/serviceaccounts", body)
        yield world


class Pods:
    """Makes the commands of containers, as the chart declares them."""

    def __init__(self, world: World, app: Path, scratch: Path) -> None:
        self._world = world
        self._app = app
        self._scratch = scratch

    def command(self, name: str, environment: Mapping[str, str], *flags: str, **mounted: Path) -> list[str]:
        """Return the command of the pod *name*; *flags* are added to those of the chart."""
        root = self._folder(f"{name}-root")
        volumes = {self._service_account(f"servicetokens-{name}"): SERVICE_ACCOUNT}
        volumes |= {path: f"/{volume}" for volume, path in mounted.items()}
        host, port = self._world.cluster.url.removeprefix("https://").split(":")
        service = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        arguments = [*declared(name)["args"], *flags]
        try:
            return image.pod(
                self._app, root, arguments, mounted=volumes, environment={**service, **environment}
            )
        except image.NoSandbox as reason:
            pytest.skip(str(reason))

    def secret(self, name: str) -> Path:
        """Return a folder that holds a Secret of the operator's namespace, as the kubelet mounts it."""
        folder = self._folder(name)
        secret = self._world.ok("GET", f"/api/v1/namespaces/{HOME}/secrets/{name}").body
        for key, value in secret["data"].items():
            (folder / key).write_bytes(base64.b64decode(value))
        return folder

    def _service_account(self, name: str) -> Path:
        folder = self._folder(name)
        path = f"/api/v1/namespaces/{HOME}/serviceaccounts/{name}/token"
        request = {"spec": {"expirationSeconds": 3600}}
        (folder / "token").write_text(self._world.ok("POST", path, request).body["status"]["token"])
        (folder / "namespace").write_text(HOME)
        authority = self._world.cluster.files.authority.certificate
        (folder / "ca.crt").write_bytes(authority.read_bytes())
        return folder

    def _folder(self, name: str) -> Path:
        folder = self._scratch / name
        folder.mkdir()
        return folder


def declared(name: str) -> dict[str, Any]:
    """Return the container of the Deployment of *name* in the rendered chart."""
    (deployment,) = [
        one
        for one in MANIFESTS
        if one["kind"] == "Deployment" and one["metadata"]["name"] == f"servicetokens-{name}"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


@pytest.fixture
def pods(world: World, app: Path, tmp_path: Path) -> Pods:
    """Makes commands."""
    return Pods(world, app, tmp_path)


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.get("HOME", "none"))
def test_operator_and_validator_become_ready_and_work(
    world: World, pods: Pods, tmp_path: Path, home: dict[str, str]
) -> None:
    """A token is minted by the one and accepted by the other, and neither logs an error."""
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    (port,) = free_ports(1)
    command = pods.command("operator", home, f"--health-address={LOOPBACK}:{port}")
    with Process("operator", command, log=tmp_path / "operator.log") as process:
        operator = RunningOperator(process, port)
        world.until(operator.is_ready, "the operator to be ready", timeout=PATIENCE)
        world.token(namespace)
        value = world.until_ready(namespace)
        world.until(
            lambda: world.secret(HOME, VALIDATOR_TLS_SECRET), "the validator's certificate", timeout=PATIENCE
        )
        ports = Ports(*free_ports(6))
        tls = pods.secret(VALIDATOR_TLS_SECRET)
        command = pods.command("validator", home, *ports.flags(), tls=tls)
        with Process("validator", command, log=tmp_path / "validator.log") as serving:
            validator = RunningValidator(serving, ports, tls / "ca.crt")
            world.until(validator.is_ready, "the validator to be ready", timeout=PATIENCE)
            assert validator.forward(value).status == 200
            assert operator.is_ready(), operator.page("/readyz")
            for running in (operator, validator):
                running.assert_sound()
                assert '"level": "error"' not in running.process.output()
                assert '"level": "warning"' not in running.process.output()


def test_a_kubeconfig_is_read_without_a_home_directory(world: World, pods: Pods, tmp_path: Path) -> None:
    """Anyone who runs the image outside of a cluster names one; the library that reads it asks for the directory."""
    folder = tmp_path / "kubeconfig"
    folder.mkdir()
    user = {"name": "pod", "user": {"tokenFile": f"{SERVICE_ACCOUNT}/token"}}
    server = {"server": world.cluster.url, "certificate-authority": f"{SERVICE_ACCOUNT}/ca.crt"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "clusters": [{"name": "pod", "cluster": server}],
        "users": [user],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
    }
    (folder / "config").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    flags = ("--kubeconfig=/kubeconfig/config", f"--health-address={LOOPBACK}:{port}")
    command = pods.command("operator", {}, *flags, kubeconfig=folder)
    with Process("operator", command, log=tmp_path / "operator.log") as process:
        operator = RunningOperator(process, port)
        world.until(operator.is_ready, "the operator to be ready", timeout=PATIENCE)
        operator.assert_sound()


CODE = """
import os, pwd
try:
    pwd.getpwuid(os.getuid())
except KeyError:
    print("unknown")
for path in ("/x", "/tmp/x", "/app/x", "/usr/x", "/dev/x", "/tls/x"):
    try:
        open(path, "w")
    except OSError as error:
        print(path, type(error).__name__)
print(sorted(name for name in os.environ if name in {"HOME", "USER", "LOGNAME"}))
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")])
"""


def test_the_environment_of_these_tests_is_as_hard_as_a_pod(pods: Pods, tmp_path: Path) -> None:
    """Nothing can be written, the user has no entry in the image, and the process has no capability."""
    tls = tmp_path / "tls"
    tls.mkdir()
    command = pods.command("operator", {}, tls=tls)
    start = command.index("python")
    done = subprocess.run(
        [*command[: start + 1], "-c", CODE], capture_output=True, text=True, timeout=60, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "unknown", done.stderr
    assert [line.split()[0] for line in lines[1:-2]] == re.findall(r'"(/[a-z/]*x)"', CODE)
    assert lines[-2:] == ["[]", "['0000000000000000']"]
