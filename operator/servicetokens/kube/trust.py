"""The certificates that a server is verified with, from a PEM file."""

import re
import ssl
from typing import Final

# Text around the blocks is for people: names of authorities, comments in any encoding, a byte order mark.
_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[\x00-\x7f]*?-----END CERTIFICATE-----")


def trust(context: ssl.SSLContext, bundle: bytes) -> int:
    """Let *context* trust the certificates in *bundle* (PEM), and return how many could be read.

    As in Go, blocks that are not a certificate are skipped; 0 means that the bundle holds none.
    """
    count = 0
    for block in _BLOCK.findall(bundle):
        try:
            context.load_verify_locations(cadata=block.decode("ascii"))
        except ssl.SSLError:
            continue
        count += 1
    return count
