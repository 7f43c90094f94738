"""Leases: what is read, taken and given up."""

import json

from servicetokens.kube.leases import Lease

NOW = 1_800_000_000


def read(spec: object) -> Lease:
    """Return the Lease that the API server shows with *spec*."""
    body = {"metadata": {"namespace": "ns", "name": "lease", "resourceVersion": "5"}, "spec": spec}
    return Lease.read(json.dumps(body).encode())


def test_a_foreign_lease_may_lack_every_field() -> None:
    """Then it has no holder."""
    for spec in (None, {}, {"holderIdentity": None, "leaseDurationSeconds": None}):
        lease = read(spec)
        assert (lease.holder, lease.seconds, lease.renewed) == ("", 0, "")


def test_taking_a_lease_counts_a_transition_and_renewing_does_not() -> None:
    """`kubectl get lease` shows how often leadership moved."""
    taken = read({"holderIdentity": "old", "leaseTransitions": 3}).taken_by("new", 15, NOW)
    assert (taken.holder, taken.seconds, taken.transitions) == ("new", 15, 4)
    assert taken.acquired == taken.renewed == "2027-01-15T08:00:00.000000Z"
    renewed = taken.taken_by("new", 15, NOW + 2)
    assert (renewed.transitions, renewed.acquired) == (4, taken.acquired)
    assert renewed.renewed != taken.renewed


def test_a_released_lease_is_free_and_keeps_its_place_in_history() -> None:
    """The next holder writes over exactly what was given up."""
    released = read({"holderIdentity": "one"}).released()
    assert (released.holder, released.seconds, released.resource_version) == ("", 1, "5")
