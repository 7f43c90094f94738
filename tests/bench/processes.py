"""Starts our two processes with the flags of a benchmark: everything on loopback, quiet logs."""

from bench.machine import SERVER_CORE, pinned
from bench.yardstick import Target
from controlplane.certificates import KeyPair
from controlplane.cluster import Cluster
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from servicetokens.api.names import DEFAULT_NAMESPACE

COMMAND = ("-m", "servicetokens")


def start_operator(cluster: Cluster, python: str, namespaces: list[str]) -> tuple[Process, str]:
    """Start an operator that watches *namespaces*, on any core; return it and its health address."""
    health = f"{LOOPBACK}:{free_ports(1)[0]}"
    flags = [*_common(cluster, namespaces), "--health-address", health]
    log = cluster.directory / "bench-operator.log"
    return Process("operator", [python, *COMMAND, "operator", *flags], log=log), health


def start_validator(
    cluster: Cluster, python: str, namespace: str, certificate: KeyPair
) -> tuple[Target, Target]:
    """Start a validator that watches *namespace*, on the server core; return its two listeners."""
    plain, secure, health = (f"{LOOPBACK}:{port}" for port in free_ports(3))
    flags = [
        *_common(cluster, [namespace]),
        *("--forward-auth-address", plain, "--token-review-address", secure, "--health-address", health),
        *("--ext-authz-address", "", "--introspection-address", ""),
        *("--tls-cert-file", str(certificate.certificate), "--tls-key-file", str(certificate.key)),
    ]
    name = f"validator-{namespace}"
    with pinned(SERVER_CORE):
        process = Process(
            name, [python, *COMMAND, "validator", *flags], log=cluster.directory / f"{name}.log"
        )
    return (
        Target(name, process, plain, "forward-auth", tls=False),
        Target(name, process, secure, "token-review", tls=True),
    )


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
