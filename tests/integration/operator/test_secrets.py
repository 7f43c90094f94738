"""The Secret under everyone's hands: healed when it is ours, not changed when it is not."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from common.drivers.world import World, decode, encode, in_seconds
from servicetokens.api import names

pytestmark = pytest.mark.usefixtures("operator")

# The promise for a deleted or edited Secret while Secrets are watched.
HEAL_SECONDS = 2


THEIRS: Mapping[str, Any] = {
    "metadata": {"labels": {"team": "a"}, "annotations": {"x/y": "z"}},
    "data": {"note": "aGk="},
}


def has_theirs(world: World, namespace: str) -> bool:
    """Say whether the Secret has what `THEIRS` put there."""
    secret = world.secret(namespace) or {}
    meta = secret["metadata"]
    return (meta["labels"].get("team"), meta["annotations"].get("x/y"), secret["data"].get("note")) == (
        "a",
        "z",
        "aGk=",
    )


def clear_owner(world: World, namespace: str) -> None:
    """Take the owner reference away."""
    world.edit_secret(namespace, {"metadata": {"ownerReferences": None}})


LOSSES: Mapping[str, Callable[[World, str], None]] = {
    "deleted": lambda world, namespace: world.delete_secret(namespace),
    "edited": lambda world, namespace: world.edit_secret(namespace, {"data": {"token": encode("svt_mine")}}),
    "emptied": lambda world, namespace: world.edit_secret(namespace, {"data": {"token": None}}),
}


def lose_serial(world: World, namespace: str) -> None:
    """Take the mark away that says which credential the Secret holds."""
    world.edit_secret(namespace, {"metadata": {"annotations": {"servicetokens.dev/serial": None}}})


def claim_another_serial(world: World, namespace: str) -> None:
    """Have the mark name another credential, minted in an hour."""
    annotations = {
        "servicetokens.dev/serial": "7",
        "servicetokens.dev/mint-time": in_seconds(3600),
    }
    world.edit_secret(namespace, {"metadata": {"annotations": annotations}})


MARKS: Mapping[str, Callable[[World, str], None]] = {
    "no owner": clear_owner,
    "no serial": lose_serial,
    "another serial": claim_another_serial,
}


@pytest.mark.parametrize("damage", MARKS.values(), ids=MARKS)
def test_a_secret_that_holds_the_token_is_healed_whatever_its_marks_say(
    world: World, namespace: str, damage: Callable[[World, str], None]
) -> None:
    """The value decides: it stays, and so does its credential."""
    world.token(namespace)
    value = world.until_ready(namespace)
    before = world.status(namespace)["credentials"]
    meta = (world.secret(namespace) or {})["metadata"]
    damage(world, namespace)

    def is_healed() -> bool:
        found = (world.secret(namespace) or {})["metadata"]
        return (found["annotations"], found.get("ownerReferences")) == (
            meta["annotations"],
            meta["ownerReferences"],
        )

    world.until(is_healed, "the marks to be put back")
    assert world.value(namespace) == value
    assert world.status(namespace)["credentials"] == before
    assert world.events(namespace) == []


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_secret_that_lost_its_token_gets_a_new_one(
    world: World, namespace: str, loss: Callable[[World, str], None]
) -> None:
    """Within two seconds; the old value is rejected from then on, and an Event says so."""
    world.token(namespace)
    value = world.until_ready(namespace)
    loss(world, namespace)
    world.until(
        lambda: world.value(namespace) not in {"", value} and world.holds(namespace),
        "a fresh token",
        timeout=HEAL_SECONDS + 8,  # a busy machine
    )
    assert world.status(namespace)["serial"] == 2
    assert world.serial_of(value, namespace) is None
    world.until(lambda: world.events(namespace) == ["TokenReminted"], "the Event")


def test_a_secret_that_lost_only_what_surrounds_the_token_keeps_it(world: World, namespace: str) -> None:
    """Our label, an annotation, a key of the template: restored next to the same token."""
    world.token(namespace, secret={"template": {"data": {"header": "Bearer {token}"}}})
    value = world.until_ready(namespace)
    world.edit_secret(
        namespace,
        {
            "metadata": {
                "labels": {"servicetokens.dev/token-secret": None},
                "annotations": {"servicetokens.dev/expires": "never"},
            },
            "data": {"header": encode("nonsense")},
        },
    )

    def is_put_right() -> bool:
        secret = world.secret(namespace) or {}
        return (
            secret["metadata"].get("labels") == {"servicetokens.dev/token-secret": "true"}
            and secret["metadata"]["annotations"]["servicetokens.dev/expires"] != "never"
            and decode(secret["data"]["header"]) == f"Bearer {value}"
        )

    world.until(is_put_right, "the Secret to be put right")
    assert world.value(namespace) == value
    assert world.status(namespace)["serial"] == 1


def test_an_immutable_secret_is_replaced_with_the_same_token(world: World, namespace: str) -> None:
    """Deleted and created; what others put there moves along, also when a rotation comes first."""
    world.token(namespace)
    value = world.until_ready(namespace)
    world.edit_secret(namespace, {"immutable": True, **THEIRS})
    world.until(lambda: not (world.secret(namespace) or {"immutable": True}).get("immutable"), "a new one")
    assert world.value(namespace) == value
    assert has_theirs(world, namespace)
    assert world.status(namespace)["serial"] == 1
    world.edit_secret(namespace, {"immutable": True})
    world.change(namespace, rotation={"id": "now"})
    assert world.until_ready(namespace) != value
    world.until(lambda: not (world.secret(namespace) or {"immutable": True}).get("immutable"), "a new one")
    assert world.status(namespace)["serial"] == 2
    assert has_theirs(world, namespace)


def test_the_template_is_rendered_updated_and_removed(world: World, namespace: str) -> None:
    """Placeholders are filled; keys that leave the template leave the Secret; others stay."""
    template: dict[str, Any] = {
        "labels": {"team": "a"},
        "annotations": {"contact": "b"},
        "data": {
            "config": "{account}/{namespace}/{id}/{expires}",
            "header": "Bearer {token}",
            "basic": "Basic {basic}",
            "literal": r"$\{user.home} \{token}",
        },
    }
    world.token(namespace, secret={"template": template})
    value = world.until_ready(namespace)
    secret, status = world.secret(namespace) or {}, world.status(namespace)
    assert decode(secret["data"]["header"]) == f"Bearer {value}"
    assert decode(secret["data"]["basic"]) == f"Basic {encode(f'ci:{value}')}"
    assert decode(secret["data"]["literal"]) == "${user.home} {token}"
    assert decode(secret["data"]["config"]) == "/".join(
        ("ci", namespace, status["tokenID"], status["expirationTime"])
    )
    world.edit_secret(namespace, {"data": {"others": encode("x")}, "metadata": {"labels": {"others": "x"}}})
    world.change(
        namespace,
        secret={
            "template": {
                "labels": None,
                "data": {"config": None, "basic": None, "literal": None, "header": "Token {token}"},
            }
        },
    )
    world.until(
        lambda: decode((world.secret(namespace) or {})["data"]["header"]) == f"Token {value}", "the change"
    )
    secret = world.secret(namespace) or {}
    assert set(secret["data"]) == {"token", "header", "others"}
    assert secret["metadata"]["labels"] == {"servicetokens.dev/token-secret": "true", "others": "x"}
    assert secret["metadata"]["annotations"]["contact"] == "b"


def test_what_others_put_on_the_secret_stays(world: World, namespace: str) -> None:
    """Through a rotation and through a fresh mint."""
    world.token(namespace)
    world.until_ready(namespace)
    world.edit_secret(namespace, THEIRS)
    world.change(namespace, rotation={"id": "now"})
    world.until_ready(namespace)
    world.edit_secret(namespace, {"data": {"token": encode("edited")}})
    world.until(lambda: world.status(namespace)["serial"] == 3 and world.holds(namespace), "a fresh token")
    assert has_theirs(world, namespace)


def test_a_foreign_secret_is_never_changed(world: World, namespace: str) -> None:
    """Not a byte of it; the token says what is in the way, and continues once it is deleted."""
    foreign = world.create_secret(
        namespace, {"metadata": {"name": "ci-prod"}, "type": "Opaque", "stringData": {"token": "theirs"}}
    )
    world.token(namespace)
    ready = world.until_reason(namespace, "Ready", "SecretConflict")
    assert "'Opaque'" in ready["message"]
    assert world.condition(namespace, "Stalled")["status"] == "True"
    assert world.condition(namespace, "SecretSynced")["reason"] == "SecretConflict"
    time.sleep(1)
    assert world.secret(namespace) == foreign
    assert "credentials" not in world.status(namespace)
    assert world.events(namespace) == ["SecretConflict"]
    world.delete_secret(namespace)
    world.until_ready(namespace)
    assert world.condition(namespace, "Stalled") == {}


COPIES: Mapping[str, Mapping[str, Any]] = {
    "with nothing but the value": {},
    "owned by a ConfigMap": {
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "sync", "uid": "{uid}"}]
    },
    "with the marks of another token": {"annotations": {names.ANNOTATION_TOKEN_NAME: "other"}},
    "with the marks and the id of a token elsewhere": {
        "annotations": {names.ANNOTATION_TOKEN_NAME: "ci-prod", names.ANNOTATION_TOKEN_ID: "{id}"}
    },
}


@pytest.mark.parametrize("metadata", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_tokens_secret_is_foreign(
    world: World, namespace: str, metadata: Mapping[str, Any]
) -> None:
    """Its author may write Secrets; a user who may only write ServiceTokens gains no access to it."""
    elsewhere = world.cluster.create_namespace()
    world.account(elsewhere)
    world.token(elsewhere)
    world.until_ready(elsewhere)
    owner = world.ok(
        "POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "sync"}}
    ).body
    text = json.dumps(metadata).replace("{uid}", owner["metadata"]["uid"])
    filled = json.loads(text.replace("{id}", world.status(elsewhere)["tokenID"]))
    copied = world.create_secret(
        namespace,
        {
            "metadata": {"name": "ci-prod", **filled},
            "type": names.SECRET_TYPE,
            "data": {"token": encode(world.value(elsewhere))},
        },
    )
    world.token(namespace)
    world.until_reason(namespace, "Ready", "SecretConflict")
    time.sleep(1)
    assert world.secret(namespace) == copied
    assert "credentials" not in world.status(namespace)


def test_the_second_of_two_tokens_for_one_secret_waits(world: World, namespace: str) -> None:
    """The first keeps it; when the first goes, the second gets a Secret of its own."""
    world.token(namespace, "first", secret={"name": "shared"})
    world.until(lambda: world.secret(namespace, "shared"), "the first one's Secret")
    world.token(namespace, "second", secret={"name": "shared"})
    ready = world.until_reason(namespace, "Ready", "SecretConflict", "second")
    assert "'first'" in ready["message"]
    world.delete("servicetokens", namespace, "first")

    def is_the_seconds() -> bool:
        owners = ((world.secret(namespace, "shared") or {}).get("metadata") or {}).get("ownerReferences") or [
            {}
        ]
        return bool(owners[0].get("name") == "second")

    world.until(is_the_seconds, "the second one's Secret", timeout=30)


def test_repairs_of_a_secret_that_is_changed_repeatedly_are_delayed(world: World, namespace: str) -> None:
    """The first repair is free, the next waits and names the rival; other tokens are not slowed."""
    world.token(namespace)
    world.until_ready(namespace)
    end = time.monotonic() + 6
    path = f"/api/v1/namespaces/{namespace}/secrets/ci-prod?fieldManager=rival"
    while time.monotonic() < end:
        world.client.request("PATCH", path, {"data": {"token": "cml2YWw="}})
        time.sleep(0.05)
    assert world.status(namespace)["serial"] == 2
    ready = world.until_reason(namespace, "Ready", "SecretMissing")
    assert "'rival'" in ready["message"]
    assert "next token is minted at" in ready["message"]
    assert world.status(namespace).get("credentials") is None
    world.token(namespace, "other")
    world.until_ready(namespace, "other")
    world.until(lambda: world.holds(namespace), "the token to be healed", timeout=20)
    assert world.status(namespace)["serial"] == 3


def test_a_quota_is_reported_and_costs_one_mint_until_it_is_lifted(world: World, namespace: str) -> None:
    """No credential is on status whose plaintext was not delivered, and it comes within seconds."""
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/secrets": "0"}}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    world.ok("POST", path, quota)
    # The quota controller is not part of this control plane: its first count is written by hand.
    status = {"status": {"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}}
    world.ok("PATCH", f"{path}/none/status", status)
    world.token(namespace)
    ready = world.until_reason(namespace, "Ready", "DeliveryFailed")
    assert "exceeded quota" in ready["message"]
    assert "credentials" not in world.status(namespace)
    world.ok("DELETE", f"{path}/none")
    world.until(lambda: world.holds(namespace), "the token", timeout=30)
    world.until_ready(namespace)
    assert world.status(namespace)["serial"] == 1


@pytest.mark.parametrize("owner", ["a dead uid of its name", "nobody"])
def test_a_secret_that_existed_first_is_adopted_and_its_value_is_never_read(
    world: World, namespace: str, owner: str
) -> None:
    """Of our type, with a forged owner and a token that a user chose: it is overwritten, and verifies nothing."""
    chosen = "svt_000000000000_" + "x" * 43 + "000000"
    reference = {"apiVersion": names.API_VERSION, "kind": names.KIND_TOKEN, "name": "ci-prod", "uid": "dead"}
    owners = [{**reference, "controller": True}] if owner != "nobody" else []
    marks = {names.ANNOTATION_TOKEN_NAME: "ci-prod"}
    metadata = {"name": "ci-prod", "ownerReferences": owners, "annotations": marks}
    # The token comes first, and has no account yet: else the garbage collector takes what has a dead owner.
    world.token(namespace, account="late")
    world.until_reason(namespace, "Ready", "AccountNotFound")
    world.create_secret(
        namespace, {"metadata": metadata, "type": names.SECRET_TYPE, "data": {"token": encode(chosen)}}
    )
    world.account(namespace, "late")
    value = world.until_ready(namespace)
    assert value != chosen
    assert world.serial_of(chosen, namespace) is None
