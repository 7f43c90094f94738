"""Thousands of minted tokens put straight into the API, and the same as a file for the yardstick.

Written by hand instead of by the operator: the validator is measured, and nobody else may run meanwhile.
"""

import base64
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.objects import (
    ACCOUNT,
    ROLE,
    Json,
    gather_limited,
    names,
    prepare_namespace,
    send,
    token_object,
    token_path,
)
from servicetokens.api.names import KEYS_SECRET
from servicetokens.api.service_token import Credential, ServiceTokenStatus, Verifier
from servicetokens.api.values import format_time
from servicetokens.kube.client import Api
from servicetokens.runtime.entropy import os_entropy
from servicetokens.tokens.format import mint
from servicetokens.tokens.verifier import ALGORITHM, FIRST_KEY, KEY_BYTES, KeyRing

SERIAL: Final = 1
LIFETIME_SECONDS: Final = 30 * 86400


@dataclass(frozen=True, repr=False)
class Stored:
    """One token in the API, with its plaintext."""

    name: str
    plaintext: str
    record: Json
    """What the yardstick is told of it."""


async def create_key(api: Api, namespace: str) -> bytes:
    """Make the HMAC key where operator and validator look for it."""
    key = os.urandom(KEY_BYTES)
    await send(api, "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    secret = {"metadata": {"name": KEYS_SECRET}, "data": {FIRST_KEY: base64.b64encode(key).decode()}}
    await send(api, "POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    return key


async def store(api: Api, namespace: str, count: int, key: bytes) -> list[Stored]:
    """Put *count* accepted tokens into the new *namespace*."""
    account_uid = await prepare_namespace(api, namespace)
    ring = KeyRing({FIRST_KEY: key})
    now = int(time.time())

    async def one(name: str) -> Stored:
        """Store one token."""
        created = await send(api, "POST", token_path(namespace), token_object(name))
        uid = created["metadata"]["uid"]
        token = mint("svt", os_entropy)
        verifier = ring.sign(FIRST_KEY, uid, SERIAL, token.reveal())
        created["status"] = _status(token.id, name, account_uid, verifier, now)
        await send(api, "PUT", f"{token_path(namespace, name)}/status", created)
        record = {
            "id": token.id,
            "uid": uid,
            "serial": SERIAL,
            "verifier": verifier,
            "expires": now + LIFETIME_SECONDS,
            "expiresText": format_time(now + LIFETIME_SECONDS),
            "namespace": namespace,
            "account": ACCOUNT,
            "accountUID": account_uid,
            "roles": [ROLE],
            "permissions": ["orders:read"],
        }
        return Stored(name, token.reveal(), record)

    return await gather_limited(one, names(count))


def write_index(path: Path, stored: Sequence[Stored], key: bytes) -> Path:
    """Write the yardstick's file."""
    content = {"key": base64.b64encode(key).decode(), "records": [one.record for one in stored]}
    path.touch(mode=0o600)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_tokens(path: Path, stored: Sequence[Stored]) -> Path:
    """Write the plaintexts, one a line, for the load generator."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{one.plaintext}\n" for one in stored), encoding="utf-8")
    return path


def _status(token_id: str, name: str, account_uid: str, verifier: str, now: int) -> Json:
    ends = now + LIFETIME_SECONDS
    status = ServiceTokenStatus(
        observed_generation=1,
        token_id=token_id,
        secret_name=name,
        account_uid=account_uid,
        serial=SERIAL,
        mint_time=now,
        expiration_time=ends,
        credentials=(
            Credential(
                serial=SERIAL,
                id=token_id,
                mint_time=now,
                expiration_time=ends,
                verifier=Verifier(algorithm=ALGORITHM, key_id=FIRST_KEY, value=verifier),
            ),
        ),
    )
    return dict(status.to_wire())
