"""What all clients of the API server share: one request in bytes, one answer in bytes."""

from collections.abc import Mapping
from typing import Final, Protocol

from servicetokens import __version__

CONNECT_SECONDS: Final = 5.0
# For the server's description of a failure; its `Status` objects are far smaller.
MAX_ERROR_BODY: Final = 65536
BASE_HEADERS: Final[Mapping[str, str]] = {
    "User-Agent": f"servicetokens/{__version__}",
    # On a cluster's network compression costs the API server and us more than the saved bytes.
    "Accept-Encoding": "identity",
}
_CONTENT_TYPES: Final = {"PATCH": "application/merge-patch+json"}


class Requester(Protocol):
    """A client of an API server: `servicetokens.kube.client.Api`, or that of the plugin."""

    @property
    def server(self) -> str:
        """The address of the API server for messages, without user and password."""
        ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        accept: str = "application/json",
        timeout: float = 10,  # noqa: ASYNC109 - as in `Api`
    ) -> bytes:
        """See `Api`."""
        ...


def headers_for(method: str, body: bytes | None, content_type: str | None, accept: str) -> dict[str, str]:
    """Return the headers that describe a request. A PATCH is a merge patch (RFC 7386) without *content_type*."""
    headers = {"Accept": accept}
    if body is not None:
        headers["Content-Type"] = content_type or _CONTENT_TYPES.get(method, "application/json")
    return headers
