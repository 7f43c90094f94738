"""Reads the API server's audit log: who wrote what, how often. Proves "no write when nothing changed".

The server writes an event before the response is complete ("blocking" mode), so what was answered is in the log. Only
the end of a request is logged, so one request is one record; a watch appears when it ends.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.waiting import wait_until

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # Metadata: never a body, so that no Secret gets into the log.
    "rules": [{"level": "Metadata"}],
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "omitManagedFields": True,
}
FLUSH = "flush-audit-log="
FLUSH_POLL_SECONDS = 0.002  # the line is there when the answer is, or microseconds later
WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class AuditRecord:
    """One completed request. What a request does not have (a resource for /readyz) is an empty string."""

    user: str
    verb: str
    group: str
    """API group; empty for the core group."""
    resource: str
    """Plural, with the subresource: "secrets", "servicetokens/status"."""
    namespace: str
    name: str
    """Empty for lists and for names that the server generates."""
    status: int
    uri: str
    user_agent: str
    received: str
    """RFC 3339 with microseconds, by the server's clock."""

    @property
    def is_write(self) -> bool:
        """Whether it is a write: a dry run is not, a rejected request is."""
        return self.verb in WRITE_VERBS and "dryRun=" not in self.uri


@dataclass(frozen=True, order=True)
class Write:
    """What `AuditLog.writes` counts by."""

    user: str
    verb: str
    resource: str


class AuditLog:
    """The audit log of one cluster. Marks are positions in it: take one, act, look at what came after.

    Every method first has the server log a request of our own (sent by `flush`, which takes a path), so that
    everything that was answered before the call is in the log. So they need a running API server.
    """

    def __init__(self, path: Path, flush: Callable[[str], object]) -> None:
        self.path = path
        self._flush = flush
        self._boundary = 0

    def mark(self) -> int:
        """The end of the log now."""
        return self._settle()

    def records(self, since: int = 0) -> list[AuditRecord]:
        """Everything logged after the mark, in order of completion, except requests of this class itself."""
        self._settle()
        return [record for _, record in self._read(since) if FLUSH not in record.uri]

    def writes(
        self, since: int = 0, *, user: str | None = None, resource: str | None = None
    ) -> Counter[Write]:
        """How often who wrote what since the mark, narrowed down to a user and a resource if given.

        `writes(mark, user="operator").total()` is 0 when the operator was quiet.
        """
        return Counter(
            Write(record.user, record.verb, record.resource)
            for record in self.records(since)
            if record.is_write and user in (None, record.user) and resource in (None, record.resource)
        )

    def _settle(self) -> int:
        """Where the log ends once everything answered so far is in it."""
        sentinel = f"{FLUSH}{uuid.uuid4().hex}"
        self._flush(f"/version?{sentinel}")
        self._boundary = wait_until(
            lambda: next((end for end, record in self._read(self._boundary) if sentinel in record.uri), 0),
            what="our own request to appear in the audit log",
            poll=FLUSH_POLL_SECONDS,
        )
        return self._boundary

    def _read(self, since: int) -> Iterator[tuple[int, AuditRecord]]:
        """The records after `since`, each with the position of its end."""
        position = since
        with self.path.open("rb") as file:
            file.seek(since)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # still being written
                position += len(line)
                yield position, _record(json.loads(line))


def _record(event: dict[str, Any]) -> AuditRecord:
    target = event.get("objectRef", {})
    resource = "/".join(part for part in (target.get("resource"), target.get("subresource")) if part)
    return AuditRecord(
        user=event["user"].get("username", ""),
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=resource,
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        status=event.get("responseStatus", {}).get("code", 0),
        uri=event["requestURI"],
        user_agent=event.get("userAgent", ""),
        received=event["requestReceivedTimestamp"],
    )
