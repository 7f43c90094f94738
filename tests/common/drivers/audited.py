"""What the operator asked of the API server in one namespace, by the server's own audit log."""

from collections import Counter

from common.drivers.world import OPERATOR, World
from controlplane.audit import AuditRecord


def requests(world: World, mark: int, namespace: str) -> Counter[str]:
    """Return what the operator did in *namespace* since *mark*, watches and accounts aside."""
    return Counter(
        f"{record.verb} {record.resource}"
        for record in _records(world, mark, namespace)
        if record.verb != "watch" and record.resource != "serviceaccounts/status"
    )


def writes(world: World, mark: int, namespace: str) -> Counter[str]:
    """Return what the operator wrote in *namespace* since *mark*."""
    return Counter(
        f"{record.verb} {record.resource}" for record in _records(world, mark, namespace) if record.is_write
    )


def _records(world: World, mark: int, namespace: str) -> list[AuditRecord]:
    return [
        record
        for record in world.cluster.audit.records(mark)
        if record.user == OPERATOR and record.namespace == namespace
    ]
