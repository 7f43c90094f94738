"""`get`, `describe`, `tree`, `whoami`, `keys`: what people see."""

import json
import re
from typing import Any

import pytest
import yaml

from common.drivers.plugin import Plugin
from common.drivers.world import World
from controlplane.cluster import ADMINISTRATOR

pytestmark = pytest.mark.usefixtures("token")


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """Return a pod that no node will ever run."""
    containers = [{"name": "main", "image": "example.com/main", **spec.pop("container", {})}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def replica_set(world: World, namespace: str, name: str) -> str:
    """Create a ReplicaSet that wants the one pod it is given, and return its uid; nothing collects that pod then."""
    labels = {"pod-template-hash": name.rpartition("-")[2]}
    template = {**pod(name), "metadata": {"labels": labels}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    return str(world.ok("POST", path, {"metadata": {"name": name}, "spec": spec}).body["metadata"]["uid"])


def test_tokens_are_listed_with_end_and_last_use_in_words(plugin: Plugin) -> None:
    """A line each, without colours when piped."""
    listed = plugin.ok("get")
    assert re.search(r"^NAME +ACCOUNT +STATE +EXPIRES +ROTATES +LAST USED +AGE *$", listed, re.MULTILINE)
    assert re.search(
        r"^ci-prod +ci +Active +in 30 days +no +(not seen yet|within 2 hours) +\d+ seconds? *$",
        listed,
        re.MULTILINE,
    )
    assert "\x1b" not in listed


def test_all_namespaces_have_a_column(plugin: Plugin, namespace: str) -> None:
    """As kubectl has it, first."""
    listed = plugin.run("servicetoken", "get", "tokens", "-A").out
    assert re.search(rf"^{namespace} +ci-prod ", listed, re.MULTILINE)


def test_accounts_are_listed(plugin: Plugin, world: World, namespace: str) -> None:
    """With their roles and the number of their tokens."""
    world.until(
        lambda: re.search(r"^ci +Active +1 +orders-reader ", plugin.ok("get", "accounts"), re.MULTILINE), "it"
    )


def test_the_forms_for_programs(plugin: Plugin, namespace: str) -> None:
    """JSON and YAML are the objects themselves; names can be given to kubectl."""
    assert json.loads(plugin.ok("get", "tokens", "-o", "json"))["items"][0]["metadata"]["name"] == "ci-prod"
    single = yaml.safe_load(plugin.ok("get", "token", "ci-prod", "-o", "yaml"))
    assert single["kind"] == "ServiceToken"
    assert "managedFields" not in single["metadata"]
    name = plugin.ok("get", "-o", "name").strip()
    assert plugin.run("get", name, "-n", namespace).code == 0


def test_wide_has_the_public_id_and_the_secret(plugin: Plugin, world: World, namespace: str) -> None:
    """And what the condition Ready says."""
    wide = plugin.ok("get", "-o", "wide")
    assert world.status(namespace)["tokenID"] in wide
    assert "The token is in the Secret 'ci-prod'." in wide


def test_tokens_can_be_chosen(plugin: Plugin, world: World, namespace: str) -> None:
    """By account, by label, by an end that is near and not rotated away, by disuse."""
    world.account(namespace, "web")
    world.token(namespace, "short", expiresAfter="1d")
    world.token(namespace, "turning", account="web", expiresAfter="1d", rotation={"every": "12h"})
    for name in ("short", "turning"):
        world.until_ready(namespace, name)

    def named(*arguments: str) -> list[str]:
        return sorted(
            line.rpartition("/")[2] for line in plugin.ok("get", "tokens", "-o", "name", *arguments).split()
        )

    assert named() == ["ci-prod", "short", "turning"]
    assert named("--account", "web") == ["turning"]
    assert named("--expiring", "7d") == ["short"]
    assert named("--unused", "90d") == []
    world.cluster.kubectl("label", "servicetoken/short", "team=web", "-n", namespace)
    assert named("-l", "team=web") == ["short"]


def test_nothing_found_is_said(plugin: Plugin) -> None:
    """A listing without rows ends well; a name that does not exist does not."""
    done = plugin("get", "tokens", "--account", "nobody")
    assert (done.code, done.out) == (0, "")
    assert "No such token in namespace" in done.err
    missing = plugin("get", "tokens", "nope")
    assert missing.code == 1
    assert "there is no token 'nope' in namespace" in missing.err


def test_existing_objects_are_shown_when_others_are_missing(plugin: Plugin, token: str) -> None:
    """As with kubectl: the rows, an error for the others, exit code 1."""
    for form in ("table", "name", "json"):
        done = plugin("get", "ci-prod", "nope", "svcacct/ci", "svcacct/none", "-o", form)
        assert done.code == 1, done
        assert "ci-prod" in done.out
        assert "there is no token 'nope' in namespace" in done.err
        assert "there is no account 'none' in namespace" in done.err
    alone = plugin("get", "nope", "svcacct/ci")
    assert alone.out.startswith("NAME")
    assert "No such token" not in alone.err
    told = plugin("describe", "ci-prod", "nope")
    assert told.code == 1
    assert "/ci-prod" in told.out
    assert "there is no token 'nope'" in told.err


def test_several_types_are_shown_one_after_the_other(plugin: Plugin, token: str) -> None:
    """Tokens and accounts, each with its own columns; programs get one list."""
    shown = plugin.ok("get", "svctok/ci-prod", "svcacct/ci")
    tokens, _, accounts = shown.partition("\n\n")
    assert tokens.splitlines()[0].split()[:2] == ["NAME", "ACCOUNT"]
    assert accounts.splitlines()[0].split()[:3] == ["NAME", "STATE", "TOKENS"]
    listed = json.loads(plugin.ok("get", "tokens,accounts", "-o", "json"))
    assert {one["kind"] for one in listed["items"]} == {"ServiceToken", "ServiceAccount"}


def test_questions_about_tokens_are_not_asked_of_accounts(plugin: Plugin) -> None:
    """Exit code 2, as for every wrong command line."""
    done = plugin("get", "accounts", "--expiring", "30d")
    assert done.code == 2
    assert "get tokens" in done.err
    assert plugin("get", "tokens", "--expiring", "soon").code == 2


def test_the_whole_story_of_a_token(plugin: Plugin, world: World, namespace: str, token: str) -> None:
    """State and why, whose, what for, which Secret, who mounts it, conditions, events, past and future."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    world.ok("POST", pods, pod("mounts", volumes=[{"name": "t", "secret": {"secretName": "ci-prod"}}]))
    variable = {"name": "T", "valueFrom": {"secretKeyRef": {"name": "ci-prod", "key": "token"}}}
    world.ok("POST", pods, pod("reads", container={"env": [variable]}))
    world.ok("POST", pods, pod("other"))
    world.until(lambda: "TokenRevoked" not in world.events(namespace), "no event of a revocation")
    world.change(namespace, state="Revoked", revocationReason="Superseded")
    world.until_reason(namespace, "Active", "Revoked")
    world.until(lambda: "TokenRevoked" in world.events(namespace), "the Event")
    told = plugin.ok("describe", "ci-prod")
    for expected in (
        r"^Token: +\S+/ci-prod$",
        r"^State: +Revoked  The token is revoked \(Superseded\)\.$",
        r"^Description: +orders-api release job$",
        r"^Account: +ci  Active$",
        r"^Roles: +orders-reader$",
        r"^Audiences: +any service$",
        rf"^Credential: +{world.status(namespace)['tokenID']} \(mint 1, current\), expires in 30 days \(2",
        r"^Secret: +ci-prod  The Secret 'ci-prod' holds the current token\.$",
        r"Pod 'mounts' \(1 pod, by volume\)",
        r"Pod 'reads' \(1 pod, by environment; restart it after a rotation\)",
        r"^Ready +True +Revoked ",
        r"^20\S+Z .* created$",
        r"^20\S+Z .* TokenRevoked: ",
        r"^20\S+Z +in 30 days +\S+ expires$",
    ):
        assert re.search(expected, told, re.MULTILINE), (expected, told)
    assert "Pod 'other'" not in told
    assert token not in told
    assert token in plugin.ok("describe", "ci-prod", "--show-token")


def test_a_description_for_programs_is_the_object(plugin: Plugin) -> None:
    """One object, not a List."""
    assert json.loads(plugin.ok("describe", "ci-prod", "-o", "json"))["kind"] == "ServiceToken"


def test_a_token_without_its_account_says_so(plugin: Plugin, world: World, namespace: str) -> None:
    """In the description and in the tree."""
    world.token(namespace, "lost", account="nobody")
    world.until_reason(namespace, "Ready", "AccountNotFound", "lost")
    assert re.search(r"^Account: +nobody \(does not exist", plugin.ok("describe", "lost"), re.MULTILINE)
    tree = plugin.ok("tree")
    assert tree.index("tokens whose account does not exist") < tree.index("token lost")


def test_the_tree_leads_from_accounts_to_workloads(plugin: Plugin, world: World, namespace: str) -> None:
    """In the order in which they depend on each other; a Deployment is shown, not its ReplicaSet."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web-5d4f",
        "uid": replica_set(world, namespace, "web-5d4f"),
        "controller": True,
    }
    one = pod(
        "web-5d4f-x", volumes=[{"name": "t", "projected": {"sources": [{"secret": {"name": "ci-prod"}}]}}]
    )
    one["metadata"] |= {"labels": {"pod-template-hash": "5d4f"}, "ownerReferences": [owner]}
    world.ok("POST", f"/api/v1/namespaces/{namespace}/pods", one)
    lines = [line.strip(" │├└─") for line in plugin.ok("tree").splitlines()]
    start = lines.index("account ci  Active")
    assert lines[start + 1].startswith("token ci-prod  Active  expires in 30 days")
    assert lines[start + 2 : start + 4] == ["Secret ci-prod", "Deployment 'web' (1 pod, by volume)"]
    assert "account ci" in plugin.ok("tree", "--account", "ci")
    missing = plugin("tree", "--account", "nobody")
    assert missing.code == 1
    assert f"there is no account 'nobody' in namespace '{namespace}'" in missing.err


def test_the_tree_shows_secrets_that_are_missing_or_foreign(
    plugin: Plugin, world: World, namespace: str
) -> None:
    """By looking, and where Secrets must not be seen, by what the operator says."""
    world.ok("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "theirs"}})
    world.token(namespace, "blocked", secret={"name": "theirs"})
    world.until(lambda: world.get(namespace, "blocked").get("status", {}).get("conditions"), "an answer")
    world.token(namespace, "homeless", account="nobody")
    world.until_reason(namespace, "Ready", "AccountNotFound", "homeless")
    tree = plugin.ok("tree")
    assert "Secret ci-prod\n" in tree
    assert "Secret theirs  belongs to something else\n" in tree
    assert "Secret homeless  does not exist\n" in tree
    world.cluster.kubectl(
        *("create", "role", "planter", "-n", namespace, "--verb=get,list"),
        "--resource=servicetokens.servicetokens.dev,serviceaccounts.servicetokens.dev",
    )
    world.cluster.kubectl(
        "create", "rolebinding", "planter", "-n", namespace, "--role=planter", "--user=planter"
    )
    planter = Plugin(plugin.cluster, plugin.binaries, namespace, world.cluster.user("planter", ()))
    tree = planter.ok("tree")
    assert "Secret ci-prod\n" in tree
    assert "Secret homeless  not delivered" in tree
    assert "Secret theirs  not delivered: " in tree


def test_who_one_is(plugin: Plugin, namespace: str) -> None:
    """As the API server sees it."""
    shown = plugin.ok("whoami")
    assert re.search(rf"^User +{ADMINISTRATOR[0]}", shown, re.MULTILINE)
    assert json.loads(plugin.ok("whoami", "-o", "json"))["namespace"] == namespace


def test_keys_are_listed_as_the_operators_own_command_does(plugin: Plugin) -> None:
    """And a wrong namespace is named."""
    assert re.search(r"^k1 +\d+  signs: ", plugin.ok("keys"), re.MULTILINE)
    assert json.loads(plugin.ok("keys", "-o", "json"))[0]["key"] == "k1"
    done = plugin("keys", "--operator-namespace", "elsewhere")
    assert done.code == 1
    assert "in namespace 'elsewhere'" in done.err
