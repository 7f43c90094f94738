"""The causes of the HTTP client's errors; a separate module, since code that works without it must not import it."""

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
    """Return the operating system's error below *error*, or words, None without any; another error unchanged."""
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
