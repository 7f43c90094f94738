"""The runbook for a leaked token, from its public id to a token that only the workload knows."""

from pathlib import Path

import pytest

from common.drivers.runbook import Runbook
from common.drivers.validating import validator
from common.drivers.world import World
from servicetokens.tokens.format import parse

RUNBOOK = Runbook("leak")


@pytest.mark.timeout(240)
def test_a_leaked_token_is_found_and_rejected(world: World, tmp_path: Path) -> None:
    """Found by its id; rotated, revoked and cut: the leaked value is rejected each time, others are accepted."""
    namespace = world.cluster.create_namespace()
    with (
        world.operator(tmp_path / "operator.log"),
        validator(world, tmp_path / "validator.log") as asked,
    ):
        world.account(namespace)
        world.token(namespace, description="ask #team-a")
        world.token(namespace, "other")
        leaked, other = world.until_ready(namespace), world.until_ready(namespace, "other")
        world.until(lambda: asked.forward(leaked).status == 200, "the token to be accepted")
        variables = {
            "ID": parse(leaked, "svt").id,
            "NAMESPACE": namespace,
            "NAME": "ci-prod",
            "ACCOUNT": "ci",
        }

        def follow(section: str) -> str:
            return RUNBOOK.follow(world, tmp_path, section, variables=variables)

        found = follow("Find the owner").splitlines()
        assert [line.split()[:3] for line in found[1:]] == [[namespace, "ci-prod", "ci"]]
        assert "ask #team-a" in found[1]

        world.until(lambda: world.status(namespace).get("lastUsedTime"), "the use to be written", timeout=60)
        assert follow("Who has used it").strip() == world.status(namespace)["lastUsedTime"]

        follow("Replace it immediately")
        world.until(lambda: asked.forward(leaked).status == 401, "the leaked value to be refused")
        fresh = world.until_ready(namespace)
        world.until(lambda: asked.forward(fresh).status == 200, "the fresh one to be accepted")
        assert asked.forward(other).status == 200

        follow("Or revoke it")
        assert asked.forward(fresh).status == 401
        assert asked.forward(other).status == 200
        assert world.get(namespace)["spec"]["revocationReason"] == "KeyCompromise"

        follow("More than one token of an account")
        world.until(lambda: asked.forward(other).status == 401, "the account's other token to be refused")
        world.until(lambda: world.status(namespace, "other")["serial"] == 2, "a fresh one")
