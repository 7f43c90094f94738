"""RFC 7662 over TLS, asked of a real validator by hand and by a library."""

import base64
import json
from typing import Any

import pytest
from authlib.oauth2.rfc7662 import IntrospectTokenValidator

from common.builders.stored import StoredToken, store_account, store_role, store_token
from common.drivers.validating import RunningValidator
from common.drivers.world import World

PERMISSION = "servicetokens:introspect"


@pytest.fixture
def caller(world: World, namespace: str, running: RunningValidator) -> StoredToken:
    """The token of an account that may ask."""
    role = f"introspector-{namespace}"
    store_role(world.client, role, permissions=[PERMISSION], allowedNamespaces=[namespace])
    uid = store_account(world.client, namespace, "gateway", roles=[role])
    token = store_token(world.client, namespace, "gateway", account="gateway", account_uid=uid)
    world.until(
        lambda: running.introspect("token=x", **bearer(token)).status == 200, "the caller to be known"
    )
    return token


def bearer(token: StoredToken) -> dict[str, str]:
    """Return the header that presents it."""
    return {"Authorization": f"Bearer {token.text}"}


def basic(token: StoredToken) -> dict[str, str]:
    """Return its id and itself by Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{token.id}:{token.text}".encode()).decode()}


def test_a_token_is_active_until_it_is_revoked(
    world: World, namespace: str, running: RunningValidator, token: StoredToken, caller: StoredToken
) -> None:
    """With each way to authenticate; others get no answer."""
    for headers in (bearer(caller), basic(caller)):
        reply = running.introspect(f"token={token.text}", **headers)
        assert (reply.status, reply.json["active"], reply.json["client_id"]) == (200, True, f"{namespace}/ci")
    posted = f"token={token.text}&client_id={caller.id}&client_secret={caller.text}"
    assert running.introspect(posted).json["active"] is True
    assert running.introspect(f"token={token.text}", **bearer(token)).status == 403
    assert running.introspect(f"token={token.text}").status == 401
    world.change(namespace, token.name, state="Revoked")
    world.until(
        lambda: running.introspect(f"token={token.text}", **bearer(caller)).body == b'{"active":false}',
        "the revocation",
    )


def test_large_bodies_are_rejected_and_chunked_ones_read(
    running: RunningValidator, token: StoredToken, caller: StoredToken
) -> None:
    """A megabyte is rejected before it is read; chunks are put together."""
    assert running.introspect("token=" + "x" * 1_000_000, **bearer(caller)).status == 413
    half = len(token.text) // 2
    chunks = [f"token={token.text[:half]}", token.text[half:]]
    body = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks) + "0\r\n\r\n"
    reply = running.introspect(body, Transfer_Encoding="chunked", **bearer(caller))
    assert reply.json["active"] is True


def test_the_metadata_leads_to_the_endpoint(running: RunningValidator) -> None:
    """A client that knows the address needs to know nothing else."""
    reply = running.introspect("", path="/.well-known/oauth-authorization-server", method="GET")
    assert reply.json["introspection_endpoint"].endswith(f":{running.ports.introspection}/introspect")


def test_authlib_protects_a_service_with_it(
    running: RunningValidator, token: StoredToken, caller: StoredToken
) -> None:
    """The validator of that library takes our answers as they are."""

    class Validator(IntrospectTokenValidator):  # type: ignore[misc]
        """Asks us, as its manual says."""

        def introspect_token(self, token_string: str) -> Any:
            """Ask."""
            return running.introspect(f"token={token_string}", **basic(caller)).json

    library = Validator()
    found = library.authenticate_token(token.text)
    library.validate_token(found, ["orders:read"], None)
    with pytest.raises(Exception, match="insufficient_scope"):
        library.validate_token(found, ["orders:write"], None)
    with pytest.raises(Exception, match="invalid_token"):
        library.validate_token(library.authenticate_token("svt_junk"), [], None)
    assert json.loads(json.dumps(found))["jti"] == token.id
