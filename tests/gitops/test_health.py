"""What Argo CD, Flux and kstatus say of our objects, as a real API server and a real operator leave them.

Argo CD's script runs in Lua 5.1, the version it has there; kstatus and CEL are the Go libraries that Flux uses, in a
small program (`hack/tools/health`).
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from lupa import lua51

from common.drivers.helm import TOOLS
from common.drivers.world import World, world_of
from common.repository import ROOT
from controlplane.waiting import patient
from servicetokens.api.values import format_time

GITOPS: Final = ROOT / "config" / "gitops"
SCRIPTS: Final = yaml.safe_load((GITOPS / "argocd-cm.yaml").read_text())["data"]
FLUX: Final = yaml.safe_load((GITOPS / "flux.yaml").read_text())["spec"]["healthCheckExprs"]
SHORT_LIFE = 4

# Each state, with what kstatus, Flux' expressions and Argo CD have to say of it.
CURRENT = ("Current", "current", "Healthy")
AT_REST = ("Current", "current", "Suspended")
FAILED = ("Failed", "failed", "Degraded")
WAITING = ("InProgress", "inProgress", "Progressing")
EXPECTED: Final[Mapping[str, tuple[str, str, str]]] = {
    "ServiceToken/unseen": WAITING,
    "ServiceToken/minted": CURRENT,
    "ServiceToken/revoked": AT_REST,
    "ServiceToken/expired": AT_REST,
    "ServiceToken/suspended": AT_REST,
    "ServiceToken/conflict": FAILED,
    "ServiceToken/ungranted": WAITING,
    "ServiceToken/orphan": WAITING,
    "ServiceToken/no-room": WAITING,
    "ServiceAccount/ci": CURRENT,
    "ServiceAccount/suspended": AT_REST,
    "ServiceAccount/roleless": WAITING,
    "ServiceRole/reader": CURRENT,
}


@pytest.fixture(scope="module")
def objects(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """One object in each state, by kind and name."""
    with world_of(binaries) as world:
        yield in_every_state(world, tmp_path_factory.mktemp("gitops"))


def in_every_state(world: World, directory: Path) -> Mapping[str, Any]:
    """Make them, and return them as the API server has them."""
    namespace, full = world.cluster.create_namespace(), world.cluster.create_namespace()
    world.account(namespace)
    world.token(namespace, "unseen")
    found = {"ServiceToken/unseen": world.get(namespace, "unseen")}
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/secrets": "0"}}}
    path = f"/api/v1/namespaces/{full}/resourcequotas"
    world.ok("POST", path, quota)
    world.ok(
        "PATCH",
        f"{path}/none/status",
        {"status": {"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}},
    )
    with world.operator(directory / "operator.log"):
        world.role("reader")
        world.account(namespace, "suspended")
        world.account(namespace, "roleless", roles=["absent"])
        world.account(full)
        for name in ("minted", "revoked"):
            world.token(namespace, name)
        world.token(namespace, "suspended", "suspended")
        world.token(namespace, "expired", expirationTime=format_time(int(time.time()) + SHORT_LIFE))
        for name in ("minted", "revoked", "suspended"):
            world.until_ready(namespace, name)
        world.change(namespace, "revoked", state="Revoked")
        world.change(namespace, "suspended", "serviceaccounts", state="Suspended")
        world.create_secret(namespace, {"metadata": {"name": "conflict"}, "type": "Opaque"})
        world.token(namespace, "conflict")
        world.token(namespace, "ungranted", roles=["absent"])
        world.token(namespace, "orphan", "absent")
        world.token(full, "no-room")
        for name, reason in (
            ("revoked", "Revoked"),
            ("expired", "Expired"),
            ("conflict", "SecretConflict"),
            ("ungranted", "RoleNotFound"),
            ("orphan", "AccountNotFound"),
        ):
            world.until_reason(namespace, "Ready", reason, name)
        world.until_reason(namespace, "Active", "AccountSuspended", "suspended")
        world.until_reason(full, "Ready", "DeliveryFailed", "no-room")
        world.until(
            lambda: all(
                world.get(space, name, plural)["status"].get("conditions")
                for space, name, plural in (
                    (namespace, "suspended", "serviceaccounts"),
                    (namespace, "ci", "serviceaccounts"),
                    (namespace, "roleless", "serviceaccounts"),
                    ("", "reader", "serviceroles"),
                )
            ),
            "accounts and role to be looked at",
        )
        places = [
            *((namespace, name, "servicetokens") for name in ("minted", "revoked", "expired", "suspended")),
            *((namespace, name, "servicetokens") for name in ("conflict", "ungranted", "orphan")),
            (full, "no-room", "servicetokens"),
            *((namespace, name, "serviceaccounts") for name in ("ci", "suspended", "roleless")),
            ("", "reader", "serviceroles"),
        ]
        for space, name, plural in places:
            item = world.get(space, name, plural)
            found[f"{item['kind']}/{name}"] = item
    return found


@pytest.fixture(scope="module")
def answers(objects: Mapping[str, Any]) -> Mapping[str, Any]:
    """What kstatus and CEL say, by kind and name."""
    expressions = {
        one["kind"]: {key: one[key] for key in ("current", "inProgress", "failed")} for one in FLUX
    }
    questions = [{"object": item, "expressions": expressions[item["kind"]]} for item in objects.values()]
    done = subprocess.run(
        [TOOLS / "health"],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=True,
    )
    return dict(zip(objects, json.loads(done.stdout), strict=True))


def argo(item: Mapping[str, Any]) -> tuple[str, str]:
    """Run Argo CD's script for that kind; return status and message."""
    script = SCRIPTS[f"resource.customizations.health.servicetokens.dev_{item['kind']}"]
    lua = lua51.LuaRuntime(register_eval=False)
    judge = lua.execute(f"return function(obj) {script} end")
    said = judge(lua.table_from(item, recursive=True))
    return str(said["status"]), str(said["message"])


def test_every_state_is_there(objects: Mapping[str, Any]) -> None:
    """A row without an object would prove nothing."""
    assert set(objects) == set(EXPECTED)


@pytest.mark.parametrize("place", EXPECTED)
def test_all_three_say_what_the_state_means(
    place: str, objects: Mapping[str, Any], answers: Mapping[str, Any]
) -> None:
    """A token at rest is no failure, one in a dead end is, and one that no operator has seen is not healthy."""
    kstatus, flux, health = EXPECTED[place]
    said = answers[place]
    assert said["status"] == kstatus, said["message"]
    assert [name for name, holds in said["results"].items() if holds] == [flux]
    status, message = argo(objects[place])
    assert status == health, message
    assert message
