"""Secrets: the only objects of foreign kinds that we write. Every write except a creation has a precondition.

A failure never quotes the values to be written, although an admission policy or webhook may have done so.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from servicetokens.kube import paths
from servicetokens.kube.errors import KubeError
from servicetokens.kube.requester import Requester


class SecretReader(Protocol):
    """Reads Secrets as plain JSON values; see `SecretStore`, also for what is below."""

    async def get(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Return one; raises `NotFound`."""
        ...


class SecretCreator(SecretReader, Protocol):
    """Reads and creates Secrets."""

    async def create(
        self,
        namespace: str,
        secret: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
        dry_run: bool = False,
    ) -> Mapping[str, Any]:
        """Create one, or with *dry_run* only ask; raises `AlreadyExists`. No failure quotes what is *hidden*."""
        ...


class SecretWriter(SecretCreator, Protocol):
    """Reads and writes Secrets."""

    async def patch(
        self,
        namespace: str,
        name: str,
        resource_version: str,
        patch: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
    ) -> Mapping[str, Any]:
        """Change one that was seen at that version; raises `Conflict`. No failure quotes what is *hidden*."""
        ...

    async def delete(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Delete the one that was seen; raises `Conflict`."""
        ...


class SecretStore:
    """Reads and writes Secrets as plain JSON values, values in base64."""

    def __init__(self, api: Requester) -> None:
        self._api = api

    async def get(self, namespace: str, name: str) -> dict[str, Any]:
        """Return one Secret. Raises `KubeError`."""
        return _decode(await self._api.request("GET", paths.secrets(namespace, name)))

    async def create(
        self,
        namespace: str,
        secret: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Create *secret* and return it as stored; with *dry_run* only check whether that would be accepted.

        *hidden* are values that no failure may quote; by default every value in it.

        Raises:
            AlreadyExists: the name is taken.
            KubeError: anything else.
        """
        body = msgspec.json.encode({"apiVersion": "v1", "kind": "Secret", **secret})
        with _quoting_nothing_of(secret, hidden):
            path, query = paths.secrets(namespace), {"dryRun": "All"} if dry_run else None
            return _decode(await self._api.request("POST", path, query=query, body=body))

    async def patch(
        self,
        namespace: str,
        name: str,
        resource_version: str,
        patch: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
    ) -> dict[str, Any]:
        """Merge *patch* into the Secret as it was at *resource_version*, and return the new one.

        A merge changes only our own keys, and does not touch those of other writers. *hidden* are values that no
        failure may quote; by default every value in it.

        Raises:
            Conflict: the Secret is at another version.
            KubeError: anything else.
        """
        metadata = {**patch.get("metadata", {}), "resourceVersion": resource_version}
        body = msgspec.json.encode({**patch, "metadata": metadata})
        with _quoting_nothing_of(patch, hidden):
            return _decode(await self._api.request("PATCH", paths.secrets(namespace, name), body=body))

    async def delete(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Delete the Secret exactly as it was seen.

        Raises:
            Conflict: it is another one, or at another version.
            KubeError: anything else.
        """
        body = msgspec.json.encode({"preconditions": {"uid": uid, "resourceVersion": resource_version}})
        await self._api.request("DELETE", paths.secrets(namespace, name), body=body)


@contextmanager
def _quoting_nothing_of(secret: Mapping[str, Any], hidden: Sequence[bytes] | None) -> Iterator[None]:
    try:
        yield
    except KubeError as error:
        error.hide(list(_values(secret)) if hidden is None else hidden)
        raise


def _values(secret: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield what the Secret holds, decoded."""
    yield from (text.encode() for text in (secret.get("stringData") or {}).values() if isinstance(text, str))
    for value in (secret.get("data") or {}).values():
        try:
            yield base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError):
            yield str(value).encode()


def _decode(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])
