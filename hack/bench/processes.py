"""Starts our two processes with the flags of a benchmark: everything on loopback, quiet logs."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.machine import SERVER_CORE, pinned
from bench.yardstick import Target
from controlplane.certificates import KeyPair
from controlplane.cluster import Cluster
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from servicetokens.api.names import DEFAULT_NAMESPACE

COMMAND: Final = ("-m", "servicetokens", "validator")
PLAIN_COMMAND: Final = ("-m", "bench.plain")
# A listener of the validator for each shape of request.
SHAPES: Final = ("forward-auth", "ext-authz", "token-review", "introspection")
SECURED: Final = frozenset({"token-review", "introspection"})


@dataclass(frozen=True)
class Validator:
    """A validator that runs, and where it answers what."""

    name: str
    process: Process
    addresses: dict[str, str]
    secured: frozenset[str]
    """The address for requests over TLS."""

    def target(self, shape: str, caller: str = "") -> Target:
        """Return the listener for that shape of request, as the load generator sees it."""
        return Target(
            self.name, self.process, self.addresses[shape], shape, tls=shape in self.secured, caller=caller
        )


def start_operator(cluster: Cluster, python: str, namespaces: list[str], *more: str) -> tuple[Process, str]:
    """Start an operator that watches *namespaces*, on any core; return it and its health address."""
    health = f"{LOOPBACK}:{free_ports(1)[0]}"
    flags = [*_common(cluster, namespaces), "--health-address", health, *more]
    log = cluster.directory / "bench-operator.log"
    return Process("operator", [python, "-m", "servicetokens", "operator", *flags], log=log), health


def start_validator(
    cluster: Cluster,
    python: str,
    namespace: str,
    certificate: KeyPair,
    *,
    plain: bool = False,
    service_account: Path | None = None,
) -> Validator:
    """Start a validator that watches *namespace*, on the server core.

    *plain* means without TLS anywhere; with *service_account*, a directory, it is reached as from inside a pod.
    """
    *ports, health = free_ports(len(SHAPES) + 1)
    addresses = {shape: f"{LOOPBACK}:{port}" for shape, port in zip(SHAPES, ports, strict=True)}
    flags = [
        *_common(cluster, [namespace]),
        *(f"--{shape}-address={address}" for shape, address in addresses.items()),
        *("--health-address", f"{LOOPBACK}:{health}"),
        *("--tls-cert-file", str(certificate.certificate), "--tls-key-file", str(certificate.key)),
        *(["--no-tls"] if plain else []),
        *([f"--service-account={service_account}"] if service_account else []),
    ]
    name = f"validator-{namespace}" + ("-plain" if plain else "")
    command = PLAIN_COMMAND if plain or service_account else COMMAND
    host, _, port = cluster.url.removeprefix("https://").partition(":")
    environment = {**os.environ, "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    with pinned(SERVER_CORE):
        process = Process(
            name,
            [python, *command, *flags],
            log=cluster.directory / f"{name}.log",
            environment=environment,
        )
    return Validator(name, process, addresses, frozenset() if plain else SECURED)


def mount_service_account(cluster: Cluster) -> Path:
    """Make a directory as the kubelet mounts it: for an administrator's account of the core kind."""
    client, name = cluster.client(), "bench-validator"
    path = f"/api/v1/namespaces/{DEFAULT_NAMESPACE}/serviceaccounts"
    client.request("POST", path, {"metadata": {"name": name}})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": DEFAULT_NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    client.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    token = client.request("POST", f"{path}/{name}/token", {"spec": {"expirationSeconds": 3600}})
    directory = cluster.directory / "service-account"
    directory.mkdir()
    (directory / "token").write_text(token.body["status"]["token"], encoding="ascii")
    (directory / "ca.crt").write_bytes(cluster.files.authority.certificate.read_bytes())
    return directory


def _common(cluster: Cluster, namespaces: list[str]) -> list[str]:
    flags = [
        "--kubeconfig",
        str(cluster.kubeconfig),
        "--namespace",
        DEFAULT_NAMESPACE,
        "--log-level",
        "warning",
    ]
    for namespace in namespaces:
        flags += ["--watch-namespace", namespace]
    return flags
