"""Operator and validator under their own identities, with the files of `config/` and nothing else."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.validating import validator
from common.drivers.world import World

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
EVERYWHERE = ("servicetokens-operator", "servicetokens-operator-watch-secrets", "servicetokens-validator")


@contextlib.contextmanager
def rights(world: World, *, served: str, watches_secrets: bool) -> Iterator[None]:
    """Grant what the mode needs, and no more; *served* empty means the whole cluster."""
    unwanted = list(EVERYWHERE) if served else [] if watches_secrets else [EVERYWHERE[1]]
    for name in unwanted:
        world.ok("DELETE", f"{BINDINGS}/{name}")
    try:
        if served:
            world.apply_config("rbac-namespace/rbac-namespace.yaml", namespace=served)
            if not watches_secrets:
                path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{served}/rolebindings/{EVERYWHERE[1]}"
                world.ok("DELETE", path)
        yield
    finally:
        world.install_rights()


@pytest.mark.parametrize("watches_secrets", [True, False], ids=["watching-secrets", "without-secrets"])
@pytest.mark.parametrize("is_namespaced", [False, True], ids=["cluster-wide", "namespaced"])
def test_everything_works_with_the_rights_of_the_mode(
    world: World,
    namespace: str,
    tmp_path: Path,
    is_namespaced: bool,
    watches_secrets: bool,
) -> None:
    """Mint, accept, rotate, heal, revoke with proof; and what is elsewhere is served cluster-wide only."""
    elsewhere = world.cluster.create_namespace()
    world.account(elsewhere)
    world.token(elsewhere)
    role = f"reader-{namespace}"
    world.role(role)
    scope = [f"--watch-namespace={namespace}"] if is_namespaced else []
    flags = [*scope, *([] if watches_secrets else ["--no-watch-secrets"]), "--leader-election"]
    served = namespace if is_namespaced else ""
    with (
        rights(world, served=served, watches_secrets=watches_secrets),
        world.operator(tmp_path / "operator.log", *flags) as operator,
        validator(world, tmp_path / "validator.log", *scope) as asked,
    ):
        world.change(namespace, "ci", "serviceaccounts", roles=[role])
        world.token(namespace, roles=[role])
        first = world.until_ready(namespace)
        world.until(lambda: asked.forward(first).status == 200, "the token to be accepted")
        world.change(namespace, rotation={"id": "1", "overlap": "0s"})
        second = world.until_ready(namespace)
        world.delete_secret(namespace)
        if not watches_secrets:
            world.change(namespace, description="look again")
        world.until(lambda: world.holds(namespace), "the Secret to be healed")
        third = world.value(namespace)
        assert len({first, second, third}) == 3
        world.change(namespace, state="Revoked")
        world.until(
            lambda: world.condition(namespace, "Enforced").get("status") == "True",
            "the proof of the revocation",
        )
        assert asked.forward(third).status == 401
        world.until(
            lambda: world.get("", role, "serviceroles")["status"].get("conditions"), "the role's status"
        )
        if is_namespaced:
            assert world.status(elsewhere).get("observedGeneration") == -1
        else:
            world.until_ready(elsewhere)
        assert operator.page("/readyz")[0] == 200, operator.page("/readyz")[1]
        for process in (operator.process, asked.process):
            assert "forbidden" not in process.output().lower()
