"""What the errors of the HTTP client stand for; apart, since what works without that must not import it."""

from collections.abc import Mapping
from typing import Final

import aiohttp

from servicetokens.kube.failures import UNKNOWN, bounded

_WORDS: Final[Mapping[type[BaseException], str]] = {
    aiohttp.InvalidURL: "the address is not a URL",
    aiohttp.ServerDisconnectedError: "the connection was closed before an answer came",
    aiohttp.ClientPayloadError: "the answer was cut off",
    aiohttp.ClientResponseError: "the answer is not HTTP",
}


def read(error: BaseException) -> BaseException | str:
    """Return the error of the system below *error*, or else the words for it; another error as it is."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"it answered {error.status} {bounded(error.message)}".rstrip()
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return UNKNOWN if isinstance(error, aiohttp.ClientError) and not isinstance(error, OSError) else error
