"""Paths of objects: nothing but names gets into them."""

import pytest

from servicetokens.kube import paths


def test_paths_are_those_of_the_api() -> None:
    """One object, a namespace, the whole cluster, a subresource."""
    assert paths.ours("servicetokens") == "/apis/servicetokens.dev/v1beta1/servicetokens"
    assert (
        paths.ours("servicetokens", "team-a", "ci", status=True)
        == "/apis/servicetokens.dev/v1beta1/namespaces/team-a/servicetokens/ci/status"
    )
    assert paths.ours("serviceroles", "", "r") == "/apis/servicetokens.dev/v1beta1/serviceroles/r"
    assert paths.secrets("team-a", "a.b") == "/api/v1/namespaces/team-a/secrets/a.b"
    assert paths.secrets() == "/api/v1/secrets"
    assert paths.leases("ns", "one") == "/apis/coordination.k8s.io/v1/namespaces/ns/leases/one"
    assert paths.events("team-a") == "/apis/events.k8s.io/v1/namespaces/team-a/events"


@pytest.mark.parametrize(
    "name", ["..", "a/b", "a%2fb", "A", "-a", "a-", "a?b", "a#b", "a\n", "é", "a" * 254, "."]
)
def test_what_is_no_name_gets_into_no_path(name: str) -> None:
    """A name from a stored object is checked before it becomes a segment of a path."""
    with pytest.raises(paths.InvalidName):
        paths.secrets("team-a", name)
    with pytest.raises(paths.InvalidName):
        paths.ours("servicetokens", name)
