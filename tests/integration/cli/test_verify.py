"""`verify`: each check, passed or failed, and the exit code that says whether the token is good."""

import re

import pytest

from common.plugin import STRANGER, Done, Plugin
from common.validating import RunningValidator
from common.world import HOME, World
from controlplane.ports import LOOPBACK


def line(done: Done, topic: str) -> str:
    """Return what was said about *topic*, with its mark."""
    found = re.search(rf"^(. +{topic} .*)$", done.out, re.MULTILINE)
    assert found, (topic, done)
    return re.sub(" +", " ", found[1]).strip()


def test_a_good_token_passes_every_check(
    plugin: Plugin, token: str, running: RunningValidator, namespace: str
) -> None:
    """Also that of a validator, which alone can check the keyed hash. Its value is not printed."""
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    done = plugin("verify", "--ask", url, stdin=token)
    assert done.code == 0, done
    assert "✗" not in done.out
    assert line(done, "known") == f"✓ known ServiceToken 'ci-prod' in namespace '{namespace}'"
    assert line(done, "value") == "✓ value it is the value in the Secret 'ci-prod'"
    assert line(done, "validator") == f"✓ validator {url} accepts it"
    assert line(done, "expiry").startswith("✓ expiry current, ends in 30 days (2")
    assert token not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "topic", "said"),
    [
        ("hunter2", "format", "7 characters; it has not the form"),
        ("svt_0123456789AB_short", "format", "it has not the form"),
        ("svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGR", "checksum", "does not fit"),
    ],
)
def test_a_typo_is_found_without_a_cluster(plugin: Plugin, text: str, topic: str, said: str) -> None:
    """And the text is not repeated: it may be somebody's password."""
    done = plugin("verify", "--offline", stdin=text)
    assert done.code == 3
    assert line(done, topic).startswith("✗")
    assert said in line(done, topic)
    assert text not in done.out + done.err


def test_a_token_that_nobody_knows(plugin: Plugin) -> None:
    """It may be good in another cluster, and the format says so; here it is not."""
    done = plugin("verify", stdin=STRANGER)
    assert done.code == 3
    assert line(done, "checksum").startswith("✓")
    assert line(done, "known").startswith("✗ known no ServiceToken in the cluster has its id")


def test_each_reason_for_a_refusal_is_named(plugin: Plugin, world: World, namespace: str, token: str) -> None:
    """Revoked, account suspended, account gone."""
    world.change(namespace, state="Revoked", revocationReason="KeyCompromise")
    assert line(plugin("verify", stdin=token), "revoked") == "✗ revoked it is revoked (KeyCompromise)"
    world.change(namespace, state=None, revocationReason=None)
    world.change(namespace, "ci", plural="serviceaccounts", state="Suspended")
    assert line(plugin("verify", stdin=token), "account") == "✗ account 'ci' is suspended"
    world.delete("serviceaccounts", namespace, "ci")
    done = plugin("verify", stdin=token)
    assert done.code == 3
    assert line(done, "account") == "✗ account there is no ServiceAccount 'ci', so nobody vouches for it"


def test_a_rotated_token_in_its_overlap_and_after(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """First a warning, with its end; then it is no good."""
    plugin.ok("rotate", "ci-prod")
    during = plugin("verify", stdin=token)
    assert during.code == 0
    assert line(during, "expiry").startswith("! expiry it was rotated; its overlap ends in 60 minutes")
    assert "only a validator can tell" in line(during, "value")
    plugin.ok("rotate", "ci-prod", "--no-overlap", "--yes")
    after = plugin("verify", stdin=token)
    assert after.code == 3
    assert line(after, "known").startswith("✗")


def test_a_made_up_value_with_a_known_id_is_found_out(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """Ids are public; by the Secret, and by a validator, it is seen."""
    from servicetokens.tokens.format import assemble  # noqa: PLC0415 - the one test that forges

    forged = assemble("svt", world.status(namespace)["tokenID"], bytes(32)).reveal()
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    done = plugin("verify", "--ask", url, stdin=forged)
    assert done.code == 3
    assert line(done, "value").startswith("✗ value the id is right and the rest is not")
    assert line(done, "validator").startswith("✗")


def test_with_fewer_rights_it_says_what_it_cannot_tell(
    plugin: Plugin, world: World, namespace: str, token: str
) -> None:
    """A person who may see tokens of one namespace, and no Secrets."""
    world.cluster.kubectl(
        *("create", "role", "looker", "-n", namespace, "--verb=get,list"),
        "--resource=servicetokens.servicetokens.dev,serviceaccounts.servicetokens.dev",
    )
    world.cluster.kubectl(
        "create", "rolebinding", "looker", "-n", namespace, "--role=looker", "--user=looker"
    )
    looker = Plugin(plugin.cluster, plugin.binaries, namespace, world.cluster.user("looker", ()))
    done = looker("verify", stdin=token)
    assert done.code == 0, done
    assert line(done, "value").startswith("? value not compared with the Secret: you may not read")
    told = looker.ok("describe", "ci-prod")
    assert "you may not list pods" in told
    findings = looker("doctor")
    assert re.search(r"^\? +keys +not checked: ", findings.out, re.MULTILINE), HOME
