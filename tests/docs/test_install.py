"""The section of the page Install that runs both processes from a clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.drivers.world import World
from common.repository import ROOT
from controlplane.cluster import Cluster, Options
from controlplane.ports import LOOPBACK, free_ports
from controlplane.waiting import patient

SECTION = "## From a clone, without an image"
LISTENERS = ("TOKEN_REVIEW", "FORWARD_AUTH", "EXT_AUTHZ", "INTROSPECTION", "HEALTH")


@pytest.mark.timeout(300)
def test_operator_and_validator_run_from_a_clone(binaries: Path, tmp_path: Path) -> None:
    """In an empty cluster, typed as the page shows it; only the ports are others, since tests run in parallel."""
    page = (ROOT / "docs" / "get-started" / "install.md").read_text()
    section = page.partition(SECTION)[2].partition("\n## ")[0]
    typed = section.partition("```sh\n")[2].partition("```")[0]
    operator_health, *ports = free_ports(1 + len(LISTENERS))
    health = ports[-1]
    typed = typed.replace("127.0.0.1:9091", f"{LOOPBACK}:{operator_health}")
    variables = {
        f"SERVICETOKENS_{name}_ADDRESS": f"{LOOPBACK}:{port}"
        for name, port in zip(LISTENERS, ports, strict=True)
    }
    ready = f"curl -sf --retry 60 --retry-delay 1 --retry-all-errors http://{LOOPBACK}"
    check = f"{ready}:{operator_health}/readyz && {ready}:{health}/readyz; status=$?; kill $(jobs -p); exit $status"
    with Cluster(Options(), binaries=binaries) as cluster:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{typed}\nset +e\n{check}"],
            cwd=tmp_path,
            env={
                "PATH": os.pathsep.join(
                    [str(binaries), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
                ),
                "HOME": str(tmp_path),
                "KUBECONFIG": str(cluster.kubeconfig),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=patient(200),
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert World(cluster).secret("servicetokens", "servicetokens-hmac-keys")
