"""The Lease of a validator belongs to the pod that renews it, as the API server knows from the pod's own token."""

import os
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from common.drivers.validating import Ports
from common.drivers.world import GROUPS, HOME, OPERATOR, World
from controlplane.client import Answer
from controlplane.ports import free_ports
from controlplane.processes import Process
from servicetokens.api import names

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases"
ACCOUNT = "servicetokens-validator"

Send = Callable[..., Answer]


def token_of_pod(world: World, name: str) -> str:
    """Return a token that the API server made for this pod of a validator, as the kubelet asks."""
    accounts = f"/api/v1/namespaces/{HOME}/serviceaccounts"
    if not world.client.request("GET", f"{accounts}/{ACCOUNT}").ok:
        world.ok("POST", accounts, {"metadata": {"name": ACCOUNT}})
    spec = {"serviceAccountName": ACCOUNT, "containers": [{"name": "validator", "image": "servicetokens"}]}
    made = world.ok("POST", f"/api/v1/namespaces/{HOME}/pods", {"metadata": {"name": name}, "spec": spec})
    bound = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": made.body["metadata"]["uid"]}
    request = {"spec": {"boundObjectRef": bound, "expirationSeconds": 3600}}
    return str(world.ok("POST", f"{accounts}/{ACCOUNT}/token", request).body["status"]["token"])


def pod(world: World, name: str) -> Send:
    """Return requests of a validator's pod."""
    return world.cluster.client(token=token_of_pod(world, name)).request


def lease(name: str, holder: str, **spec: Any) -> dict[str, Any]:
    """Return the Lease of a validator."""
    meta = {"name": f"servicetokens-validator-{name}", "labels": {"servicetokens.dev/component": "validator"}}
    return {"metadata": meta, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 60, **spec}}


@pytest.fixture(scope="module")
def first(world: World) -> Send:
    """One validator."""
    return pod(world, "first")


@pytest.fixture(scope="module")
def second(world: World) -> Send:
    """Another one."""
    return pod(world, "second")


def test_a_pod_writes_renews_and_deletes_its_own_lease(first: Send) -> None:
    """Whatever the pod's name is, the holder begins with it."""
    made = first("POST", LEASES, lease("00000001", "first_00000001"))
    assert made.ok, made
    path = f"{LEASES}/servicetokens-validator-00000001"
    made.body["spec"]["renewTime"] = "2026-11-25T00:00:00.000000Z"
    assert first("PUT", path, made.body).ok
    assert first("DELETE", path).ok


def test_no_pod_can_act_for_another_pod(first: Send, second: Send) -> None:
    """Neither with a new Lease nor with that of a peer, and no Lease is taken over or deleted."""
    ghost = second("POST", LEASES, lease("00000002", "first_00000002"))
    assert ghost.status == 403
    assert "holds Leases for its own pod only, which is second" in str(ghost.body)
    assert second("POST", LEASES, lease("00000002", "secondary_00000002")).status == 403
    assert second("POST", LEASES, lease("00000002", "")).status == 403
    made = first("POST", LEASES, lease("00000003", "first_00000003"))
    path = f"{LEASES}/servicetokens-validator-00000003"
    assert second("PUT", path, made.body).status == 403
    made.body["spec"]["holderIdentity"] = "second_00000003"
    assert second("PUT", path, made.body).status == 403
    assert first("PUT", path, made.body).status == 403
    assert second("DELETE", path).status == 403
    assert first("DELETE", path).ok


def test_no_lease_lasts_for_longer_than_the_operator_believes(first: Send) -> None:
    """An hour, the most that a validator can be configured with."""
    assert first("POST", f"{LEASES}?dryRun=All", lease("00000004", "first_4", leaseDurationSeconds=3600)).ok
    refused = first("POST", f"{LEASES}?dryRun=All", lease("00000004", "first_4", leaseDurationSeconds=3601))
    assert refused.status == 403
    assert "may last longer than one hour" in str(refused.body)


def test_no_operator_leads_for_longer_either(world: World) -> None:
    """Another one could not take over for years."""
    send = world.cluster.client(OPERATOR, GROUPS).request
    path = f"{LEASES}/{names.OPERATOR_LEASE}"
    if not world.client.request("GET", path).ok:
        world.ok("POST", LEASES, {"metadata": {"name": names.OPERATOR_LEASE}, "spec": {}})
    found = world.ok("GET", path).body
    for seconds, status in ((15, 200), (2**31 - 1, 403)):
        body = {**found, "spec": {"holderIdentity": "me", "leaseDurationSeconds": seconds}}
        assert send("PUT", f"{path}?dryRun=All", body).status == status


def test_a_validator_on_the_network_of_its_node_keeps_its_lease(world: World, tmp_path: Path) -> None:
    """The host is called like the node there; the manifests tell the pod's name."""
    ports = Ports(*free_ports(len(fields(Ports))))
    certificate = world.cluster.files.authority.server(f"validator-{ports.health}")
    command = [
        *(sys.executable, "-m", "servicetokens", "validator"),
        f"--kubeconfig={world.cluster.bearer(token_of_pod(world, 'on-a-node'))}",
        *ports.flags(),
        f"--tls-cert-file={certificate.certificate}",
        f"--tls-key-file={certificate.key}",
    ]
    environment = {**os.environ, "POD_NAME": "on-a-node"}

    def holders() -> list[str]:
        found = world.ok("GET", LEASES).body["items"]
        return [one["spec"].get("holderIdentity") or "" for one in found]

    with Process("validator", command, log=tmp_path / "log", environment=environment):
        world.until(
            lambda: any(holder.startswith("on-a-node_") for holder in holders()),
            "the Lease to be held by the pod",
            timeout=60,
        )
