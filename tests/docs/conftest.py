"""What the pages take for granted: operator, validator, a kube-apiserver that asks it, and the examples."""

import base64
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import pytest

from common.drivers.validating import Ports, validator
from common.drivers.world import HOME, World
from common.repository import ROOT
from controlplane.cluster import AuthenticationWebhook, Cluster, Options
from controlplane.ports import LOOPBACK, free_ports
from servicetokens.api.names import GROUP, VALIDATOR_TLS_SECRET

# What pages create. Nothing of one page is there when the next one begins.
NAMESPACES = ("team-a", "gateway")
EMPTIED_SECONDS = 60


@pytest.fixture(scope="package")
def place(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Place"]:
    """One installation for all pages, as the README makes it; the certificate is the operator's."""
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(Options(), binaries=binaries))
        yield Place(cluster, tmp_path_factory.mktemp("place"), stack)


class Place:
    """Where a page's reader is."""

    def __init__(self, cluster: Cluster, directory: Path, stack: ExitStack) -> None:
        self.world = World(cluster)
        self.world.install()
        # It looks for new kinds every 30 s only.
        cluster.restart_controllers()
        operator = stack.enter_context(
            self.world.operator(directory / "operator.log", f"--certificate-name={LOOPBACK}")
        )
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (directory / name).write_bytes(self._served(name))
        ports = Ports(*free_ports(len(fields(Ports))))
        asked = stack.enter_context(
            validator(
                self.world,
                directory / "validator.log",
                *(f"--tls-cert-file={directory}/tls.crt", f"--tls-key-file={directory}/tls.key"),
                ports=ports,
                wait=False,
            )
        )
        url = f"https://{LOOPBACK}:{ports.token_review}/authenticate"
        cluster.restart_api_server(
            Options(authentication_webhook=AuthenticationWebhook(url, directory / "ca.crt"))
        )
        # The kinds are served again some seconds after the server itself is ready.
        self.world.until(self._serves_our_kinds, "our kinds to be served", timeout=30)
        self.world.until(
            lambda: operator.is_ready() and asked.is_ready(), "everybody to be ready", timeout=60
        )
        path = (
            *map(str, (cluster.binaries, Path(sys.executable).parent)),
            os.environ.get("PATH", os.defpath),
        )
        self._environment = {
            "PATH": os.pathsep.join(path),
            "KUBECONFIG": str(cluster.kubeconfig),
            "VALIDATOR": f"{LOOPBACK}:{ports.forward_auth}",
            "INTROSPECTION": f"{LOOPBACK}:{ports.introspection}",
            "OPERATOR_HEALTH": f"{LOOPBACK}:{operator.port}",
            "VALIDATOR_HEALTH": f"{LOOPBACK}:{ports.health}",
        }

    def environment(self, home: Path) -> Mapping[str, str]:
        """Return the variables of a user whose home is *home*: what `make demo` prints, and no more."""
        return {**self._environment, "HOME": str(home)}

    def begin(self, *, with_examples: bool) -> None:
        """Be in a cluster that is new, or in one with the examples in it."""
        world = self.world
        for role in world.ok("GET", world.path("serviceroles", "")).body["items"]:
            world.delete("serviceroles", "", role["metadata"]["name"])
        for namespace in NAMESPACES:
            world.client.request("DELETE", f"/api/v1/namespaces/{namespace}")
        world.until(self._is_empty, "the last page's namespaces to be gone", timeout=EMPTIED_SECONDS)
        if with_examples:
            world.cluster.kubectl("apply", "-f", ROOT / "examples")
            world.until_ready("team-a", "ci-prod")

    def _serves_our_kinds(self) -> bool:
        plurals = ("servicetokens", "serviceaccounts", "serviceroles")
        return all(self.world.client.request("GET", self.world.path(plural, "")).ok for plural in plurals)

    def _is_empty(self) -> bool:
        found = [self.world.client.request("GET", f"/api/v1/namespaces/{name}").status for name in NAMESPACES]
        return set(found) == {404}

    def _served(self, name: str) -> bytes:
        secret = self.world.until(
            lambda: self.world.secret(HOME, VALIDATOR_TLS_SECRET), f"the certificate of {GROUP}"
        )
        return base64.b64decode(secret["data"][name])
