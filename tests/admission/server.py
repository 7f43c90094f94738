"""Submits manifests to the API server in a few milliseconds each; a kubectl would take eighty."""

from typing import Any

from admission.table import DEFAULT_NAME, KINDS, Case, Manifest
from controlplane.client import Answer, ApiClient
from servicetokens.api import names

STRICT = "fieldValidation=Strict"


class Server:
    """One namespace of an API server."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client, self._namespace = client, namespace

    def submit(self, case: Case) -> Answer:
        """Return the answer to the manifest of *case*, with unknown fields rejected as kubectl does."""
        if case.before is None:
            return self.create(case.manifest, dry_run=True)
        created = self.create(case.before)
        assert created.ok, created.body
        try:
            return self.replace(
                case.manifest, version=created.body["metadata"]["resourceVersion"], dry_run=True
            )
        finally:
            self.delete(case.manifest["kind"])

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Answer:
        """POST a manifest."""
        return self._client.request("POST", self.path(manifest["kind"]) + _query(dry_run=dry_run), manifest)

    def replace(self, manifest: Manifest, *, version: str, dry_run: bool = False) -> Answer:
        """PUT a manifest over the object of its name."""
        metadata = {**manifest["metadata"], "resourceVersion": version}
        path = self.path(manifest["kind"], metadata["name"])
        return self._client.request("PUT", path + _query(dry_run=dry_run), {**manifest, "metadata": metadata})

    def put_status(self, stored: Manifest, status: Any) -> Answer:
        """PUT the status of an object that the server has answered with, as the operator does."""
        path = self.path(stored["kind"], stored["metadata"]["name"]) + f"/status?{STRICT}"
        return self._client.request("PUT", path, {**stored, "status": status})

    def patch(self, kind: str, patch: Any, name: str = DEFAULT_NAME, subresource: str = "") -> Answer:
        """PATCH an object, or a subresource (`/status`) of it."""
        path = self.path(kind, name) + subresource
        return self._client.request("PATCH", path, patch)

    def get(self, kind: str, name: str = DEFAULT_NAME) -> Manifest:
        """Return a stored object."""
        answer = self._client.request("GET", self.path(kind, name))
        assert answer.ok, answer.body
        stored: Manifest = answer.body
        return stored

    def delete(self, kind: str, name: str = DEFAULT_NAME) -> None:
        """DELETE an object."""
        self._client.request("DELETE", self.path(kind, name))

    def path(self, kind: str, name: str | None = None) -> str:
        """Return the path of a kind's collection, or of one object in it."""
        scope = "" if kind == names.KIND_ROLE else f"/namespaces/{self._namespace}"
        collection = f"/apis/{names.API_VERSION}{scope}/{KINDS[kind]}"
        return collection if name is None else f"{collection}/{name}"


def complaints(answer: Answer) -> list[tuple[str, str]]:
    """Return what the server says is wrong, as pairs of a field and a sentence.

    Unknown fields are found before validation and come in one text without a field of its own.
    """
    causes = (answer.body.get("details") or {}).get("causes", [])
    if causes:
        return [(cause["field"], cause["message"]) for cause in causes]
    _, _, fields = answer.body["message"].partition("strict decoding error: ")
    return [(part.split('"')[1], part) for part in fields.split(", ") if part.startswith("unknown field")]


def _query(*, dry_run: bool) -> str:
    return f"?{STRICT}&dryRun=All" if dry_run else f"?{STRICT}"
