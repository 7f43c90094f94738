"""A cluster of their own for the tests that take rights away and steal identities."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.world import GROUPS, HOME, OPERATOR, World, world_of

PROBE = "probe"


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """A cluster with CRDs, rights and all policies."""
    with world_of(binaries) as world:
        world.apply_config("policies/policy-keys.yaml", "policies/policy-status.yaml")
        world.role(PROBE)
        world.until(lambda: policies_hold(world), "the policies to be in force")
        yield world


def policies_hold(world: World) -> bool:
    """Say whether the API server has read the policies, which takes it a moment."""
    operator = world.cluster.client(OPERATOR, GROUPS)
    path = f"/api/v1/namespaces/{HOME}/secrets?dryRun=All"
    status = world.path("serviceroles", "", PROBE) + "/status?dryRun=All"
    return (
        operator.request("POST", path, {"metadata": {"name": "mine"}}).status == 403
        and world.client.request("PATCH", status, {"status": {"observedGeneration": 1}}).status == 403
    )


@pytest.fixture
def namespace(world: World) -> str:
    """A new namespace with the account `ci` in it."""
    name = world.cluster.create_namespace()
    world.account(name)
    return name
