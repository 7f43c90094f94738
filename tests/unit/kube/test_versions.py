"""resourceVersions as numbers."""

from servicetokens.kube.versions import version_number


def test_a_version_is_a_number_or_unknown() -> None:
    """What is no decimal number must not count as old: an empty one is that of an object not yet written."""
    assert [version_number(text) for text in ("0", "120", "", "-1", "1.5", "abc")] == [0, 120, *[None] * 4]
