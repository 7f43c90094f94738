"""`config/`, `crds/` and `examples/` as kubectl's own kustomize builds them, and as a real API server takes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.drivers.helm import Helm, places, pods
from common.repository import ROOT
from controlplane.cluster import Cluster
from pages import manager
from servicetokens.controllers.main import command as operator_command
from servicetokens.validator.main import command as validator_command

TEAMS = ("team-a", "team-b")
CORE_ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci"}}


@pytest.fixture(scope="module")
def ready(binaries: Path) -> Iterator[Cluster]:
    """A cluster with the namespaces that the builds speak of."""
    with Cluster(binaries=binaries) as cluster:
        for name in ("servicetokens", *TEAMS):
            cluster.kubectl("create", "namespace", name)
        yield cluster


def build(cluster: Cluster, directory: Path) -> list[dict[str, Any]]:
    """Return what kubectl makes of a directory."""
    return list(yaml.safe_load_all(cluster.kubectl("kustomize", directory).stdout))


def names(objects: list[dict[str, Any]], *kinds: str) -> set[str]:
    """Return the names of the objects of these kinds."""
    return {item["metadata"]["name"] for item in objects if item["kind"] in kinds}


def test_the_manifests_are_those_of_the_chart() -> None:
    """`make manifests` would write what is there."""
    assert manager.render() == manager.MANAGER.read_text(), "run `make manifests`"


def test_default_is_what_the_chart_installs(ready: Cluster, tmp_path: Path) -> None:
    """The same objects, and the namespace, which Helm makes on its own; the API server takes all of them."""
    built = build(ready, ROOT / "config" / "default")
    ours = {(kind, name) for kind, _, name in places(built)}
    charts = {(kind, name) for kind, _, name in places(Helm("helm4", tmp_path).template("--no-hooks"))}
    assert ours - charts == {("v1 Namespace", "servicetokens")}
    assert charts - ours == set()
    ready.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", ROOT / "config" / "default"
    )


def test_two_namespaces_are_served_and_no_other(ready: Cluster) -> None:
    """No right in the whole cluster but to read roles and kinds; the processes receive the namespaces."""
    directory = ROOT / "config" / "samples" / "two-teams"
    built = build(ready, directory)
    assert names(built, "ClusterRoleBinding") == {
        "servicetokens-catalogue-view",
        "servicetokens-common",
        "servicetokens-operator-catalogue",
    }
    bound = {
        (item["metadata"]["namespace"], item["metadata"]["name"])
        for item in built
        if item["kind"] == "RoleBinding" and item["metadata"]["namespace"] != "servicetokens"
    }
    rights = ("servicetokens-operator", "servicetokens-operator-watch-secrets", "servicetokens-validator")
    assert bound == {(team, right) for team in TEAMS for right in rights}
    (settings,) = [item for item in built if item["kind"] == "ConfigMap"]
    specs = dict(pods(built))
    for name, command in (("operator", operator_command), ("validator", validator_command)):
        (container,) = specs[f"servicetokens-{name}"]["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
        with pytest.MonkeyPatch.context() as environment:
            for variable, value in settings["data"].items():
                environment.setenv(variable, value)
            with command.make_context(name, container["args"][1:]) as context:
                assert context.params["watch_namespace"] == TEAMS
    ready.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", directory)


@pytest.mark.parametrize("folder", ["crds", "examples"])
def test_a_folder_is_applied_with_f_and_with_k(ready: Cluster, folder: str) -> None:
    """Both give the same objects: the kustomization is no object, and has no ending that kubectl would read."""
    read = [
        item
        for path in sorted((ROOT / folder).glob("*.yaml"))
        for item in yaml.safe_load_all(path.read_text())
        if item
    ]
    assert places(build(ready, ROOT / folder)) == places(read)


def test_references_follow_a_new_name(ready: Cluster, tmp_path: Path) -> None:
    """With the file that we ship; a pod goes on using the core ServiceAccount of the same name."""
    group = "servicetokens.dev/v1beta1"
    pod = {"serviceAccountName": "ci", "containers": [{"name": "a", "image": "a"}]}
    objects = [
        CORE_ACCOUNT,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "worker"}, "spec": pod},
        {"apiVersion": group, "kind": "ServiceRole", "metadata": {"name": "reader"}, "spec": {}},
        {
            "apiVersion": group,
            "kind": "ServiceAccount",
            "metadata": {"name": "ci"},
            "spec": {"roles": ["reader"]},
        },
        {
            "apiVersion": group,
            "kind": "ServiceToken",
            "metadata": {"name": "ci-prod"},
            "spec": {
                "accountRef": {"name": "ci"},
                "roles": ["reader"],
                "import": {"secretRef": {"name": "legacy", "key": "token"}},
            },
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "legacy"}},
    ]
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(objects))
    (tmp_path / "name-reference.yaml").write_text((ROOT / "config" / "name-reference.yaml").read_text())
    kustomization = {
        "resources": ["objects.yaml"],
        "namePrefix": "blue-",
        "configurations": ["name-reference.yaml"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    built = {(item["apiVersion"], item["kind"]): item for item in build(ready, tmp_path)}
    token = built[group, "ServiceToken"]
    assert token["metadata"]["name"] == "blue-ci-prod"
    assert token["spec"] == {
        "accountRef": {"name": "blue-ci"},
        "roles": ["blue-reader"],
        "import": {"secretRef": {"name": "blue-legacy", "key": "token"}},
    }
    assert built[group, "ServiceAccount"]["spec"] == {"roles": ["blue-reader"]}
    assert built["v1", "Pod"]["spec"]["serviceAccountName"] == "blue-ci"
