"""resourceVersions as numbers (KEP-5504: a decimal number that only increases)."""


def version_number(resource_version: str) -> int | None:
    """Return the number; None for an invalid one, which is neither older nor newer than anything."""
    return int(resource_version) if resource_version.isdecimal() else None
