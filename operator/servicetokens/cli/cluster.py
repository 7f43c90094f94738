"""The plugin's requests to an API server, with the permissions of its user."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from servicetokens.api import names
from servicetokens.kube import paths
from servicetokens.kube.requester import Requester
from servicetokens.kube.watch import PAGE_SIZE, list_pages

# `kubectl get --show-managed-fields` and the audit log name the writer by it.
FIELD_MANAGER: Final = "kubectl-servicetoken"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_RIGHTS: Final = ("authorization.k8s.io/v1", "SelfSubjectAccessReview")
_WHO: Final = ("authentication.k8s.io/v1", "SelfSubjectReview")


class Cluster:
    """Objects as plain JSON values. Every method raises `KubeError`."""

    def __init__(self, api: Requester) -> None:
        self.api = api

    @property
    def server(self) -> str:
        """The address of the API server, for messages."""
        return self.api.server

    async def list_all(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Return all objects under *path*."""
        return [
            _decode(item) async for page in list_pages(self.api, path, query) for item in page.items or ()
        ]

    async def list_ours(self, plural: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """Return objects of our group: of *namespace*, or of all ("")."""
        return await self.list_all(
            paths.ours(plural, namespace), {"labelSelector": selector} if selector else None
        )

    async def list_metadata(self, path: str, selector: str) -> list[dict[str, Any]]:
        """Return the metadata of all objects under *path* with these labels: of Secrets, nothing else is wanted."""
        found: list[dict[str, Any]] = []
        query = {"labelSelector": selector, "limit": str(PAGE_SIZE)}
        while True:
            page = _decode(await self.api.request("GET", path, query=query, accept=_METADATA_ONLY))
            found += page.get("items") or []
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                return found

    async def get(self, path: str) -> dict[str, Any]:
        """Return what is at *path*."""
        return _decode(await self.api.request("GET", path))

    async def get_ours(self, plural: str, namespace: str, name: str) -> dict[str, Any]:
        """Return one object of our group."""
        return await self.get(paths.ours(plural, namespace, name))

    async def create(self, plural: str, body: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create an object of our group in the namespace that it names; with *dry_run* the server only checks it."""
        path = paths.ours(plural, body["metadata"]["namespace"])
        query = _writing(dry_run=dry_run)
        return _decode(await self.api.request("POST", path, query=query, body=msgspec.json.encode(body)))

    async def change(
        self,
        plural: str,
        namespace: str,
        name: str,
        patch: Mapping[str, Any],
        *,
        resource_version: str = "",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Merge *patch* into an object of our group, if it still is at *resource_version* (empty: at any)."""
        body = {**patch, "metadata": {"resourceVersion": resource_version}} if resource_version else patch
        path = paths.ours(plural, namespace, name)
        query = _writing(dry_run=dry_run)
        return _decode(await self.api.request("PATCH", path, query=query, body=msgspec.json.encode(body)))

    async def may(self, verb: str, resource: str, namespace: str = "", group: str = names.GROUP) -> bool:
        """Return whether the user has a permission."""
        attributes = {"verb": verb, "resource": resource, "group": group, "namespace": namespace}
        answer = await self._review(_RIGHTS, {"spec": {"resourceAttributes": attributes}})
        return bool(answer["status"].get("allowed"))

    async def who(self) -> dict[str, Any]:
        """Return who the API server takes us for: `username`, `groups`, `extra`."""
        answer = await self._review(_WHO, {})
        found: dict[str, Any] = answer["status"]["userInfo"]
        return found

    async def _review(self, kind: tuple[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        version, name = kind
        whole = {"apiVersion": version, "kind": name, **body}
        path = f"/apis/{version}/{name.lower()}s"
        return _decode(await self.api.request("POST", path, body=msgspec.json.encode(whole)))


def _writing(*, dry_run: bool) -> dict[str, str]:
    # Strict: a field that an older CRD does not know must not be dropped silently.
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    return {**query, "dryRun": "All"} if dry_run else query


def _decode(body: bytes | msgspec.Raw) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])
