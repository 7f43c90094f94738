"""What a validator's Lease proves, and what it does not."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servicetokens.kube.leases import Lease
from servicetokens.propagation.record import ANNOTATION, ValidatorLease, feed_name, first_lease, renewed

if TYPE_CHECKING:
    from collections.abc import Mapping


def a_lease(applied: str | None, version: str = "1000") -> Lease:
    """Return a Lease as stored, with that annotation."""
    lease = first_lease("servicetokens", "servicetokens-validator-1", holder="pod-1", seconds=60)
    annotations: Mapping[str, str] = {} if applied is None else {ANNOTATION: applied}
    return replace(lease, annotations=annotations, resource_version=version)


@pytest.mark.parametrize(
    ("applied", "version", "target", "passed"),
    [
        ('{"servicetokens":"500"}', "1000", 500, True),
        ('{"servicetokens":"499"}', "1000", 500, False),
        ('{"servicetokens":""}', "1000", 1, False),
        ('{"servicetokens":"1000"}', "1000", 900, True),
        # From a history that a restored etcd has forgotten: ahead of the Lease itself.
        ('{"servicetokens":"1001"}', "1000", 900, False),
        ('{"servicetokens":"x"}', "1000", 1, False),
        ('{"servicetokens":500}', "1000", 1, False),
        ("[]", "1000", 1, False),
        ("{", "1000", 1, False),
        ("{}", "1000", 1, False),
        ("", "1000", 1, False),
        (None, "1000", 1, False),
        ('{"servicetokens":"500"}', "opaque", 500, False),
        ('{"servicetokens/team-a":"500","servicetokens/team-b":"7"}', "1000", 500, True),
        ('{"servicetokens/team-a":"5","servicetokens/team-b":"700"}', "1000", 500, False),
        # It follows other namespaces, and rejects everything of this one.
        ('{"servicetokens/team-b":"5"}', "1000", 500, True),
        ('{"' + "x" * 200_000 + '":"5"}', "1000", 500, False),
    ],
)
def test_only_a_position_that_can_be_true_counts(
    applied: str | None, version: str, target: int, passed: bool
) -> None:
    """Whatever cannot be read has applied nothing."""
    presence = ValidatorLease.read(a_lease(applied, version))
    assert presence.has_applied("servicetokens", "team-a", target) is passed


def test_a_renewal_says_when_and_what_and_keeps_what_others_wrote() -> None:
    """Acquired once, renewed each time."""
    first = renewed(a_lease(None), {feed_name("servicetokens"): "7"}, 1_800_000_000)
    assert first.acquired == first.renewed != ""
    again = renewed(
        replace(first, annotations={**first.annotations, "x": "y"}), {"servicetokens": "8"}, 1_800_000_005
    )
    assert (again.acquired, again.annotations["x"]) == (first.acquired, "y")
    assert again.annotations[ANNOTATION] == '{"servicetokens":"8"}'
    assert again.renewed > first.renewed
