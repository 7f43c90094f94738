"""The commands of `docs/guides/moving/`, in their order; each page ends with what it promises."""

from pathlib import Path

import pytest
import yaml

from common.drivers.runbook import Runbook
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, World
from common.repository import ROOT
from controlplane.cluster import Cluster
from controlplane.ports import LOOPBACK
from servicetokens.api.names import KEYS_SECRET

# It takes everything away, and has a test of its own.
OUT = "out"
PAGES = sorted(page.stem for page in (ROOT / "docs" / "guides" / "moving").glob("*.md") if page.stem != OUT)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", PAGES)
def test_moving_in_as_the_page_says(
    page: str, world: World, running: RunningValidator, tmp_path: Path
) -> None:
    """Every block ends well; those that wait for an answer of the validator do so for seconds."""
    guide = Runbook(page, "moving")
    assert guide.sections
    address = f"{LOOPBACK}:{running.forward_port}"
    for section in guide.sections:
        guide.follow(world, tmp_path, section, variables={"VALIDATOR": address})


def install(world: World) -> None:
    """Install everything, with the Deployments that `out` speaks of; the processes themselves are run by the test."""
    world.install()
    names = ("servicetokens-operator", "servicetokens-validator")
    for document in yaml.safe_load_all((ROOT / "config" / "manager" / "manager.yaml").read_text()):
        if document["kind"] == "Deployment" and document["metadata"]["name"] in names:
            world.ok("POST", f"/apis/apps/v1/namespaces/{HOME}/deployments", document)


@pytest.mark.timeout(240)
def test_moving_out_as_the_page_says(binaries: Path, tmp_path: Path) -> None:
    """The Secrets stay, with the same values, after everything of ours has gone and garbage was collected."""
    guide = Runbook(OUT, "moving")
    with Cluster(binaries=binaries) as cluster:
        world = World(cluster)
        install(world)
        namespace = cluster.create_namespace()
        world.account(namespace)
        sections = iter(guide.sections)
        with world.operator(tmp_path / "operator.log"):
            for name in ("one", "two"):
                world.token(namespace, name)
            values = {name: world.until_ready(namespace, name) for name in ("one", "two")}
            # What is not let go is collected: without this the test could not tell.
            owned = {"metadata": {"name": "owned", "ownerReferences": [world.owner(namespace, "one")]}}
            world.create_secret(namespace, owned)
            for section in ("Write down what there is", "Stop the operator"):
                assert next(sections) == section
                guide.follow(world, tmp_path, section)
        scaled = world.ok("GET", f"/apis/apps/v1/namespaces/{HOME}/deployments/servicetokens-operator").body
        assert scaled["spec"]["replicas"] == 0
        written = dict(line.split("\t")[1:] for line in (tmp_path / "values.tsv").read_text().splitlines())
        assert written == values
        assert (tmp_path / "values.tsv").stat().st_mode & 0o077 == 0
        assert not any(value in (tmp_path / "servicetokens.yaml").read_text() for value in values.values())
        with validator(world, tmp_path / "validator.log") as running:
            assert next(sections) == "Let the Secrets stay"
            guide.follow(world, tmp_path, "Let the Secrets stay")
            for value in values.values():
                assert running.forward(value).status == 200
        for section in sections:
            guide.follow(world, tmp_path, section)
        world.until(lambda: world.secret(namespace, "owned") is None, "garbage to be collected", timeout=60)
        world.until(
            lambda: world.secret(HOME, KEYS_SECRET) is None, "the namespace to be emptied", timeout=60
        )
        assert {name: world.value(namespace, name) for name in values} == values
        left = cluster.kubectl(
            "get",
            "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,crds",
            "-o",
            "name",
        )
        assert "servicetokens" not in left.stdout
