"""config/olm, as the Operator Lifecycle Manager's own library reads it."""

import subprocess
from typing import Any

import yaml

from common.drivers.helm import TOOLS
from controlplane.waiting import patient
from pages import olm

RBAC = "rbac.authorization.k8s.io"


def version() -> dict[str, Any]:
    """Return the ClusterServiceVersion."""
    path = olm.BUNDLE / "manifests" / "servicetokens.clusterserviceversion.yaml"
    return dict(yaml.safe_load(path.read_text()))


def test_the_bundle_is_valid() -> None:
    """No error and no warning."""
    done = subprocess.run(
        [TOOLS / "olm", olm.BUNDLE], capture_output=True, text=True, timeout=patient(60), check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_processes_have_the_rights_of_config_and_the_namespaces_of_olm() -> None:
    """Every rule that config/rbac binds to them, and no more; both learn which namespaces are theirs."""
    install = version()["spec"]["install"]["spec"]
    granted = {
        (kind, one["serviceAccountName"]): len(one["rules"])
        for kind in ("clusterPermissions", "permissions")
        for one in install[kind]
    }
    assert granted == {
        ("clusterPermissions", "servicetokens-operator"): 8,
        ("clusterPermissions", "servicetokens-validator"): 4,
        ("permissions", "servicetokens-operator"): 5,
        ("permissions", "servicetokens-validator"): 2,
    }
    for deployment in install["deployments"]:
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert "--namespace=$(POD_NAMESPACE)" in container["args"]
        assert {one["name"] for one in container["env"]} == {
            "POD_NAMESPACE",
            "POD_NAME",
            "SERVICETOKENS_WATCH_NAMESPACE",
        }
