"""What must survive: restores, hand-edited status, things that go away under a running operator."""

import copy
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.drivers.operators import RunningOperator
from common.drivers.validating import validator
from common.drivers.world import OPERATOR, World, in_seconds, unsettled, world_of
from common.fakes.clock import FakeClock
from common.repository import ROOT
from controlplane.crds import install_crds
from servicetokens.api.fields import MAX_INTEGER
from servicetokens.api.names import SCHEMA_REVISION

AWAY_SECONDS = 10
AWAY_TOKENS = 20
POLICY_BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


# Restores.


def strip_owners(meta: dict[str, Any]) -> None:
    """Do what Velero does to a restored object."""
    meta.pop("ownerReferences")


def keep_owners(_meta: dict[str, Any]) -> None:
    """Keep a dead uid, as `kubectl get -o yaml` and apply do; the garbage collector then takes the Secret."""


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("owners", [strip_owners, keep_owners], ids=["stripped", "dead"])
def test_a_restored_secret_is_adopted_and_its_old_value_rejected(
    world: World, namespace: str, owners: Callable[[dict[str, Any]], None]
) -> None:
    """Secrets come back before objects, objects without status and with new uids: a fresh token is minted."""
    world.token(namespace)
    old = world.until_ready(namespace)
    backup, token = world.secret(namespace), world.get(namespace)
    assert backup is not None
    world.delete("servicetokens", namespace, "ci-prod")
    world.until(lambda: world.secret(namespace) is None, "the Secret to go")
    meta = {key: backup["metadata"][key] for key in ("name", "labels", "annotations", "ownerReferences")}
    owners(meta)
    world.create_secret(namespace, {"metadata": meta, "type": backup["type"], "data": backup["data"]})
    world.token(namespace, **{key: value for key, value in token["spec"].items() if key != "accountRef"})
    fresh = world.until_ready(namespace)
    assert fresh != old
    assert world.serial_of(old, namespace) is None
    (owner,) = (world.secret(namespace) or {})["metadata"]["ownerReferences"]
    assert owner["uid"] == world.get(namespace)["metadata"]["uid"]


# Edited by hand.


def plant(world: World, namespace: str) -> dict[str, Any]:
    """Return a status whose verifier a user made up."""
    credentials = world.status(namespace)["credentials"]
    credentials[0]["verifier"]["value"] = "ab" * 32
    return {"credentials": credentials}


def copy_from_another(world: World, namespace: str) -> dict[str, Any]:
    """Return the status of another token."""
    world.token(namespace, "other")
    world.until_ready(namespace, "other")
    return {"credentials": world.status(namespace, "other")["credentials"]}


def extend(world: World, namespace: str) -> dict[str, Any]:
    """Return a status whose credential ends in a hundred years."""
    credentials = world.status(namespace)["credentials"]
    credentials[0]["expirationTime"] = "2126-01-01T00:00:00Z"
    return {"credentials": credentials, "expirationTime": "2126-01-01T00:00:00Z"}


def mint_later(world: World, namespace: str) -> dict[str, Any]:
    """Return a status whose credential was minted half a minute from now."""
    credentials = world.status(namespace)["credentials"]
    credentials[0]["mintTime"] = in_seconds(30)
    return {"credentials": credentials, "mintTime": in_seconds(30)}


def count_to_the_end(_world: World, _namespace: str) -> dict[str, Any]:
    """Return a status with a serial that cannot be increased."""
    return {"serial": MAX_INTEGER}


def empty(_world: World, _namespace: str) -> dict[str, Any]:
    """Return a status without credentials."""
    return {"credentials": None}


def forget_conditions(_world: World, _namespace: str) -> dict[str, Any]:
    """Return a status without conditions."""
    return {"conditions": None}


def claim_another_account(_world: World, _namespace: str) -> dict[str, Any]:
    """Return a status that names another account object."""
    return {"accountUID": "00000000-0000-0000-0000-000000000000"}


EDITS: Mapping[str, tuple[Callable[[World, str], dict[str, Any]], bool]] = {
    "a verifier made up": (plant, False),
    "a credential copied from another token": (copy_from_another, False),
    "a later end": (extend, True),
    "a later mint": (mint_later, True),
    "the greatest serial": (count_to_the_end, True),
    "no credentials": (empty, False),
    "no conditions": (forget_conditions, True),
    "another account": (claim_another_account, False),
}


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(("edit", "keeps_value"), EDITS.values(), ids=EDITS)
def test_a_status_edited_by_hand_is_repaired(
    world: World, namespace: str, edit: Callable[[World, str], dict[str, Any]], keeps_value: bool
) -> None:
    """Either what was true is written again, or a fresh token is minted; nothing forged stays."""
    world.token(namespace)
    value = world.until_ready(namespace)
    before = world.status(namespace)
    world.edit_status(namespace, edit(world, namespace))

    def repaired() -> bool:
        status = world.status(namespace)
        (credential,) = status.get("credentials") or [None]
        return (
            credential is not None
            and world.holds(namespace)
            and {"Ready", "Active"} <= {one["type"] for one in status.get("conditions") or []}
            and credential["expirationTime"] < "2127"
            and credential["mintTime"] < in_seconds(20)
            and status["accountUID"] == before["accountUID"]
        )

    world.until(repaired, "the repair")
    assert (world.value(namespace) == value) is keeps_value
    if keeps_value:
        after = world.status(namespace)["credentials"]
        assert after == before["credentials"]


@pytest.mark.usefixtures("operator")
def test_a_terminating_namespace_causes_few_requests(world: World, namespace: str) -> None:
    """Creations there are rejected permanently: that is final, and not tried again and again."""
    for number in range(20):
        world.token(namespace, f"token-{number}")
    for number in range(20):
        world.until_ready(namespace, f"token-{number}")
    mark = world.cluster.audit.mark()
    world.ok("DELETE", f"/api/v1/namespaces/{namespace}")
    world.until(
        lambda: not world.client.request("GET", f"/api/v1/namespaces/{namespace}").ok,
        "the namespace to go",
        timeout=60,
    )
    ours = [
        record
        for record in world.cluster.audit.records(mark)
        if record.user == OPERATOR and record.namespace == namespace and record.verb != "watch"
    ]
    # What goes first, the account, the Secret or the token, is chance. At most two of them wake a token, and each
    # time it looks at its Secret, writes its status and its Secret, and sends an Event.
    assert len([record for record in ours if record.resource != "serviceaccounts/status"]) <= 2 * 4 * 20
    # An Event that is rejected is the last one.
    assert len([record for record in ours if record.resource == "events"]) <= 1


@pytest.fixture
def own_world(binaries: Path) -> Any:
    """A cluster that the test may break."""
    with world_of(binaries) as world:
        yield world


def test_crds_and_api_server_may_go_and_come_back(own_world: World, tmp_path: Path) -> None:
    """Also a CRD that is too old: the operator says what is wrong, and continues automatically."""
    world = own_world
    with world.operator(tmp_path / "operator.log") as operator:
        namespace = world.cluster.create_namespace()
        world.account(namespace)
        world.token(namespace)
        world.until_ready(namespace)

        world.cluster.restart_api_server()
        world.token(namespace, "after-restart")
        world.until_ready(namespace, "after-restart")

        world.cluster.kubectl("delete", "-f", str(ROOT / "crds"))
        world.until(
            lambda: "is not installed" in operator.page("/readyz")[1],
            "the missing CRD to be told",
            timeout=60,
        )
        install_crds(world.cluster, ROOT / "crds")
        world.until(operator.is_ready, "the operator to be ready again", timeout=60)
        world.account(namespace, "again")
        world.token(namespace, "again", account="again")
        world.until_ready(namespace, "again")
    assert "Traceback" not in operator.process.output()


def test_a_crd_that_is_older_than_the_code_is_rejected_until_it_is_upgraded(
    own_world: World, tmp_path: Path
) -> None:
    """It would drop restrictions silently; one line names the command that upgrades it."""
    world, name = own_world, "servicetokens.servicetokens.dev"
    annotations = {"metadata": {"annotations": {"servicetokens.dev/schema-revision": "0"}}}
    world.ok("PATCH", f"{CRDS}/{name}", annotations)
    with world.operator(tmp_path / "operator.log", wait=False) as operator:
        world.until(
            lambda: "has schema revision '0'" in operator.page("/readyz")[1], "the old CRD to be told"
        )
        assert operator.process.output().count("has schema revision '0'") == 1
        world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        world.until(operator.is_ready, "the operator to be ready")


def test_a_crd_that_gets_older_under_a_running_operator_stops_it(own_world: World) -> None:
    """As after a rollback by mistake: nothing new begins until it fits again, and then everything is made up for."""
    world, name = own_world, "servicetokens.servicetokens.dev"
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    with world.operator_in_process(FakeClock(int(time.time())), namespace, schema_period=0.2) as operator:
        world.token(namespace)
        world.until_ready(namespace)
        annotations = {"metadata": {"annotations": {"servicetokens.dev/schema-revision": "0"}}}
        world.ok("PATCH", f"{CRDS}/{name}", annotations)
        world.until(lambda: "has schema revision '0'" in operator.missing(), "the old CRD to be told")
        world.token(namespace, "meanwhile")
        time.sleep(1)
        assert world.status(namespace, "meanwhile")["observedGeneration"] == -1
        world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        world.until_ready(namespace, "meanwhile")
        # One token can be ready before the other kinds have been listed again.
        world.until(operator.is_ready, "the operator to be ready again")


def without(crd: dict[str, Any], *fields: str) -> dict[str, Any]:
    """Return *crd* as an older release had it, with the annotation of the new one kept."""
    crd = copy.deepcopy(crd)
    for field in fields:
        part, _, name = field.partition(".")
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
        del schema["properties"][name]
        schema.pop("x-kubernetes-validations", None)
    return crd


def tells(process: RunningOperator, sentence: str) -> bool:
    """Say whether a process that is not ready says *sentence*."""
    return sentence in process.page("/readyz")[1]


def test_a_crd_that_lost_a_field_and_kept_its_revision_is_rejected(own_world: World, tmp_path: Path) -> None:
    """A restriction would be dropped silently, status writes rejected; both processes name the field, once."""
    world, name = own_world, "servicetokens.servicetokens.dev"
    crd = world.ok("GET", f"{CRDS}/{name}").body
    world.ok("PUT", f"{CRDS}/{name}", without(crd, "spec.allowedCIDRs", "status.suspensionTime"))
    says = f"the CRD {name} says schema revision {SCHEMA_REVISION} and lacks spec.allowedCIDRs, status.suspensionTime"
    with (
        world.operator(tmp_path / "operator.log", wait=False) as operator,
        validator(world, tmp_path / "validator.log", wait=False) as asked,
    ):
        for process in (operator, asked):
            world.until(partial(tells, process, says), "the old CRD to be told")
            assert process.process.output().count(says) == 1
        assert asked.forward("svt_anything").status == 503
        world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        world.until(operator.is_ready, "the operator to be ready", timeout=60)
        world.until(asked.is_ready, "the validator to be ready", timeout=60)


def test_a_running_operator_notices_a_field_that_is_lost(own_world: World) -> None:
    """As after an older CRD was applied by mistake: nothing new begins until it is back."""
    world, name = own_world, "servicetokens.servicetokens.dev"
    namespace = world.cluster.create_namespace()
    with world.operator_in_process(FakeClock(int(time.time())), namespace, schema_period=0.2) as operator:
        crd = world.ok("GET", f"{CRDS}/{name}").body
        world.ok("PUT", f"{CRDS}/{name}", without(crd, "spec.audiences"))
        world.until(lambda: "lacks spec.audiences" in operator.missing(), "the old CRD to be told")
        world.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        world.until(operator.is_ready, "the operator to be ready again", timeout=60)


def relaxed(crd: dict[str, Any]) -> dict[str, Any]:
    """Return *crd* without a schema for spec and status, as an older or a newer CRD has it."""
    crd = copy.deepcopy(crd)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema.pop("x-kubernetes-validations", None)
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    schema["properties"] |= {"spec": {"type": "object", **anything}, "status": {"type": "object", **anything}}
    crd["spec"]["versions"][0].pop("selectableFields", None)
    return crd


ODD: Mapping[str, dict[str, Any]] = {
    "duration": {"accountRef": {"name": "ci"}, "expiresAfter": "90 days"},
    "huge": {"accountRef": {"name": "ci"}, "expiresAfter": "9999999999y"},
    "edge": {"accountRef": {"name": "ci"}, "expirationTime": "9999-12-31T23:59:59-14:00"},
    "ancient": {"accountRef": {"name": "ci"}, "expirationTime": "0000-01-01T00:00:00Z"},
    "types": {"accountRef": ["ci"], "expiresAfter": 30, "roles": {"a": 1}, "rotation": "daily"},
    "nothing": {},
    "path": {"accountRef": {"name": "../../x"}, "expiresAfter": "30d", "secret": {"name": "../y"}},
    "long": {"accountRef": {"name": "ci"}, "expiresAfter": "30d", "description": "x" * 100_000},
    "cross": {"accountRef": {"name": "ci"}, "expiresAfter": "1d", "rotation": {"every": "30d"}},
}


def test_an_odd_object_does_not_affect_others(own_world: World, tmp_path: Path) -> None:
    """It says InvalidSpec, with the field; the valid tokens next to it are minted and rotated."""
    world = own_world
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        crd = relaxed(yaml.safe_load(file.read_text()))
        path = f"{CRDS}/{crd['metadata']['name']}"
        crd["metadata"]["resourceVersion"] = world.ok("GET", path).body["metadata"]["resourceVersion"]
        world.ok("PUT", path, crd)
    # It rejects an account whose roles are no list, and so did the schema.
    world.ok("DELETE", f"{POLICY_BINDINGS}/servicetokens-role-use")
    time.sleep(1)
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    world.account(namespace, "odd", roles=17, tokensNotBeforeTime="yesterday")
    for name, spec in ODD.items():
        body = {
            "apiVersion": "servicetokens.dev/v1beta1",
            "kind": "ServiceToken",
            "metadata": {"name": name},
            "spec": spec,
        }
        world.ok("POST", world.path("servicetokens", namespace), body)
    world.edit_status(
        namespace,
        {"credentials": "none", "observedGeneration": "x", "conditions": [{"type": 3}], "serial": -7},
        "duration",
    )
    with world.operator(tmp_path / "operator.log") as operator:
        world.token(namespace)
        world.until_ready(namespace)
        world.change(namespace, rotation={"id": "now"})
        world.until_ready(namespace)
        for name in ODD:
            ready = world.until_reason(namespace, "Ready", "InvalidSpec", name)
            assert ready["message"].startswith("The spec breaks the rules of this version: spec")
            assert world.secret(namespace, name) is None
        assert operator.is_ready()
    assert "Traceback" not in operator.process.output()
    assert "a defect" not in operator.process.output()


def test_an_unavailable_api_server_is_retried_and_nothing_is_minted_twice(
    own_world: World, tmp_path: Path
) -> None:
    """The operator is not ready and says why, asks ever more rarely, and continues automatically."""
    world = own_world
    namespace = world.cluster.create_namespace()
    world.account(namespace)
    with world.operator(tmp_path / "operator.log") as operator:
        for number in range(AWAY_TOKENS):
            world.token(namespace, f"token-{number}")
        world.cluster.stop_api_server(kill=True)
        world.until(lambda: "cannot be reached" in operator.page("/readyz")[1], "the reason")
        asked = requests_made(operator)
        time.sleep(AWAY_SECONDS)
        assert requests_made(operator) - asked < AWAY_TOKENS * 10
        world.cluster.start_api_server()
        path = world.path("servicetokens", namespace)
        world.until(lambda: world.client.request("GET", path).ok, "the storage of the API server", timeout=30)
        world.until(lambda: not unsettled(world, namespace), "the tokens", timeout=60)
        world.until(operator.is_ready, "the operator to be ready", timeout=60)
    tokens = world.ok("GET", world.path("servicetokens", namespace)).body["items"]
    # A write that was applied without an answer is found, not repeated.
    assert {token["status"]["serial"] for token in tokens} <= {1, 2}
    assert all(len(token["status"]["credentials"]) == 1 for token in tokens)


def requests_made(operator: RunningOperator) -> float:
    """Return how often the operator has asked the API server for something, watches aside."""
    lines = operator.page("/metrics")[1].splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith("servicetokens_operator_api_requests_total{")
    )
