"""resourceVersions as the numbers that they are (KEP-5504: a decimal number that only grows)."""


def version_number(resource_version: str) -> int | None:
    """Return the number; None for what is none, which is neither older nor newer than anything."""
    return int(resource_version) if resource_version.isdecimal() else None
