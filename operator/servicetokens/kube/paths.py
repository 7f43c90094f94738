"""Paths of objects in the API. Every name is checked before it becomes part of a path."""

import re
from typing import Final

from servicetokens.api import names

# RFC 1123 subdomain, as every object name here has to be; so neither `..` nor `/` nor `%` gets into a path.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME: Final = 253

#: The API server's OpenAPI v3 document of our version.
PUBLISHED_SCHEMA: Final = f"/openapi/v3/apis/{names.GROUP}/{names.VERSION}"


class InvalidName(ValueError):
    """A name that cannot be part of a path. It is not quoted in full."""


def ours(plural: str, namespace: str = "", name: str = "", *, status: bool = False) -> str:
    """Return the path of objects of our group: one, all of *namespace*, or all of the cluster."""
    path = _path(f"/apis/{names.GROUP}/{names.VERSION}", namespace, plural, name)
    return f"{path}/status" if status else path


def secrets(namespace: str = "", name: str = "") -> str:
    """Return the path of Secrets: one, all of *namespace*, or all of the cluster."""
    return _path("/api/v1", namespace, "secrets", name)


def pods(namespace: str = "") -> str:
    """Return the path of all pods of *namespace*, or of the cluster."""
    return _path("/api/v1", namespace, "pods", "")


def events(namespace: str, name: str = "") -> str:
    """Return the path of k8s Events: one, or all of *namespace*."""
    return _path("/apis/events.k8s.io/v1", namespace, "events", name)


def leases(namespace: str, name: str = "") -> str:
    """Return the path of Leases: one, or all of *namespace*."""
    return _path("/apis/coordination.k8s.io/v1", namespace, "leases", name)


def definition(plural: str) -> str:
    """Return the path of the CRD of one of our kinds."""
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{names.GROUP}"


def _path(root: str, namespace: str, plural: str, name: str) -> str:
    place = f"/namespaces/{_checked(namespace)}" if namespace else ""
    return f"{root}{place}/{plural}" + (f"/{_checked(name)}" if name else "")


def _checked(name: str) -> str:
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        message = (
            f"'{name[:63]}' is not a valid name of a Kubernetes object: "
            "names consist of lowercase letters, digits, '-' and '.'"
        )
        raise InvalidName(message)
    return name
