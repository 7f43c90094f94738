"""Why a connection failed, in words for people: no error number alone, and no name of a Python class."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

# asyncio puts the errors of several addresses into one text, and drops their numbers.
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_MAX_DETAIL: Final = 200
_UNKNOWN: Final = "the connection failed"
_WORDS: Final[Mapping[type[BaseException], str]] = {
    aiohttp.InvalidURL: "the address is not a URL",
    aiohttp.ServerDisconnectedError: "the connection was closed before an answer came",
    aiohttp.ClientPayloadError: "the answer was cut off",
    aiohttp.ClientResponseError: "the answer is not HTTP",
    TimeoutError: "no answer in time",
}


def in_words(error: BaseException, *, otherwise: str = _UNKNOWN) -> str:
    """Return why a connection or a request failed, as the end of a sentence.

    *otherwise* is said of an error that is none of a connection, such as one in our own code.
    """
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"it answered {error.status} {_bounded(error.message)}".rstrip()
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {_bounded(error.verify_message)}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {_bounded((error.reason or 'no common protocol').replace('_', ' ').lower())}"
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved: {error.strerror or 'no such name'}"
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError):
        return _of_system(error)
    return _UNKNOWN if isinstance(error, aiohttp.ClientError) else otherwise


def _of_system(error: OSError) -> str:
    number = error.errno
    if number is None and (found := _ERRNO.search(str(error))):
        number = int(found[1])
    return os.strerror(number) if number is not None and number in errno.errorcode else _UNKNOWN


def _bounded(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:_MAX_DETAIL])
