"""Validators that hang, die, are missing, or may not say that they are there: what Enforced waits for then."""

import signal
from pathlib import Path

import pytest

from common.drivers.validating import validator
from common.drivers.witness import delete_leases, enforced, leases
from common.drivers.world import HOME, World


@pytest.fixture(autouse=True)
def nobody_before(world: World) -> None:
    """Remove what validators of other tests left that had to be killed: no test here is about those.

    The operator deletes such a Lease when something waits for it, and not before.
    """
    delete_leases(world)


def test_a_validator_that_was_frozen_for_too_long_rejects_automatically(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """It is not waited for once its Lease has expired; when it is back, its first answers are no decisions."""
    token = world.until_ready(namespace)
    flags = ("--max-staleness=5s",)
    with (
        validator(world, tmp_path / "one.log", *flags) as one,
        validator(world, tmp_path / "other.log", *flags) as other,
    ):
        assert one.forward(token).status == other.forward(token).status == 200
        other.process.send(signal.SIGSTOP)
        world.change(namespace, state="Revoked")
        world.until(lambda: enforced(world, namespace)[0] == "True", "the Lease to end", timeout=40)
        assert one.forward(token).status == 401
        other.process.send(signal.SIGCONT)
        answers: list[int] = []
        while not answers or answers[-1] != 401:
            answers.append(other.forward(token).status)
            assert len(answers) < 20_000
        assert set(answers) <= {503, 401}
        assert 503 in answers, "it must have to find out first"
        world.until(other.is_ready, "the validator to be back", timeout=20)
        assert "listing everything again" in other.process.output()


def test_a_killed_validator_is_forgotten_when_its_lease_has_ended(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """Its Lease is deleted then; one that ends in order takes its own away."""
    flags = ("--max-staleness=5s",)
    with validator(world, tmp_path / "one.log", *flags) as one:
        with validator(world, tmp_path / "other.log", *flags) as other:
            world.until(lambda: len(leases(world)) == 2, "both Leases")
            other.process.kill()
        world.change(namespace, state="Revoked")
        world.until(
            lambda: enforced(world, namespace)[0] == "True", "the dead one's Lease to end", timeout=40
        )
        assert len(leases(world)) == 1
        assert one.process.stop(20) == 0
    assert leases(world) == set()


def test_without_validators_it_says_so_and_changes_when_one_comes(
    world: World, namespace: str, tmp_path: Path
) -> None:
    """False, since nothing was proven; anyone who waits learns what is wrong."""
    world.change(namespace, state="Revoked")
    world.until(lambda: enforced(world, namespace)[1] == "NoValidators", "the reason")
    with validator(world, tmp_path / "validator.log"):
        world.until(lambda: enforced(world, namespace)[0] == "True", "the validator to count", timeout=40)


def test_a_missing_permission_is_reported(world: World, tmp_path: Path) -> None:
    """Without its Lease a validator answers nothing, and says why."""
    role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{HOME}/roles/servicetokens-validator"
    kept = world.ok("GET", role).body["rules"]
    world.ok("PATCH", role, {"rules": kept[:1]})
    try:
        with validator(world, tmp_path / "validator.log", wait=False) as running:
            world.until(lambda: "leases" in running.page("/readyz")[1], "the missing right")
            assert running.forward("x").status == 503
            world.ok("PATCH", role, {"rules": kept})
            world.until(running.is_ready, "the right to be back", timeout=20)
    finally:
        world.ok("PATCH", role, {"rules": kept})
