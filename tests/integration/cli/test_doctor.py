"""`doctor`: what it finds in a sound cluster, and in one that is not."""

import datetime as dt
import json
import re
import time
from pathlib import Path
from typing import Any

from common.drivers.plugin import Plugin
from common.drivers.world import HOME, World
from controlplane.cluster import Cluster, Options
from servicetokens.api.names import VALIDATOR_TLS_SECRET
from servicetokens.api.values import format_time

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases"


def examined(plugin: Plugin, *arguments: str) -> dict[str, list[tuple[str, str]]]:
    """Return level and message of the findings by topic."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(plugin("doctor", "-o", "json", *arguments).out):
        found.setdefault(one["topic"], []).append((one["level"], one["message"]))
    return found


def test_a_sound_installation(plugin: Plugin, world: World, token: str) -> None:
    """Everything is in order, and the exit code says so."""
    world.until(lambda: world.secret(HOME, VALIDATOR_TLS_SECRET), "the certificate", timeout=30)
    done = plugin("doctor")
    assert done.code == 0, done.out
    assert "✗" not in done.out
    levels = {level for findings in examined(plugin).values() for level, _ in findings}
    assert levels == {"ok"}


def test_an_odd_end_harms_no_tool(plugin: Plugin, world: World, namespace: str, token: str) -> None:
    """The end of 2999 west of Greenwich is in the year 3000: `doctor` and `keys` count the token like any other."""
    world.token(namespace, "odd", expirationTime="2999-12-31T23:59:59-00:01")
    world.until_ready(namespace, "odd")
    try:
        assert {level for level, _ in examined(plugin)["keys"]} == {"ok"}
        done = plugin("keys", "--operator-namespace", HOME)
        assert done.code == 0, done.err
    finally:
        world.delete("servicetokens", namespace, "odd")


def test_what_is_wrong_with_tokens_is_named(plugin: Plugin, world: World, namespace: str, token: str) -> None:
    """One that is stuck, one without account, one that says `state: Active`, a Secret without its token."""
    world.token(namespace, "greedy", roles=["orders-writer"])
    world.token(namespace, "lost", account="nobody")
    world.change(namespace, state="Active")
    world.until_reason(namespace, "Ready", "RoleNotGranted", "greedy")
    labels = {"servicetokens.dev/token-secret": "true"}
    world.create_secret(
        namespace, {"metadata": {"name": "left", "labels": labels}, "type": "servicetokens.dev/token"}
    )
    assert plugin("doctor").code == 3
    found = examined(plugin)
    assert found["tokens"] == [
        ("bad", f"stuck until something is changed; `describe` says what: {namespace}/greedy"),
        ("warning", f"without an account, and therefore rejected: {namespace}/lost"),
    ]
    assert found["GitOps"] == [
        (
            "warning",
            f"`state: Active` in Git undoes a manual revocation; leave `state` out there: {namespace}/ci-prod",
        )
    ]
    assert found["orphans"][0][1].endswith(f"garbage collection should have removed: {namespace}/left")


def test_tokens_that_wait_are_named_with_the_reason(
    plugin: Plugin, world: World, namespace: str, token: str, tmp_path: Path
) -> None:
    """A role that does not exist, and a missing Secret of an import: in `get`, in `doctor` and in the report."""
    world.change(namespace, "ci", "serviceaccounts", roles=["orders-reader", "orders-raeder"])
    world.token(namespace, "typo", roles=["orders-raeder"])
    soon = format_time(int(time.time()) + 86400)
    wanted: dict[str, Any] = {"import": {"secretRef": {"name": "old"}, "until": soon}}
    world.token(namespace, "moving", **wanted)
    world.until(
        lambda: world.condition(namespace, "Ready", "typo").get("status") == "False", "the role to be missed"
    )
    why = world.condition(namespace, "Ready", "typo")["reason"]
    world.until(lambda: not world.status(namespace, "moving").get("credentials"), "nothing to be minted")
    world.until(lambda: re.search(r"Import\w+ +not minted", plugin.ok("get", "moving")), "the reason")
    assert re.search(rf"^typo +ci +{why} +not minted ", plugin.ok("get"), re.MULTILINE)
    done = plugin("doctor")
    lost = f"waiting ({why}); `describe` says for what: {namespace}/ci-prod, {namespace}/typo"
    assert lost in done.out, "a live token that misses one of its roles is named, too"
    assert re.search(rf"waiting \(Import\w+\); `describe` says for what: {namespace}/moving", done.out)
    plugin.ok("report", "--output", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert '<strong>3</strong><a href="#waiting">waiting</a>' in page


def test_what_a_tenant_may_not_see_is_skipped_and_does_not_count(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """Exit code 0: a person with permissions in one namespace learns what is wrong there."""
    world.cluster.kubectl(
        *("create", "role", "tenant", "-n", namespace, "--verb=get,list,create,patch"),
        "--resource=servicetokens.servicetokens.dev,serviceaccounts.servicetokens.dev",
    )
    world.cluster.kubectl(
        "create", "rolebinding", "tenant", "-n", namespace, "--role=tenant", "--user=tenant"
    )
    tenant = Plugin(plugin.cluster, plugin.binaries, namespace, world.cluster.user("tenant", ()))
    done = tenant("doctor")
    assert done.code == 0, done
    assert re.search(r"^✓ +CRDs +every field is in the published schema", done.out, re.MULTILINE)
    for topic in ("operator", "validators", "keys", "certificate"):
        assert re.search(rf"^\? +{topic} +skipped: .*cannot (get|list)", done.out, re.MULTILINE), (
            topic,
            done.out,
        )
    assert re.search(r"^✓ +tokens +1 in namespace ", done.out, re.MULTILINE)


def test_a_cluster_without_anything_running(binaries: Path, tmp_path: Path) -> None:
    """No CRDs, no operator, no validator, no keys: each is said, with what to do."""
    with Cluster(Options(), binaries=binaries) as cluster:
        plugin = Plugin(cluster, binaries, "default")
        bare = examined(plugin)
        assert "is not installed; run `servicetokens crds" in bare["CRDs"][0][1]
        assert bare["tokens"][0][0] == "unknown"
        world = World(cluster)
        world.install()
        found = examined(plugin)
        assert found["operator"][0][0] == "warning"
        assert "no Lease 'servicetokens-operator'" in found["operator"][0][1]
        assert found["validators"][0] == (
            "bad",
            f"none is running in namespace '{HOME}': no token is accepted anywhere",
        )
        assert "there is no Secret 'servicetokens-hmac-keys'" in found["keys"][0][1]
        assert found["certificate"][0][0] == "unknown"
        with world.operator(tmp_path / "operator.log", "--leader-election"):
            world.until(lambda: examined(plugin)["operator"][0][0] == "ok", "the operator to lead")
            world.until(lambda: world.secret(HOME, VALIDATOR_TLS_SECRET), "the certificate", timeout=30)
        put_lease(world, renewed=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=9))
        stopped = examined(plugin)["operator"][0]
        assert stopped == (
            "bad",
            "the Lease was not renewed for 9 minutes: without a leader, nothing is minted or rotated",
        )
        put_lease(world, renewed=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=9))
        assert "is 9 minutes ahead of yours" in examined(plugin)["clocks"][0][1]
        world.ok(
            "PATCH",
            f"/api/v1/namespaces/{HOME}/secrets/{VALIDATOR_TLS_SECRET}",
            {"data": {"tls.crt": "eA=="}},
        )
        assert examined(plugin)["certificate"][0][0] == "bad"


def put_lease(world: World, *, renewed: dt.datetime) -> None:
    """Write the operator's Lease as another user's, renewed at that time."""
    spec: dict[str, Any] = {
        "holderIdentity": "somebody",
        "leaseDurationSeconds": 15,
        "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
    }
    world.ok("PATCH", f"{LEASES}/servicetokens-operator", {"spec": spec})
