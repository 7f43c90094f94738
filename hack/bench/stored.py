"""Thousands of minted tokens written directly into the API, and the same as a file for the yardstick.

Written directly instead of by the operator: the validator is measured, and no other process may run meanwhile.
"""

import base64
import json
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.etcd import put_all
from bench.objects import (
    ACCOUNT,
    GROUP_PATH,
    ROLE,
    Json,
    names,
    object_of,
    prepare_namespace,
    send,
    token_object,
    token_path,
)
from servicetokens.api.names import GROUP, KEYS_SECRET, KIND_ACCOUNT, KIND_ROLE, KIND_TOKEN, PLURAL_TOKENS
from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.api.values import format_time
from servicetokens.kube.client import Api
from servicetokens.runtime.entropy import os_entropy
from servicetokens.tokens.format import mint
from servicetokens.tokens.verifier import ALGORITHM, FIRST_KEY, KEY_BYTES, KeyRing

INTROSPECT: Final = "servicetokens:introspect"
SERIAL: Final = 1
LIFETIME_SECONDS: Final = 30 * 86400


@dataclass(frozen=True, repr=False)
class Stored:
    """One token in the API, with its plaintext."""

    name: str
    plaintext: str
    record: Json
    """The yardstick's copy of it."""


async def create_key(api: Api, namespace: str) -> bytes:
    """Make the HMAC key where operator and validator look for it."""
    key = os.urandom(KEY_BYTES)
    await send(api, "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    secret = {"metadata": {"name": KEYS_SECRET}, "data": {FIRST_KEY: base64.b64encode(key).decode()}}
    await send(api, "POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    return key


async def store(api: Api, etcd: Path, namespace: str, count: int, key: bytes) -> list[Stored]:
    """Put *count* accepted tokens into the new *namespace*: the first by the API, copies of it into *etcd*."""
    account_uid = await prepare_namespace(api, namespace)
    ring = KeyRing({FIRST_KEY: key})
    now = int(time.time())
    first, *others = names(count)
    model = await send(api, "POST", token_path(namespace), token_object(first))
    stored = [_mint(namespace, first, model["metadata"]["uid"], account_uid, ring, now)]
    model["status"] = _status(stored[0].record, now, first)
    model = await send(api, "PUT", f"{token_path(namespace, first)}/status", model)
    del model["metadata"]["resourceVersion"]
    stored += [
        _mint(namespace, name, str(uuid.UUID(bytes=os.urandom(16), version=4)), account_uid, ring, now)
        for name in others
    ]
    await put_all(etcd, ((_key(namespace, one.name), _copy(model, one, now)) for one in stored[1:]))
    return stored


async def store_caller(api: Api, namespace: str, key: bytes) -> Stored:
    """Put a token into *namespace* whose account may introspect others."""
    account, role = "gateway", "bench-introspector"
    spec: Json = {"permissions": [INTROSPECT], "allowedNamespaces": [namespace]}
    await send(api, "POST", f"{GROUP_PATH}/serviceroles", object_of(KIND_ROLE, role, spec=spec))
    created = await send(
        api,
        "POST",
        f"{GROUP_PATH}/namespaces/{namespace}/serviceaccounts",
        object_of(KIND_ACCOUNT, account, spec={"roles": [role]}),
    )
    now = int(time.time())
    spec = {"accountRef": {"name": account}, "expiresAfter": "30d"}
    token = await send(api, "POST", token_path(namespace), object_of(KIND_TOKEN, account, spec=spec))
    ring = KeyRing({FIRST_KEY: key})
    stored = _mint(namespace, account, token["metadata"]["uid"], created["metadata"]["uid"], ring, now)
    token["status"] = _status(stored.record, now, account)
    await send(api, "PUT", f"{token_path(namespace, account)}/status", token)
    return stored


def _mint(namespace: str, name: str, uid: str, account_uid: str, ring: KeyRing, now: int) -> Stored:
    token = mint("svt", os_entropy)
    record = {
        "id": token.id,
        "uid": uid,
        "serial": SERIAL,
        "verifier": ring.sign(FIRST_KEY, uid, SERIAL, token.reveal()),
        "expires": now + LIFETIME_SECONDS,
        "expiresText": format_time(now + LIFETIME_SECONDS),
        "namespace": namespace,
        "account": ACCOUNT,
        "accountUID": account_uid,
        "roles": [ROLE],
        "permissions": ["orders:read"],
    }
    return Stored(name, token.reveal(), record)


def _key(namespace: str, name: str) -> str:
    """Return where kube-apiserver keeps a ServiceToken."""
    return f"/registry/{GROUP}/{PLURAL_TOKENS}/{namespace}/{name}"


def _copy(model: Json, one: Stored, now: int) -> bytes:
    metadata = {**model["metadata"], "name": one.name, "uid": one.record["uid"]}
    status = _status(one.record, now, one.name)
    return json.dumps({**model, "metadata": metadata, "status": status}).encode()


def write_index(path: Path, stored: Sequence[Stored], key: bytes) -> Path:
    """Write the yardstick's file."""
    content = {"key": base64.b64encode(key).decode(), "records": [one.record for one in stored]}
    path.touch(mode=0o600)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_tokens(path: Path, stored: Sequence[Stored]) -> Path:
    """Write the plaintexts, one a line, for the load generator."""
    return write_plaintexts(path, [one.plaintext for one in stored])


def write_plaintexts(path: Path, tokens: Sequence[str]) -> Path:
    """Write tokens, one a line, for the load generator."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    return path


def _status(record: Json, now: int, secret_name: str) -> Json:
    ends = now + LIFETIME_SECONDS
    status = ServiceTokenStatus(
        observed_generation=1,
        token_id=record["id"],
        secret_name=secret_name,
        account_uid=record["accountUID"],
        serial=SERIAL,
        mint_time=now,
        expiration_time=ends,
        credentials=(
            Credential(
                serial=SERIAL,
                id=record["id"],
                mint_time=now,
                expiration_time=ends,
                verifier=Verifier(algorithm=ALGORITHM, key_id=FIRST_KEY, value=record["verifier"]),
            ),
        ),
    )
    return dict(status.to_wire())
