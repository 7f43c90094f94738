"""`revoke`, `restore`, `rotate`: what changes, what is waited for, and what is asked before."""

import re
import time

from common.drivers.plugin import Plugin
from common.drivers.validating import RunningValidator
from common.drivers.world import World
from servicetokens.api.values import format_time

DAY = 86400


def test_a_revoked_token_is_rejected_when_the_command_returns(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """With --wait, every validator rejects the token; once it is restored, all accept it."""
    said = plugin.ok("revoke", "ci-prod", "--reason", "Superseded", "--wait")
    assert running.forward(token).status == 401
    assert "every validator rejects it now" in said
    assert world.get(namespace)["spec"]["revocationReason"] == "Superseded"
    assert "every validator accepts it now" in plugin.ok("restore", "ci-prod", "--wait")
    assert running.forward(token).status == 200
    assert {"state", "revocationReason"} & set(world.get(namespace)["spec"]) == set()


def test_a_revoked_token_is_already_revoked(plugin: Plugin, world: World, namespace: str, token: str) -> None:
    """Its reason stays, unless another one is given."""
    plugin.ok("revoke", "ci-prod", "--reason", "KeyCompromise")
    version = world.get(namespace)["metadata"]["generation"]
    assert "is already revoked" in plugin.ok("revoke", "ci-prod", "--wait")
    assert world.get(namespace)["spec"]["revocationReason"] == "KeyCompromise"
    assert world.get(namespace)["metadata"]["generation"] == version
    assert "already" not in plugin.ok("revoke", "ci-prod", "--reason", "Superseded")
    assert world.get(namespace)["spec"]["revocationReason"] == "Superseded"


def test_a_rotation_is_complete_with_its_id_and_its_delivery(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """Another condition that stalls does not make it fail: the new value is in the Secret."""
    world.change(namespace, "ci", "serviceaccounts", roles=[])
    world.change(namespace, roles=["orders-reader"])
    world.until(
        lambda: world.condition(namespace, "Ready").get("status") == "False", "another condition to stall"
    )
    done = plugin("rotate", "ci-prod")
    assert done.code == 0, done
    assert world.value(namespace) != token
    assert world.status(namespace)["serial"] == 2


def test_a_pasted_token_says_which_one_it_is(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """In whatever namespace it is; its value is on no output."""
    done = plugin.run("servicetoken", "revoke", "-", stdin=token + "\n")
    assert done.code == 0
    assert token not in done.out + done.err
    assert world.get(namespace)["spec"]["state"] == "Revoked"
    token_id = world.status(namespace)["tokenID"]
    assert plugin.run("servicetoken", "restore", "--id", token_id).code == 0
    assert "state" not in world.get(namespace)["spec"]


def test_what_is_no_token_is_not_quoted(plugin: Plugin, token: str) -> None:
    """A password pasted by mistake must not get into a terminal's history."""
    done = plugin("revoke", "-", stdin="correct horse battery staple")
    assert done.code == 1
    assert "horse" not in done.out + done.err
    changed = plugin("revoke", "-", stdin=token[:-1] + ("a" if token[-1] != "a" else "b"))
    assert "the checksum at the end does not fit" in changed.err
    unknown = plugin("revoke", "--id", "000000000000")
    assert unknown.code == 1
    assert "has the id '000000000000'" in unknown.err


def test_several_are_asked_about_first(plugin: Plugin, world: World, namespace: str, token: str) -> None:
    """Without a terminal, --yes is required; a dry run writes nothing."""
    world.token(namespace, "second")
    world.until_ready(namespace, "second")
    done = plugin("revoke", "--account", "ci")
    assert done.code == 2
    assert "Revoke 2 tokens" in done.err
    assert "--yes" in done.err
    dry = plugin.ok("revoke", "--account", "ci", "--dry-run")
    assert dry.count("(dry run: nothing was written)") == 2
    assert "state" not in world.get(namespace)["spec"]
    plugin.ok("revoke", "--account", "ci", "--yes", "--wait")
    assert [world.get(namespace, name)["spec"]["state"] for name in ("ci-prod", "second")] == ["Revoked"] * 2


def test_one_rejection_does_not_stop_the_others(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """What failed is named at the end; a name that does not exist stops before anything is done."""
    assert plugin("revoke", "ci-prod", "nope").code == 1
    assert "state" not in world.get(namespace)["spec"]


def test_exactly_one_way_to_choose(plugin: Plugin, token: str) -> None:
    """Neither none nor two."""
    assert plugin("revoke").code == 2
    assert plugin("revoke", "ci-prod", "--account", "ci").code == 2


def test_restoring_a_compromised_token_is_asked_about(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """The finder still has it."""
    plugin.ok("revoke", "ci-prod", "--reason", "KeyCompromise")
    assert plugin("restore", "ci-prod").code == 2
    plugin.ok("restore", "ci-prod", "--yes")
    again = plugin("restore", "ci-prod").err
    assert f"token 'ci-prod' in namespace '{namespace}' is neither revoked nor suspended" in again
    assert "nothing to restore" in again


def test_a_token_that_was_suspended_for_disuse_is_restored_by_saying_that_it_is_needed(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """The same command; what it writes can be in Git."""
    world.token(namespace, "unused")
    unused = world.until_ready(namespace, "unused")
    suspend(world, namespace, "unused")
    # A validation now would count as a use. What the validator knows of another token it has learned afterwards.
    world.change(namespace, state="Revoked")
    world.until(lambda: running.forward(token).status == 401, "the other token to be refused")
    assert running.forward(unused).status == 401
    assert re.search(r"^State: +UnusedForLong ", plugin.ok("describe", "unused"), re.MULTILINE)
    assert "validators follow in a moment" in plugin.ok("restore", "unused", "--wait")
    assert "inUseTime" in world.get(namespace, "unused")["spec"]
    world.until(lambda: running.forward(unused).status == 200, "the token to be accepted")


def suspend(world: World, namespace: str, name: str) -> None:
    """Let the token *name* look as if it had not been used for ten days, under a policy that suspends after two."""
    world.change(
        namespace, "ci", "serviceaccounts", tokenPolicy={"unusedFor": "1d", "suspendUnusedAfter": "1d"}
    )

    def policy_is_known() -> bool:
        account = world.get(namespace, "ci", "serviceaccounts")
        return bool(account["metadata"]["generation"] == account["status"]["observedGeneration"])

    # Without it the operator lifts the suspension as one that nothing asks for.
    world.until(policy_is_known, "the operator to know the policy")
    now = int(time.time())
    conditions = world.status(namespace, name)["conditions"]
    for one in conditions:
        if one["type"] == "Active":
            one |= {"status": "False", "reason": "UnusedForLong"}
    times = {"unusedSinceTime": format_time(now - 10 * DAY), "suspensionTime": format_time(now - DAY)}
    world.edit_status(namespace, {**times, "conditions": conditions}, name)
    world.until_reason(namespace, "Active", "UnusedForLong", name)


def test_rotation_shows_the_overlap(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """The new one is in the Secret when it returns, and the old one works as long as it says."""
    said = plugin.ok("rotate", "ci-prod")
    fresh = world.value(namespace)
    assert fresh != token
    assert re.search(r"the previous one, expires in 1 hour \(20\S+Z\)", said)
    world.until(lambda: running.forward(fresh).status == 200, "the new one to be accepted")
    assert running.forward(token).status == 200


def test_rotation_without_overlap_is_asked_about_and_leaves_the_declared_one(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """It cannot be undone; the next rotation overlaps as before."""
    world.change(namespace, rotation={"every": "10d", "overlap": "2d"})
    assert plugin("rotate", "ci-prod", "--no-overlap").code == 2
    assert plugin("rotate", "ci-prod", "--no-overlap", "--no-wait").code == 2
    said = plugin.ok("rotate", "ci-prod", "--no-overlap", "--yes")
    assert "no previous one is accepted any longer" in said
    world.until(lambda: running.forward(token).status == 401, "the old one to be refused")
    assert world.get(namespace)["spec"]["rotation"]["overlap"] == "2d"
    world.until(lambda: world.is_settled(namespace), "the operator to see it")
    assert len(world.status(namespace)["credentials"]) == 1


def test_a_change_by_hand_of_an_object_from_git_is_reported(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """Or the revocation is undone by the next sync, without a message."""
    mark = "argocd.argoproj.io/tracking-id=orders:servicetokens.dev/ServiceToken:x/ci-prod"
    world.cluster.kubectl("annotate", "servicetoken/ci-prod", mark, "-n", namespace)
    done = plugin("revoke", "ci-prod")
    assert done.code == 0
    assert "the Argo CD application 'orders' applies token 'ci-prod'" in done.err


def test_a_wait_that_is_not_confirmed_ends_with_its_own_code(
    plugin: Plugin, world: World, namespace: str
) -> None:
    """The change was made; only the confirmation is missing."""
    # An account that does not exist: the token cannot get ready, whatever is done to it.
    world.token(namespace, "early", account="nobody")
    done = plugin("rotate", "early", "--timeout", "1")
    assert done.code == 4
    assert "not confirmed within 1 s" in done.err
