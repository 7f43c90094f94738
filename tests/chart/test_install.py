"""A release on a real API server, from the first install to the last uninstall. There is no node: pods stay Pending.

What the pods would run is run as processes here, with the identities and the rights that the release gives them.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.drivers.helm import CASES, CHART, RELEASE, Helm, pods, values
from common.drivers.validating import validator
from common.drivers.world import GROUPS, HOME, World
from common.repository import ROOT
from controlplane.cluster import Cluster
from controlplane.waiting import patient
from servicetokens.api.names import KEYS_SECRET

TESTER = f"system:serviceaccount:{HOME}:servicetokens-smoke-test"
# Where Pod Security is enforced at its strictest.
RESTRICTED = "restricted"
# Kinds of other people, as far as the API server has to know them to take an object.
FOREIGN = (
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    ("cert-manager.io", "v1", "Certificate", "certificates"),
)


@pytest.fixture
def apart(binaries: Path) -> Iterator[Cluster]:
    """A cluster with nothing of ours in it."""
    with Cluster(binaries=binaries) as cluster:
        yield cluster


@pytest.fixture
def home(version: str, apart: Cluster, tmp_path: Path) -> Helm:
    """A Helm that leads there."""
    return Helm(version, tmp_path, apart.kubeconfig)


def install(helm: Helm, *flags: str | Path) -> None:
    """Install it in the namespace of a default install."""
    helm("install", RELEASE, CHART, "--namespace", HOME, "--create-namespace", *flags)


def foreign_crd(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    """Return a CRD that takes anything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": anything}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture(scope="module")
def ready(binaries: Path) -> Iterator[Cluster]:
    """A cluster with the namespaces and the foreign kinds that the cases speak of."""
    with Cluster(binaries=binaries) as cluster:
        for name in (RESTRICTED, "team-a", "team-b"):
            cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", RESTRICTED, "pod-security.kubernetes.io/enforce=restricted")
        # A dry run creates nothing, and a pod wants its ServiceAccount to be there.
        for name in ("operator", "validator", "smoke-test"):
            cluster.kubectl("create", "serviceaccount", f"servicetokens-{name}", "--namespace", RESTRICTED)
        crds = [foreign_crd(*one) for one in FOREIGN]
        cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(crds))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        yield cluster


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_every_object(ready: Cluster, helm: Helm, case: str) -> None:
    """By a dry run on the server, with every field known to it; and every pod under Pod Security `restricted`."""
    rendered = helm.template("--values", values(case), namespace=RESTRICTED)
    dry_run = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    for namespace in {item["metadata"].get("namespace", RESTRICTED) for item in rendered}:
        items = [item for item in rendered if item["metadata"].get("namespace", RESTRICTED) == namespace]
        ready.kubectl(*dry_run, "--namespace", namespace, input=yaml.safe_dump_all(items))
    found = list(pods(rendered))
    assert found
    for name, spec in found:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        done = ready.client().request("POST", f"/api/v1/namespaces/{RESTRICTED}/pods?dryRun=All", pod)
        assert done.ok, done


def test_a_release_lives_through_upgrade_rollback_and_uninstall(
    home: Helm, apart: Cluster, tmp_path: Path
) -> None:
    """The token that was minted first is the token at the end: nothing is minted again, and the CRDs stay."""
    world = World(apart)
    install(home)
    world.until(lambda: is_established(apart), "the CRDs")
    apart.restart_controllers()
    namespace = apart.create_namespace()
    with world.operator(tmp_path / "operator.log"), validator(world, tmp_path / "validator.log") as asked:
        world.account(namespace)
        world.token(namespace)
        value = world.until_ready(namespace)
        home("upgrade", RELEASE, CHART, "--namespace", HOME, "--set", "logs.level=debug,validator.replicas=3")
        assert replicas(apart) == 3
        home("rollback", RELEASE, "1", "--namespace", HOME)
        assert replicas(apart) == 2
        world.change(namespace, description="look again")
        assert world.until_ready(namespace) == value
        assert asked.forward(value).status == 200
    home("uninstall", RELEASE, "--namespace", HOME)
    assert world.value(namespace) == value
    assert world.secret(HOME, KEYS_SECRET) is not None
    install(home)
    with world.operator(tmp_path / "again.log"), validator(world, tmp_path / "last.log") as asked:
        assert world.until_ready(namespace) == value
        assert asked.forward(value).status == 200
    assert world.status(namespace)["serial"] == 1
    assert history(home) == ["1"]


def test_kinds_that_were_applied_before_are_adopted_with_their_objects(home: Helm, apart: Cluster) -> None:
    """As the page Install says: Helm names the reason, and `--take-ownership` is the way; no account is lost."""
    apart.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    apart.kubectl("wait", "--for=condition=Established", "crd", "--all")
    world = World(apart)
    namespace = apart.create_namespace()
    world.account(namespace)
    place = ("--namespace", HOME, "--create-namespace")
    rejected = home("install", RELEASE, CHART, *place, check=False)
    assert rejected.returncode != 0
    assert "exists and cannot be imported into the current release" in rejected.stderr
    install(home, "--take-ownership")
    assert history(home) == ["1"]
    assert world.get(namespace, "ci", "serviceaccounts")["metadata"]["name"] == "ci"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/servicetokens.servicetokens.dev"
    owner = apart.client().request("GET", path).body["metadata"]["annotations"]
    assert owner["meta.helm.sh/release-name"] == RELEASE


def is_established(cluster: Cluster) -> bool:
    """Say whether our kinds are served."""
    return "servicetokens.servicetokens.dev" in cluster.kubectl("api-resources", "-o", "name").stdout


def replicas(cluster: Cluster) -> int:
    """Return how many validators are asked for."""
    path = f"/apis/apps/v1/namespaces/{HOME}/deployments/servicetokens-validator"
    return int(cluster.client().request("GET", path).body["spec"]["replicas"])


def history(helm: Helm) -> list[str]:
    """Return the revisions of the release."""
    listed = yaml.safe_load(helm("history", RELEASE, "--namespace", HOME, "-o", "yaml").stdout)
    return [str(one["revision"]) for one in listed]


def test_the_smoke_test_passes_with_the_rights_of_its_hooks(
    home: Helm, apart: Cluster, tmp_path: Path
) -> None:
    """What `helm test` runs in a pod, run as a process; it leaves nothing, and says what is missing."""
    world = World(apart)
    install(home)
    world.until(lambda: is_established(apart), "the CRDs")
    hooks = home.template("--show-only", "templates/tests/smoke-test.yaml")
    rights = [item for item in hooks if item["kind"].startswith("Role")]
    apart.kubectl("apply", "--namespace", HOME, "-f", "-", input=yaml.safe_dump_all(rights))
    ((_, spec),) = pods(hooks)
    arguments = [one for one in spec["containers"][0]["args"] if not one.startswith("--ask=")]
    kubeconfig = apart.user(TESTER, GROUPS)

    def smoke(url: str, *flags: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "servicetokens",
            *arguments,
            f"--ask={url}",
            f"--kubeconfig={kubeconfig}",
        ]
        return subprocess.run(
            [*command, *flags], capture_output=True, text=True, timeout=patient(90), check=False
        )

    alone = smoke("http://127.0.0.1:1/", "--timeout=1")
    assert alone.returncode == 1
    assert (
        "waited 1 s for the token to be minted, and found: no status; check that the operator runs"
        in alone.stderr
    )
    with world.operator(tmp_path / "operator.log"), validator(world, tmp_path / "validator.log") as asked:
        unasked = smoke("http://127.0.0.1:1/", "--timeout=1")
        assert unasked.returncode == 1
        assert (
            "for the validator to accept it, and found: no answer from http://127.0.0.1:1/" in unasked.stderr
        )
        done = smoke(f"http://127.0.0.1:{asked.forward_port}/validate")
        assert done.returncode == 0, done.stderr
        assert [line.split(" ")[0].rstrip(",") for line in done.stdout.splitlines()] == [
            "minted",
            "accepted",
            "deleted",
        ]
    for plural in ("servicetokens", "serviceaccounts"):
        assert world.ok("GET", world.path(plural, HOME)).body["items"] == []


def test_the_keys_are_deleted_only_on_purpose(home: Helm, apart: Cluster) -> None:
    """A mistake is rejected with the way to do it; the namespace can still go."""
    install(home)
    world = World(apart)
    secrets = f"/api/v1/namespaces/{HOME}/secrets"
    keys = {"metadata": {"name": KEYS_SECRET}, "data": {}}
    world.ok("POST", secrets, keys)
    world.ok("POST", secrets, {"metadata": {"name": "other"}})

    def rejection() -> str:
        answer = world.client.request("DELETE", f"{secrets}/{KEYS_SECRET}?dryRun=All")
        return str(answer.body["message"]) if answer.status == 403 else ""

    assert "annotate the Secret with servicetokens.dev/allow-deletion=true" in world.until(
        rejection, "the policy to be in force"
    )
    world.ok("DELETE", f"{secrets}/other")
    collection = apart.kubectl("delete", "secret", "--all", "--namespace", HOME, check=False)
    assert "allow-deletion" in collection.stderr
    assert world.secret(HOME, KEYS_SECRET) is not None
    apart.kubectl(
        "annotate", "secret", KEYS_SECRET, "--namespace", HOME, "servicetokens.dev/allow-deletion=true"
    )
    world.ok("DELETE", f"{secrets}/{KEYS_SECRET}")


def test_the_notes_name_what_is_on_and_no_secret(home: Helm) -> None:
    """Where to ask, and how to try it."""

    def notes(*flags: str | Path) -> str:
        place = ("--namespace", HOME, "--dry-run=server")
        return home("install", RELEASE, CHART, *place, *flags).stdout.partition("NOTES:")[2]

    assert "http://servicetokens-validator.servicetokens.svc:8080/validate" in notes()
    assert "set image.digest in production" in notes()
    quiet = notes("--values", values("namespaced"))
    assert "serves team-a, team-b" in quiet
    assert "set image.digest" not in quiet
    assert ":8080" not in notes("--values", values("own-certificate"))
    exposed = notes("--set", "networkPolicy.enabled=true,validator.hostNetwork=true")
    assert "WARNING: the validator runs in the network of its node (validator.hostNetwork)" in exposed
    assert "WARNING: the operator runs in" not in exposed
