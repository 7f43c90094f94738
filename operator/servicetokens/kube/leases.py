"""Leases (`coordination.k8s.io/v1`): small objects whose resourceVersion ensures that one writer wins."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, Self

import msgspec

from servicetokens.api.values import format_micro_time
from servicetokens.kube import paths
from servicetokens.kube.requester import Requester

_API_VERSION: Final = "coordination.k8s.io/v1"
# An API server that hangs must leave time for another attempt before the Lease expires.
_SECONDS_PER_REQUEST: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One Lease. *holder* is empty while it has no holder.

    *renewed* and *acquired* are times as the holder wrote them: compared, never computed with.
    """

    namespace: str
    name: str
    holder: str
    seconds: int
    renewed: str
    acquired: str
    transitions: int
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    resource_version: str = ""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Parse an answer of the API server; missing fields count as empty."""
        return cls.from_raw(msgspec.json.decode(body, type=dict[str, Any]))

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Self:
        """Parse a decoded Lease."""
        meta, spec = raw["metadata"], raw.get("spec") or {}
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            holder=spec.get("holderIdentity") or "",
            seconds=spec.get("leaseDurationSeconds") or 0,
            renewed=spec.get("renewTime") or "",
            acquired=spec.get("acquireTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
            labels=meta.get("labels") or {},
            annotations=meta.get("annotations") or {},
            resource_version=meta["resourceVersion"],
        )

    def taken_by(self, holder: str, seconds: int, now: int) -> Self:
        """Return this Lease as acquired or renewed by *holder* at *now* (Unix seconds)."""
        moment = format_micro_time(now)
        if holder == self.holder:
            return replace(self, seconds=seconds, renewed=moment)
        transitions = self.transitions + 1 if self.resource_version else 0
        return replace(
            self, holder=holder, seconds=seconds, renewed=moment, acquired=moment, transitions=transitions
        )

    def released(self) -> Self:
        """Return this Lease as released by its holder; one second is the shortest duration that the API accepts."""
        return replace(self, holder="", seconds=1)


class LeaseKeeper(Protocol):
    """Keeps one Lease; see `LeaseStore`, also for what is below."""

    async def get(self, namespace: str, name: str) -> Lease:
        """Return one; raises `NotFound`."""
        ...

    async def put(self, lease: Lease) -> Lease:
        """Create it, or replace the one that was seen; raises `Conflict`."""
        ...

    async def delete(self, lease: Lease) -> None:
        """Delete the one that was seen; raises `Conflict`."""
        ...


class LeaseLister(Protocol):
    """Lists Leases, and deletes those of validators that have exited."""

    async def list(self, namespace: str, selector: str) -> tuple[Lease, ...]:
        """Return all whose labels match."""
        ...

    async def delete(self, lease: Lease) -> None:
        """Delete the one that was seen; raises `Conflict`."""
        ...


class LeaseStore:
    """Reads and writes Leases with short time-outs: while a request waits, leadership is uncertain."""

    def __init__(self, api: Requester) -> None:
        self._api = api

    async def get(self, namespace: str, name: str) -> Lease:
        """Return one Lease. Raises `NotFound` and other `KubeError`."""
        path = paths.leases(namespace, name)
        return Lease.read(await self._api.request("GET", path, timeout=_SECONDS_PER_REQUEST))

    async def put(self, lease: Lease) -> Lease:
        """Create *lease* if it has no resourceVersion, else replace the one that was seen.

        Raises:
            Conflict: another client was faster.
            KubeError: anything else.
        """
        body = msgspec.json.encode(_wire(lease))
        creates = not lease.resource_version
        path = paths.leases(lease.namespace, "" if creates else lease.name)
        method = "POST" if creates else "PUT"
        return Lease.read(await self._api.request(method, path, body=body, timeout=_SECONDS_PER_REQUEST))

    async def list(self, namespace: str, selector: str) -> tuple[Lease, ...]:
        """Return all Leases whose labels match *selector*, as they are at this moment. Raises `KubeError`.

        No resourceVersion is named, so the answer is no older than the request.
        """
        body = await self._api.request(
            "GET",
            paths.leases(namespace),
            query={"labelSelector": selector},
            timeout=_SECONDS_PER_REQUEST,
        )
        items = msgspec.json.decode(body, type=dict[str, Any]).get("items") or []
        return tuple(Lease.from_raw(item) for item in items)

    async def delete(self, lease: Lease) -> None:
        """Delete *lease* as it was seen. Raises `NotFound`, `Conflict` and other `KubeError`."""
        body = msgspec.json.encode({"preconditions": {"resourceVersion": lease.resource_version}})
        path = paths.leases(lease.namespace, lease.name)
        await self._api.request("DELETE", path, body=body, timeout=_SECONDS_PER_REQUEST)


def _wire(lease: Lease) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": lease.namespace, "name": lease.name}
    if lease.labels:
        metadata["labels"] = dict(lease.labels)
    if lease.annotations:
        metadata["annotations"] = dict(lease.annotations)
    if lease.resource_version:
        metadata["resourceVersion"] = lease.resource_version
    return {
        "apiVersion": _API_VERSION,
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.seconds,
            "acquireTime": lease.acquired or None,
            "renewTime": lease.renewed or None,
            "leaseTransitions": lease.transitions,
        },
    }
