"""`verify`: each check, passed or failed, and the exit code that says whether the token is valid."""

import re

import pytest

from common.drivers.plugin import STRANGER, Done, Plugin
from common.drivers.validating import RunningValidator
from common.drivers.world import HOME, World
from controlplane.ports import LOOPBACK


def line(done: Done, topic: str) -> str:
    """Return what was said about *topic*, with its mark."""
    found = re.search(rf"^(. +{topic} .*)$", done.out, re.MULTILINE)
    assert found, (topic, done)
    return re.sub(" +", " ", found[1]).strip()


def conclusion(done: Done) -> str:
    """Return the last line, which is the decision."""
    return re.sub(" +", " ", done.out.splitlines()[-1])


def test_a_valid_token_passes_every_check(
    plugin: Plugin, token: str, running: RunningValidator, namespace: str
) -> None:
    """Also that of a validator, which alone can check the keyed hash. Its value is not printed."""
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    done = plugin("verify", "--ask", url, stdin=token)
    assert done.code == 0, done
    assert "✗" not in done.out
    assert line(done, "known") == f"✓ known ServiceToken {namespace}/ci-prod"
    assert line(done, "value") == "✓ value it is the value in the Secret 'ci-prod'"
    assert line(done, "validator") == f"✓ validator {url} accepts it"
    assert line(done, "expiry").startswith("✓ expiry current, expires in 30 days (2")
    assert conclusion(done) == "✓ result valid: the validator accepts it"
    assert conclusion(plugin("verify", stdin=token)) == "✓ result valid: validators accept it"
    assert token not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "topic", "said"),
    [
        ("hunter2", "format", "7 characters; not a service token: expected <prefix>_"),
        ("svt_0123456789AB_short", "format", "not a service token: expected"),
        ("svt_0123456789AB_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGR", "checksum", "does not fit"),
    ],
)
def test_a_typo_is_found_without_a_cluster(plugin: Plugin, text: str, topic: str, said: str) -> None:
    """And the text is not repeated: it may be a user's password."""
    done = plugin("verify", "--offline", stdin=text)
    assert done.code == 3
    assert line(done, topic).startswith("✗")
    assert said in line(done, topic)
    assert text not in done.out + done.err
    assert conclusion(done) == "✗ result not valid: it is not a service token"


def test_a_token_that_was_cut_or_continued_is_said_to_have_the_wrong_length(plugin: Plugin) -> None:
    """With the numbers, since that is what goes wrong when one is copied; a value of another system has no length."""
    for text in (STRANGER[:-2], STRANGER + "x"):
        done = plugin("verify", stdin=text)
        assert done.code == 3
        assert f"({len(text)} characters, while a token has 66)" in line(done, "format")
    assert "characters" not in line(plugin("verify", stdin="ghp_" + "k3J9x" * 8), "format")


def test_an_unknown_token_is_rejected(plugin: Plugin) -> None:
    """It may be good in another cluster, and the format says so; here it is not."""
    done = plugin("verify", stdin=STRANGER)
    assert done.code == 3
    assert line(done, "checksum").startswith("✓")
    assert line(done, "known").startswith("✗ known no ServiceToken in the cluster has its id")
    assert conclusion(done) == "✗ result not valid here: no ServiceToken has its id"


def test_each_reason_for_a_rejection_is_named(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """Revoked, account suspended, tokens of before a time, account deleted: as the validator has it."""

    def rejected(topic: str, said: str, why: str) -> None:
        world.until(lambda: running.forward(token).status == 401, "the token to be rejected")
        done = plugin("verify", stdin=token)
        assert done.code == 3
        assert line(done, topic).startswith(f"✗ {topic} {said}")
        assert conclusion(done) == f"✗ result not valid: {why}"

    def restored() -> None:
        world.until(lambda: running.forward(token).status == 200, "the token to be accepted")
        assert plugin("verify", stdin=token).code == 0

    account = f"ServiceAccount {namespace}/ci"
    world.change(namespace, state="Revoked", revocationReason="KeyCompromise")
    rejected("state", "revoked (KeyCompromise)", "it is revoked")
    world.change(namespace, state=None, revocationReason=None)
    restored()
    world.change(namespace, "ci", plural="serviceaccounts", state="Suspended")
    rejected("account", f"{account} is suspended", "its account is suspended")
    world.change(namespace, "ci", plural="serviceaccounts", state=None)
    restored()
    world.delete("serviceaccounts", namespace, "ci")
    rejected("account", f"{account} does not exist", "its account does not exist")


def test_what_a_finalizer_keeps_is_not_valid(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """A token that is being deleted is rejected, though its object is still there."""
    patch = '{"metadata": {"finalizers": ["example.com/keep"]}}'
    world.cluster.kubectl("patch", "servicetoken", "ci-prod", "-n", namespace, "--type=merge", "-p", patch)
    world.cluster.kubectl("delete", "servicetoken", "ci-prod", "-n", namespace, "--wait=false")
    world.until(lambda: running.forward(token).status == 401, "the token to be rejected")
    done = plugin("verify", stdin=token)
    free = '{"metadata": {"finalizers": null}}'
    world.cluster.kubectl("patch", "servicetoken", "ci-prod", "-n", namespace, "--type=merge", "-p", free)
    assert done.code == 3
    assert line(done, "state").startswith("✗ state being deleted")
    assert conclusion(done) == "✗ result not valid: it is being deleted"


def test_a_request_can_be_described(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """A role allows some requests: without a description the token is valid, with one the request is checked, too."""
    rule = {"methods": ["GET"], "paths": ["/orders/*"]}
    world.role(f"gets-{namespace}", allowedNamespaces=[namespace], http=[rule])
    world.change(namespace, "ci", plural="serviceaccounts", roles=[f"gets-{namespace}"])
    get = ("--method", "get", "--path", "/orders/7?x=1")
    post = ("--method", "POST", "--path", "/orders/7")
    headers = {"X_Forwarded_Method": "GET", "X_Forwarded_Uri": "/orders/7"}
    # Before that, the account's other role allows everything.
    world.until(
        lambda: (running.forward(token).status, running.forward(token, **headers).status) == (403, 200),
        "the role to be the only one",
    )
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    for ask in ((), ("--ask", url)):
        assert plugin("verify", *ask, stdin=token).code == 0
        assert plugin("verify", *ask, *get, stdin=token).code == 0
        done = plugin("verify", *ask, *post, stdin=token)
        assert done.code == 3
        assert line(done, "roles").startswith("✗ roles gets-")
        assert conclusion(done).startswith("✗ result valid, but not for this request: ")
        assert "error: the token is valid, but the request is not allowed" in done.err


def test_audiences_and_networks_are_checked_when_they_are_described(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """A validator that is asked without them rejects the token, which does not make it invalid."""
    world.change(namespace, audiences=["https://orders.example.com"], allowedCIDRs=["192.0.2.0/24"])
    world.until(lambda: running.forward(token).status == 401, "the token to be bound")
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    assert plugin("verify", stdin=token).code == 0
    asked = plugin("verify", "--ask", url, stdin=token)
    assert asked.code == 1
    assert "without knowing the audience (--audience or --host) and the client's address" in asked.out
    assert conclusion(asked).startswith("? result unknown: ")
    right = ("--audience", "https://orders.example.com", "--from", "192.0.2.9")
    assert plugin("verify", *right, stdin=token).code == 0
    for wrong, topic in (
        (("--audience", "https://other.example.com", "--from", "192.0.2.9"), "audiences"),
        (("--host", "orders.example.com", "--from", "198.51.100.1"), "networks"),
    ):
        done = plugin("verify", *wrong, stdin=token)
        assert done.code == 3
        assert line(done, topic).startswith(f"✗ {topic} only ")


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("{host}", 1, "is not a forward-auth address (404); expected one such as http://"),
        ("{host}/orders", 1, "is not a forward-auth address (404)"),
        ("127.0.0.1:8080/validate", 2, "is not a whole URL; expected one such as http://"),
        (
            "http://name.invalid/validate",
            1,
            "no answer from http://name.invalid/validate: the host name cannot",
        ),
    ],
)
def test_an_address_that_is_none_of_a_validator_is_explained(
    plugin: Plugin, token: str, running: RunningValidator, url: str, code: int, said: str
) -> None:
    """With what is expected instead. The answer that was requested is missing, which no script may take for a yes."""
    done = plugin(
        "verify", "--ask", url.format(host=f"http://{LOOPBACK}:{running.forward_port}"), stdin=token
    )
    assert said in done.out + done.err
    assert done.code == code, done
    if code == 1:
        assert conclusion(done).startswith(
            "? result unknown: the validator gave no answer; by its objects, valid"
        )


def test_options_that_exclude_each_other_are_rejected(plugin: Plugin, token: str) -> None:
    """Nothing is ignored silently, and no password of a URL is repeated."""
    done = plugin("verify", "--offline", "--ask", "http://v.example.com/validate", stdin=token)
    assert (done.code, "exclude each other" in done.err) == (2, True)
    done = plugin("verify", "--ask", "http://me:geheim@v.example.com/validate", stdin=token)
    assert done.code == 2
    assert "holds a user name or password" in done.err
    assert "geheim" not in done.out + done.err


def test_a_token_with_a_wrong_character_is_reported(plugin: Plugin, token: str) -> None:
    """Online as offline."""
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for flags in ((), ("--offline",)):
        done = plugin("verify", *flags, stdin=wrong)
        assert done.code == 3
        assert line(done, "checksum").startswith("✗ checksum ")


def test_a_rotated_token_in_its_overlap_and_after(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """First a warning, with its end: the Secret has the next one, so only a validator knows; then it is invalid."""
    plugin.ok("rotate", "ci-prod")
    during = plugin("verify", stdin=token)
    assert during.code == 1
    assert conclusion(during).startswith("? result unknown: a token with this id is valid, but")
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    assert (
        conclusion(plugin("verify", "--ask", url, stdin=token)) == "✓ result valid: the validator accepts it"
    )
    assert line(during, "expiry").startswith("! expiry it was rotated; its overlap ends in 1 hour")
    assert "only a validator can check it" in line(during, "value")
    plugin.ok("rotate", "ci-prod", "--no-overlap", "--yes")
    after = plugin("verify", stdin=token)
    assert after.code == 3
    assert line(after, "known").startswith("✗")
    assert conclusion(after).startswith("✗")


def test_a_made_up_value_with_a_known_id_is_found_out(
    plugin: Plugin, world: World, namespace: str, token: str, running: RunningValidator
) -> None:
    """Ids are public; by the Secret, and by a validator, it is seen."""
    from servicetokens.tokens.format import assemble  # noqa: PLC0415 - the one test that forges

    forged = assemble("svt", world.status(namespace)["tokenID"], bytes(32)).reveal()
    url = f"http://{LOOPBACK}:{running.forward_port}/validate"
    done = plugin("verify", "--ask", url, stdin=forged)
    assert done.code == 3
    assert line(done, "value").startswith("✗ value the id is right but the rest is not")
    assert line(done, "validator").startswith("✗")
    assert conclusion(done).startswith("✗ result not valid: the validator rejects it")
    offline = plugin("verify", stdin=forged)
    assert offline.code == 3
    assert (
        conclusion(offline)
        == "✗ result not valid: its id is known, but the rest is not the value that was minted"
    )


def test_with_fewer_permissions_it_reports_what_is_unknown(
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
    assert done.code == 1, done
    assert line(done, "value").startswith(
        "? value not compared with the Secret: you do not have permission to read"
    )
    assert line(done, "roles") == "✓ roles orders-reader", "everybody may read the catalogue"
    assert conclusion(done).startswith("? result unknown: a token with this id is valid, but")
    told = looker.ok("describe", "ci-prod")
    assert "you do not have permission to list pods" in told
    findings = looker("doctor")
    assert re.search(r"^\? +keys +skipped: ", findings.out, re.MULTILINE), HOME
