"""Tokens put into the API by hand, as the operator would have put them: for tests of what reads them.

uid = store_account(client, "team-a", "ci", roles=["orders-reader"])
token = store_token(client, "team-a", "ci-prod", account="ci", account_uid=uid)
token.text  # accepted by a validator that knows KEYS
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from controlplane.client import Answer, ApiClient
from servicetokens.api.names import API_VERSION, KEYS_SECRET
from servicetokens.api.values import format_time
from servicetokens.runtime.entropy import os_entropy
from servicetokens.tokens.format import Token, mint
from servicetokens.tokens.verifier import ALGORITHM, KeyRing

KEY = bytes(range(32, 64))
KEYS = KeyRing({"k1": KEY})
LIFETIME = 30 * 86400
COMMON_ROLE = "common"
"""A role for accounts whose roles do not matter to a test: proxies reject a token that has none."""
_GROUP = f"/apis/{API_VERSION}"


def store_keys(client: ApiClient, namespace: str, keys: Mapping[str, bytes] | None = None) -> None:
    """Create, or replace, the operator's key Secret."""
    data = {key_id: base64.b64encode(key).decode() for key_id, key in (keys or {"k1": KEY}).items()}
    secret = {"metadata": {"name": KEYS_SECRET}, "data": data}
    path = f"/api/v1/namespaces/{namespace}/secrets"
    if client.request("POST", path, secret).status == 409:
        _ok(client.request("PUT", f"{path}/{KEYS_SECRET}", secret))


def store_role(client: ApiClient, name: str, **spec: Any) -> None:
    """Create a ServiceRole for all namespaces, unless *spec* says otherwise."""
    body = _object("ServiceRole", name, {"allowedNamespaces": ["*"], **spec})
    _ok(client.request("POST", f"{_GROUP}/serviceroles", body))


def store_common_role(client: ApiClient) -> None:
    """See that there is a role that every namespace may use and that allows every request."""
    body = _object("ServiceRole", COMMON_ROLE, {"allowedNamespaces": ["*"]})
    answer = client.request("POST", f"{_GROUP}/serviceroles", body)
    assert answer.ok or answer.status == HTTPStatus.CONFLICT, answer


def store_account(client: ApiClient, namespace: str, name: str, **spec: Any) -> str:
    """Create a ServiceAccount and return its uid. Unless *spec* names roles, it has one that allows every request."""
    if "roles" not in spec:
        store_common_role(client)
        spec["roles"] = [COMMON_ROLE]
    path = f"{_GROUP}/namespaces/{namespace}/serviceaccounts"
    answer = _ok(client.request("POST", path, _object("ServiceAccount", name, spec)))
    return str(answer.body["metadata"]["uid"])


def change(client: ApiClient, plural: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Answer:
    """Merge *spec* into the spec of one of our objects; *namespace* is empty for a role."""
    place = f"/namespaces/{namespace}" if namespace else ""
    path = f"{_GROUP}{place}/{plural}/{name}"
    return _ok(client.request("PATCH", path, {"spec": dict(spec)}))


def delete(client: ApiClient, plural: str, namespace: str, name: str) -> None:
    """Delete one of our objects; *namespace* is empty for a role."""
    place = f"/namespaces/{namespace}" if namespace else ""
    _ok(client.request("DELETE", f"{_GROUP}{place}/{plural}/{name}"))


@dataclass
class StoredToken:
    """A ServiceToken in the API, and the plaintexts of its credentials, the newest last."""

    client: ApiClient
    namespace: str
    name: str
    uid: str
    account_uid: str
    minted: list[Token] = field(default_factory=list)
    credentials: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The plaintext of the current credential."""
        return self.minted[-1].reveal()

    @property
    def id(self) -> str:
        """The id of the current credential."""
        return self.minted[-1].id

    def rotate(self, *, keys: KeyRing = KEYS, mint_time: int | None = None, end: int | None = None) -> None:
        """Mint another credential next to the present one, and store it."""
        token = mint("svt", os_entropy)
        serial = len(self.minted) + 1
        credential = credential_of(
            token.reveal(), token.id, self.uid, serial=serial, keys=keys, mint_time=mint_time, end=end
        )
        self.minted.append(token)
        self.credentials = [*self.credentials[-1:], credential]
        self.write_status()

    def write_status(self, **changes: Any) -> None:
        """Write the status as it should be, except *changes*."""
        status = {"accountUID": self.account_uid, "credentials": self.credentials, **changes}
        path = f"{_GROUP}/namespaces/{self.namespace}/servicetokens/{self.name}/status"
        _ok(self.client.request("PATCH", path, {"status": status}))

    def change(self, **spec: Any) -> None:
        """Merge *spec* into the spec."""
        change(self.client, "servicetokens", self.namespace, self.name, spec)

    def delete(self) -> None:
        """Delete the object."""
        delete(self.client, "servicetokens", self.namespace, self.name)


def store_token(
    client: ApiClient, namespace: str, name: str, *, account: str, account_uid: str, **spec: Any
) -> StoredToken:
    """Create a ServiceToken with one credential."""
    full = {"accountRef": {"name": account}, "expiresAfter": f"{LIFETIME}s", **spec}
    if "expirationTime" in spec:
        del full["expiresAfter"]
    path = f"{_GROUP}/namespaces/{namespace}/servicetokens"
    answer = _ok(client.request("POST", path, _object("ServiceToken", name, full)))
    token = StoredToken(client, namespace, name, str(answer.body["metadata"]["uid"]), account_uid)
    token.rotate()
    return token


def store_tokens(client: ApiClient, namespace: str, count: int) -> list[StoredToken]:
    """Create the account `ci` and so many tokens of it, called t0, t1 and so on."""
    uid = store_account(client, namespace, "ci")
    return [
        store_token(client, namespace, f"t{number}", account="ci", account_uid=uid) for number in range(count)
    ]


def credential_of(
    text: str,
    token_id: str,
    uid: str,
    *,
    serial: int = 1,
    keys: KeyRing = KEYS,
    mint_time: int | None = None,
    end: int | None = None,
) -> dict[str, Any]:
    """Return an entry of `status.credentials` for a plaintext, minted now unless said otherwise."""
    minted = int(time.time()) if mint_time is None else mint_time
    return {
        "serial": serial,
        "id": token_id,
        "mintTime": format_time(minted),
        "expirationTime": format_time(minted + LIFETIME if end is None else end),
        "verifier": {
            "algorithm": ALGORITHM,
            "keyID": keys.newest,
            "value": keys.sign(keys.newest, uid, serial, text),
        },
    }


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}


def _ok(answer: Answer) -> Answer:
    assert answer.ok, answer
    return answer
