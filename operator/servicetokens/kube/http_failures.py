"""What the errors of the HTTP client stand for; apart, since what works without that must not import it."""

from collections.abc import Mapping
from typing import Final

import aiohttp

from servicetokens.runtime.terminal import one_line

_WORDS: Final[Mapping[type[BaseException], str]] = {
    aiohttp.InvalidURL: "the address is not a URL",
    aiohttp.ServerDisconnectedError: "the connection was closed before an answer came",
    aiohttp.ClientPayloadError: "the answer was cut off",
    aiohttp.ClientResponseError: "the answer is not HTTP",
}


def read(error: BaseException) -> BaseException | str | None:
    """Return the error of the system below *error*, or words, None without any; another error as it is."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"it answered {error.status} {one_line(error.message)}".rstrip()
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return None if isinstance(error, aiohttp.ClientError) and not isinstance(error, OSError) else error
