"""Why a connection failed, in words for people: no bare error number, and no name of a Python class."""

import errno
import os
import re
import socket
import ssl
import sys
from typing import Final

from servicetokens.runtime.terminal import one_line

# asyncio joins the errors of several addresses into one text, and drops their numbers.
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
# Reasons of OpenSSL that name a detail of the protocol instead of what is wrong.
_TLS_REASONS: Final = {
    "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port",
    "HTTP_REQUEST": "the server does not speak TLS on this port",
    "UNEXPECTED_EOF_WHILE_READING": "the server closed the connection",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server requires a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust the client certificate",
}
UNKNOWN: Final = "the connection failed"


def in_words(error: BaseException, *, otherwise: str = UNKNOWN) -> str:
    """Return why a connection or a request failed, as the end of a sentence.

    *otherwise* is returned for an error that is not one of a connection, such as one in our own code.
    """
    # Errors of the HTTP client exist only where it was imported, and its import takes half a second.
    if "aiohttp" in sys.modules:
        from servicetokens.kube import http_failures  # noqa: PLC0415 - see above

        found = http_failures.read(error)
        if found is None:
            return UNKNOWN
        if isinstance(found, str):
            return found
        error = found
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {one_line(error.verify_message)}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {_of_tls(error.reason or '')}"
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved: {error.strerror or 'no such name'}"
    if isinstance(error, UnicodeError):
        # Raised by the codec for host names: a part of the name is longer than 63 characters, or empty.
        return "the host name cannot be resolved: it is not a host name"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return _of_system(error) if isinstance(error, OSError) else otherwise


def _of_tls(reason: str) -> str:
    return _TLS_REASONS.get(reason) or one_line((reason or "no common protocol").replace("_", " ").lower())


def _of_system(error: OSError) -> str:
    number = error.errno
    if number is None and (found := _ERRNO.search(str(error))):
        number = int(found[1])
    return os.strerror(number) if number is not None and number in errno.errorcode else UNKNOWN
