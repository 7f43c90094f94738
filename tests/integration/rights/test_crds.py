"""Operator and validator without the permission to read CRDs: they work, and notice an older schema nevertheless."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from common.drivers.operators import RunningOperator
from common.drivers.validating import validator
from common.drivers.world import World, world_of
from common.fakes.clock import FakeClock
from common.repository import ROOT

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/servicetokens.servicetokens.dev"
COMMON = "/apis/rbac.authorization.k8s.io/v1/clusterroles/servicetokens-common"
UNREAD = "degraded: the permission to get the CRDs of servicetokens.dev is missing"


@pytest.fixture
def own_world(binaries: Path) -> Iterator[World]:
    """A cluster where neither process may read CRDs."""
    with world_of(binaries) as world:
        role = world.ok("GET", COMMON).body
        role["rules"] = [rule for rule in role["rules"] if rule["apiGroups"] != ["apiextensions.k8s.io"]]
        world.ok("PUT", COMMON, role)
        yield world


def tells(process: RunningOperator, sentence: str) -> bool:
    """Say whether `/readyz` has *sentence* in it."""
    return sentence in process.page("/readyz")[1]


def lose(world: World, field: str) -> None:
    """Apply the CRD of tokens as an older release had it, its revision kept."""
    crd = world.ok("GET", CRD).body
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del schema["properties"][field]
    schema.pop("x-kubernetes-validations", None)
    world.ok("PUT", CRD, crd)


def test_both_processes_work_and_say_once_what_is_missing(own_world: World, tmp_path: Path) -> None:
    """A token is minted and accepted; with a schema that would drop a restriction nothing is."""
    world = own_world
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    world.token(namespace)
    with (
        world.operator(tmp_path / "operator.log") as operator,
        validator(world, tmp_path / "validator.log") as asked,
    ):
        value = world.until_ready(namespace)
        world.until(lambda: asked.forward(value).status == 200, "the token to be accepted")
        for process in (operator, asked):
            assert tells(process, UNREAD)
            assert process.process.output().count(UNREAD.removeprefix("degraded: ")) == 1
    lose(world, "allowedCIDRs")
    world.until(lambda: "allowedCIDRs" not in published(world), "the older schema to be published")
    with (
        world.operator(tmp_path / "again.log", wait=False) as operator,
        validator(world, tmp_path / "asked-again.log", wait=False) as asked,
    ):
        for process in (operator, asked):
            world.until(
                partial(tells, process, "servicetokens.servicetokens.dev lacks spec.allowedCIDRs"), "it"
            )
        assert asked.forward(value).status == 503
        world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        world.until(operator.is_ready, "the operator to be ready", timeout=60)
        world.until(asked.is_ready, "the validator to be ready", timeout=60)


def test_a_running_operator_notices_a_field_that_is_lost(own_world: World) -> None:
    """By the published schema, as by the CRD: nothing new begins until the field is back."""
    world = own_world
    namespace = world.cluster.create_namespace()
    with world.operator_in_process(FakeClock(int(time.time())), namespace, schema_period=0.2) as operator:
        lose(world, "audiences")
        world.until(lambda: "lacks spec.audiences" in operator.missing(), "the old CRD to be told")
        world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        world.until(operator.is_ready, "the operator to be ready again", timeout=60)


def published(world: World) -> str:
    """Return what the API server publishes of our kinds."""
    return str(world.ok("GET", "/openapi/v3/apis/servicetokens.dev/v1beta1").body)
