"""TokenReview on a real validator, by raw requests and by a real kube-apiserver that is configured with it."""

import dataclasses
import json
import time
from pathlib import Path

import pytest

from common.builders.stored import StoredToken, store_account, store_keys, store_role, store_token
from common.drivers.validating import V1, RunningValidator, validator
from common.drivers.world import HOME, World
from controlplane.cluster import AuthenticationWebhook, Cluster, Options

V1BETA1 = "authentication.k8s.io/v1beta1"
WRONG = "svt_AAAAAAAAAAAA_" + "a" * 49


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_valid_token_is_authenticated_in_the_requested_version(
    running: RunningValidator, token: StoredToken, version: str
) -> None:
    """Name, uid, groups and extra; nothing that begins with `system:`."""
    reply = running.review(token.text, version=version)
    assert reply.status == 200
    assert (reply.json["apiVersion"], reply.json["kind"]) == (version, "TokenReview")
    status = reply.json["status"]
    assert status["authenticated"] is True
    assert status["user"] == {
        "username": f"servicetoken:{token.namespace}:ci",
        "uid": token.account_uid,
        "groups": [
            "servicetokens:accounts",
            f"servicetokens:accounts:{token.namespace}",
            "servicetokens:role:orders-reader",
        ],
        "extra": {"servicetokens.dev/token-id": [token.id], "servicetokens.dev/token-name": ["ci-prod"]},
    }
    assert token.text.split("_")[2] not in reply.body.decode()


def test_an_invalid_token_is_not_authenticated_and_only_an_unknown_one_has_an_error(
    world: World, running: RunningValidator, token: StoredToken
) -> None:
    """The API server keeps a plain no for minutes, and an error not at all."""
    unknown = running.review(WRONG).json["status"]
    assert unknown["authenticated"] is False
    assert unknown["error"]
    for text in (
        "",
        "x",
        " " + token.text,
        token.text + " ",
        token.text[:20] + "\0" + token.text[21:],
        token.text[:-8] + "a" * 8,
    ):
        assert running.review(text).json["status"] == {"authenticated": False}
    token.change(state="Revoked")
    world.until(lambda: not running.review(token.text).json["status"]["authenticated"], "the revocation")
    assert running.review(token.text).json["status"] == {"authenticated": False}


def test_audiences_are_those_asked_for_that_the_token_is_for(
    world: World, running: RunningValidator, token: StoredToken
) -> None:
    """Never yes with an audience that was not asked, or not allowed."""
    assert running.review(token.text, ["a", "b"]).json["status"]["audiences"] == ["a", "b"]
    token.change(audiences=["a", "c"])
    world.until(
        lambda: running.review(token.text, ["a", "b"]).json["status"].get("audiences") == ["a"],
        "the audiences",
    )
    assert running.review(token.text, ["b"]).json["status"] == {"authenticated": False}
    assert running.review(token.text).json["status"] == {"authenticated": False}


JUNK = {
    "nothing": b"",
    "no JSON": b"token",
    "an empty object": b"{}",
    "a list": b"[]",
    "another kind": json.dumps({"apiVersion": V1, "kind": "Foo", "spec": {"token": "x"}}).encode(),
    "another version": json.dumps(
        {"apiVersion": "authentication.k8s.io/v2", "kind": "TokenReview", "spec": {"token": "x"}}
    ).encode(),
    "no token": json.dumps({"apiVersion": V1, "kind": "TokenReview", "spec": {}}).encode(),
    "a token that is no text": json.dumps(
        {"apiVersion": V1, "kind": "TokenReview", "spec": {"token": 5}}
    ).encode(),
    "ten thousand levels": b"[" * 10_000,
    "ten thousand audiences": json.dumps(
        {"apiVersion": V1, "kind": "TokenReview", "spec": {"token": "x", "audiences": ["a"] * 10_000}}
    ).encode(),
    "an audience of its own size": json.dumps(
        {"apiVersion": V1, "kind": "TokenReview", "spec": {"token": "x", "audiences": ["a" * 2000]}}
    ).encode(),
    "no UTF-8": b'{"apiVersion": "\xff"}',
}


@pytest.mark.parametrize("body", JUNK.values(), ids=JUNK)
def test_what_is_no_token_review_is_400(running: RunningValidator, body: bytes) -> None:
    """With a Status that does not quote it; never a yes."""
    reply = running.post(body)
    assert reply.status == 400
    assert reply.json["kind"] == "Status"
    assert b"authenticated" not in reply.body


def test_method_path_and_size_are_bounded(running: RunningValidator) -> None:
    """405, 404, 413, 415: each with its word."""
    assert running.post(b"", method="GET").status == 405
    assert running.post(b"{}", path="/validate").status == 404
    assert running.post(b"x" * 70_000).status == 413
    assert running.post(b"{}", Content_Encoding="gzip").status == 415


def test_a_chunked_body_is_read(running: RunningValidator, token: StoredToken) -> None:
    """Kubectl sends one."""
    body = json.dumps({"apiVersion": V1, "kind": "TokenReview", "spec": {"token": token.text}}).encode()
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:20], body[20:])) + b"0\r\n\r\n"
    reply = running.post(chunked, Transfer_Encoding="chunked")
    assert reply.json["status"]["authenticated"] is True


def test_a_real_api_server_believes_the_validator(binaries: Path, tmp_path: Path) -> None:
    """`kubectl auth whoami`, RBAC by the group of a role, and a revoked token rejected."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        store_keys(world.client, HOME)
        store_role(world.client, "orders-reader")
        namespace = cluster.create_namespace()
        uid = store_account(world.client, namespace, "ci", roles=["orders-reader"])
        token = store_token(world.client, namespace, "ci-prod", account="ci", account_uid=uid)
        with validator(world, tmp_path / "validator.log") as running:
            webhook = AuthenticationWebhook(
                url=running.review_url, certificate_authority=cluster.files.authority.certificate
            )
            cluster.restart_api_server(dataclasses.replace(cluster.options, authentication_webhook=webhook))
            world.until(running.is_ready, "the validator to be ready again", timeout=30)
            mine = cluster.bearer(token.text)
            who = cluster.kubectl("auth", "whoami", kubeconfig=mine).stdout
            assert f"servicetoken:{namespace}:ci" in who
            assert "servicetokens:role:orders-reader" in who

            assert (
                not cluster.client(token=token.text).request("GET", f"/api/v1/namespaces/{namespace}/pods").ok
            )
            cluster.kubectl(
                *("create", "rolebinding", "readers", "-n", namespace),
                *("--clusterrole=view", "--group=servicetokens:role:orders-reader"),
            )
            world.until(
                lambda: (
                    cluster.client(token=token.text).request("GET", f"/api/v1/namespaces/{namespace}/pods").ok
                ),
                "the right to be granted",
            )
            assert cluster.client(token=WRONG).request("GET", "/api").status == 401
            token.change(state="Revoked")
            # The API server itself keeps a yes for ten seconds.
            world.until(
                lambda: cluster.client(token=token.text).request("GET", "/api").status == 401,
                "the revocation",
                timeout=20,
            )
            time.sleep(0.1)
            token.change(state=None)
            world.until(
                lambda: (
                    cluster.client(token=token.text).request("GET", f"/api/v1/namespaces/{namespace}/pods").ok
                ),
                "the restoration",
                timeout=20,
            )
