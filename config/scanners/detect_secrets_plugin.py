"""Written by `make generate`: has detect-secrets find the tokens of servicetokens. See docs/guides/scanners.md.

Another --token-prefix: replace every `svt_` in this file by yours with its underscore.
"""

import re
import zlib
from collections.abc import Iterator

from detect_secrets.plugins.base import RegexBasedDetector

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class ServiceTokenDetector(RegexBasedDetector):
    """Finds a token by its shape, and knows by its checksum that it is none of something else."""

    secret_type = "Service Token"
    # Nothing is asked of what stands before: in a URL that is `%20`, in an escaped text `\n`.
    denylist = (re.compile(r"svt_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}(?![0-9A-Za-z])"),)

    def analyze_string(self, string: str) -> Iterator[str]:
        """Give each token in *string* whose last six characters are the checksum of what is before them."""
        for found in super().analyze_string(string):
            if found[-6:] == _checksum(found[:-6]):
                yield found


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
