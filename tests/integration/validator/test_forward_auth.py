"""Forward-auth on a real validator: what proxies send, and what they get."""

import socket
import time
from pathlib import Path

import pytest

from common.builders.stored import StoredToken, change, store_account, store_role, store_token
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient

IDENTITY = ("Account", "Namespace", "Roles", "Permissions", "Id", "Expires")


def test_a_valid_token_passes_with_its_identity(running: RunningValidator, token: StoredToken) -> None:
    """Exactly 200, an empty body, every header, and nothing that may be kept."""
    reply = running.forward(token.text)
    assert (reply.status, reply.body) == (200, b"")
    found = {name: reply.headers[f"X-ServiceToken-{name}"] for name in IDENTITY}
    assert found["Account"] == "ci"
    assert found["Namespace"] == token.namespace
    assert (found["Roles"], found["Permissions"], found["Id"]) == ("orders-reader", "orders:read", token.id)
    assert found["Expires"].isdigit()
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "FOO"])
def test_every_method_gets_the_same_decision(
    running: RunningValidator, token: StoredToken, method: str
) -> None:
    """Proxies pass the client's on, or send their own."""
    assert running.forward(token.text, method=method).status == 200
    assert running.forward(None, method=method).status == 401


REFUSED = {
    "nothing": ({}, 401, 'Bearer realm="servicetokens"'),
    "another scheme": ({"Authorization": "Basic dXNlcjpwYXNz"}, 401, 'Bearer realm="servicetokens"'),
    "no word": ({"Authorization": "Bearer "}, 401, None),
    "two words": ({"Authorization": "Bearer {token} extra"}, 401, "invalid_token"),
    "two spaces": ({"Authorization": "Bearer  {token}"}, 401, "invalid_token"),
    "a tab": ({"Authorization": "Bearer\t{token}"}, 401, None),
    "joined by a comma": ({"Authorization": "Bearer {token},Bearer x"}, 401, "invalid_token"),
    "somebody else's": ({"Authorization": "Bearer " + "a" * 300}, 401, "invalid_token"),
    "far too long": ({"Authorization": "Bearer " + "a" * 20000}, 401, "invalid_token"),
}


@pytest.mark.parametrize(("headers", "status", "challenge"), REFUSED.values(), ids=REFUSED)
def test_anything_but_a_single_bearer_token_is_rejected(
    running: RunningValidator, token: StoredToken, headers: dict[str, str], status: int, challenge: str | None
) -> None:
    """With the challenge of RFC 6750, and no word about why."""
    filled = {name: value.replace("{token}", token.text) for name, value in headers.items()}
    reply = running.forward(None, **filled)
    assert reply.status == status
    assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="servicetokens"')
    assert (challenge or "") in reply.headers["WWW-Authenticate"]
    assert not any(name.startswith("X-ServiceToken") for name in reply.headers)


def test_every_invalid_token_gets_the_same_answer(
    world: World, running: RunningValidator, token: StoredToken
) -> None:
    """Unknown, wrong, revoked: a unknown client learns nothing."""

    def answer(text: str) -> tuple[int, str | None, bytes]:
        reply = running.forward(text)
        return reply.status, reply.headers["WWW-Authenticate"], reply.body

    answers = {answer("svt_AAAAAAAAAAAA_" + "a" * 49), answer(token.text[:-8] + "a" * 8)}
    token.change(state="Revoked")
    world.until(lambda: running.forward(token.text).status == 401, "the revocation")
    answers.add(answer(token.text))
    assert len(answers) == 1


def test_two_authorization_headers_are_rejected_in_either_order(
    running: RunningValidator, token: StoredToken
) -> None:
    """One proxy takes the first, another the last."""
    for first, second in (("Bearer " + token.text, "Bearer x"), ("Bearer x", "Bearer " + token.text)):
        with socket.create_connection((LOOPBACK, running.forward_port), timeout=patient(5)) as connection:
            head = f"GET /validate HTTP/1.1\r\nHost: x\r\nAuthorization: {first}\r\nAuthorization: {second}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_required_roles_are_in_the_path_and_nowhere_else(
    running: RunningValidator, token: StoredToken
) -> None:
    """A query may be the client's; a path that is not ours answers nothing."""
    assert running.forward(token.text, path="/validate/role/orders-reader").status == 200
    missing = running.forward(token.text, path="/validate/role/orders-reader,orders-writer")
    assert missing.status == 403
    assert (
        'error="insufficient_scope", scope="orders-reader orders-writer"'
        in missing.headers["WWW-Authenticate"]
    )
    assert running.forward(token.text, path="/validate?role=admin&access_token=x").status == 200
    for path in (
        "/",
        "/healthz",
        "/metrics",
        "//validate",
        "/validate/",
        "/validate/role/",
        "/validate/role/A",
    ):
        assert running.forward(token.text, path=path).status == 404, path
    for path in ("/validate/role/../admin", "/validate%2frole", "/x/../validate", "/validate/role/a/b"):
        assert running.forward(token.text, path=path).status == 404, path


def test_identity_headers_are_never_believed(running: RunningValidator, token: StoredToken) -> None:
    """They arrive here as the client forged them."""
    reply = running.forward(token.text, X_ServiceToken_Roles="admin", X_ServiceToken_Account="root")
    assert reply.headers["X-ServiceToken-Roles"] == "orders-reader"
    assert running.forward(None, X_ServiceToken_Account="root").status == 401


def test_rules_of_a_role_are_held_against_the_original_request(
    world: World, running: RunningValidator, token: StoredToken
) -> None:
    """As Traefik, nginx and ingress-nginx tell it; families that disagree are rejected."""
    token.change(roles=["orders-writer"])
    world.until(lambda: running.forward(token.text).status == 403, "the other role")

    def ask(**headers: str) -> int:
        return running.forward(token.text, **headers).status

    assert ask(X_Forwarded_Method="POST", X_Forwarded_Uri="/orders?x=1") == 200
    assert ask(X_Forwarded_Method="GET", X_Forwarded_Uri="/orders") == 403
    assert ask(X_Original_Method="POST", X_Original_URI="/orders") == 200
    assert ask(X_Original_Method="POST", X_Original_URL="https://orders.example.com/orders") == 200
    assert (
        ask(X_Forwarded_Method="POST", X_Forwarded_Uri="/a", X_Original_Method="POST", X_Original_URI="/b")
        == 400
    )
    assert ask(X_Forwarded_Method="POST", X_Forwarded_Uri="/a/../b") == 403


def test_a_token_restricted_to_networks_is_checked_against_the_peer(
    world: World, running: RunningValidator, token: StoredToken
) -> None:
    """And by X-Forwarded-For only from trusted proxies, of which there are none here."""
    token.change(allowedCIDRs=["192.0.2.0/24"])
    world.until(lambda: running.forward(token.text).status == 401, "the restriction")
    assert running.forward(token.text, X_Forwarded_For="192.0.2.1").status == 401
    token.change(allowedCIDRs=["127.0.0.0/8"])
    world.until(lambda: running.forward(token.text).status == 200, "the other restriction")
    refused = running.review(token.text)
    assert refused.json["status"] == {"authenticated": False}


def test_everything_that_changes_acts_at_the_next_request(
    world: World, running: RunningValidator, token: StoredToken
) -> None:
    """Revoked, restored, suspended, another role, rotated, deleted."""

    def becomes(status: int, text: str = "") -> None:
        world.until(lambda: running.forward(text or token.text).status == status, f"an answer {status}")

    token.change(state="Revoked")
    becomes(401)
    token.change(state=None)
    becomes(200)
    change(world.client, "serviceaccounts", token.namespace, "ci", {"state": "Suspended"})
    becomes(401)
    change(world.client, "serviceaccounts", token.namespace, "ci", {"state": None})
    becomes(200)
    change(world.client, "serviceaccounts", token.namespace, "ci", {"roles": []})
    becomes(403)
    change(world.client, "serviceaccounts", token.namespace, "ci", {"roles": ["orders-reader"]})
    becomes(200)
    old = token.text
    token.rotate(end=int(time.time()) + 3)
    becomes(200)
    assert running.forward(old).status == 200
    time.sleep(3)
    becomes(401)
    assert running.forward(old).status == 200
    token.delete()
    becomes(401, old)


def test_losing_the_last_role_never_allows_more(
    running: RunningValidator, world: World, namespace: str, tmp_path: Path
) -> None:
    """403 before and after, on both listeners; TokenReview goes on. `--allow-without-roles` is for who wants it."""
    client = world.client
    store_role(client, namespace, http=[{"methods": ["GET"], "paths": ["/orders/**"]}])
    uid = store_account(client, namespace, "ci", roles=[namespace])
    token = store_token(client, namespace, "ci-prod", account="ci", account_uid=uid)
    delete = {"X_Forwarded_Method": "DELETE", "X_Forwarded_Uri": "/admin"}
    get = {"X_Forwarded_Method": "GET", "X_Forwarded_Uri": "/orders/1"}
    world.until(lambda: running.forward(token.text, **get).status == 200, "the validator to know the token")
    assert running.forward(token.text, **delete).status == 403
    change(client, "serviceaccounts", namespace, "ci", {"roles": None})
    world.until(lambda: running.forward(token.text, **get).status == 403, "the role to be gone")
    for reply in (
        running.forward(token.text, **delete),
        running.forward(token.text),
        running.authz(token.text, path="/orders/1"),
        running.authz(token.text, method="DELETE", path="/admin"),
    ):
        assert reply.status == 403
        assert reply.headers["WWW-Authenticate"].endswith('error="insufficient_scope"')
    assert running.review(token.text).json["status"]["authenticated"] is True
    with validator(world, tmp_path / "validator.log", "--allow-without-roles") as lenient:
        assert lenient.forward(token.text, **delete).status == 200
        assert lenient.authz(token.text, path="/orders/1").status == 200
        change(client, "serviceaccounts", namespace, "ci", {"roles": ["somebody-elses"]})
        world.until(lambda: lenient.forward(token.text).status == 403, "the change to be known")
