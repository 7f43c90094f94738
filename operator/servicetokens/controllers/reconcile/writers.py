"""The writers that the execution of a plan needs: parts of the stores of `kube`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from servicetokens.controllers.cache.facts import Raw
from servicetokens.kube.events import Regarding


class StatusWriter(Protocol):
    """Writes the status of objects of our group."""

    async def put_status(
        self,
        plural: str,
        kind: str,
        *,
        namespace: str,
        name: str,
        resource_version: str,
        status: Mapping[str, Any],
    ) -> Raw:
        """See `kube.objects.ObjectStore`."""
        ...


class SecretWriter(Protocol):
    """Writes Secrets."""

    async def get(self, namespace: str, name: str) -> Raw:
        """See `kube.secrets.SecretStore`; so do the other methods."""
        ...

    async def create(
        self,
        namespace: str,
        secret: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
        dry_run: bool = False,
    ) -> Raw:
        """Create one, or with *dry_run* only ask; no failure quotes what is *hidden*."""
        ...

    async def patch(
        self,
        namespace: str,
        name: str,
        resource_version: str,
        patch: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
    ) -> Raw:
        """Change one that was seen at that version; no failure quotes what is *hidden*."""
        ...

    async def delete(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Delete the one that was seen."""
        ...


class EventSender(Protocol):
    """Sends k8s Events."""

    async def send(
        self, regarding: Regarding, kind: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """See `kube.events.EventRecorder`."""
        ...
